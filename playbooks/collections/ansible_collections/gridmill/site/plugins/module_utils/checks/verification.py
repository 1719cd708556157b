"""From a list of wanted checks to a list of results: all of them, whatever fails on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks import (
    backup,
    endpoints,
    ldap,
    logins,
    machine,
    network,
    nvidia,
    slurm,
    storage,
    system,
    toolkits,
)
from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.slurm import keys as slurm_keys
from ansible_collections.gridmill.site.plugins.module_utils.slurm import watts as slurm_watts
from ansible_collections.gridmill.site.plugins.module_utils.system import reboot
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run

CheckFunction = Callable[[dict[str, Any], Run], Check]

HARDWARE: dict[str, CheckFunction] = {
    "machine": machine.machine,
    "nvidia_driver": nvidia.driver,
    "gpus": nvidia.gpus,
    "gpu_power_range": nvidia.power_range,
    "gpu_power_limit": nvidia.power_limit,
    "nvlinks": nvidia.nvlinks,
}
SERVICES: dict[str, CheckFunction] = {
    "backup": backup.check,
    "hostname": system.hostname,
    "addresses": network.addresses,
    "resolves": network.resolves,
    "endpoint": endpoints.endpoint,
    "clock": network.clock,
    "sshd": logins.sshd,
    "directory": ldap.directory,
    "reboot": reboot.check,
    "package": system.package,
    "service": system.service,
    "private_file": system.private_file,
    "file": system.file,
    "toolkit": toolkits.toolkit,
    "mounted": storage.mounted,
    "moosefs_servers": storage.moosefs_servers,
    "nfs_exports": storage.nfs_exports,
    "slurm_node": slurm.node,
    "slurm_partition": slurm.partition,
    "accounting": slurm.accounting,
    "slurm_keys": slurm_keys.read_by_daemon,
    "slurm_watts": slurm_watts.check,
}
KNOWN = {**HARDWARE, **SERVICES}
# What a daemon reaches by itself some seconds after it was started.
SETTLES = frozenset(
    {
        *("service", "slurm_node", "slurm_partition", "accounting", "resolves", "clock", "slurm_keys"),
        *("moosefs_servers", "directory", "toolkit", "endpoint"),
        "slurm_watts",
    }
)


def for_host(
    wanted: list[dict[str, Any]],
    name: str,
    domain: str,
    addresses: list[str],
    identity: dict[str, str] | None = None,
) -> list[dict[str, Any]]:
    """The checks with what only this host has: checks are planned per kind of machine, names and addresses are not."""
    own: dict[str, dict[str, Any]] = {
        "machine": identity or {},
        "hostname": {"expected": name},
        "addresses": {"addresses": addresses},
        "endpoint": {"addresses": addresses},
        "resolves": {"name": f"{name}.{domain}" if domain else name, "addresses": addresses},
        "slurm_node": {"name": name},
    }
    return [{**own.get(str(one.get("check")), {}), **one} for one in wanted]


def verify(
    wanted: list[dict[str, Any]],
    run: Run,
    wait: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[Check]:
    """Do every wanted check. Those that settle by themselves are repeated for at most `wait` seconds in all."""
    until = clock() + wait
    results = [_once(one, run) for one in wanted]
    while (waiting := _settling(wanted, results)) and clock() < until:
        sleep(1.0)
        for index in waiting:
            results[index] = _once(wanted[index], run)
    return results


def _settling(wanted: list[dict[str, Any]], results: list[Check]) -> list[int]:
    pairs = enumerate(zip(wanted, results, strict=True))
    return [index for index, (one, done) in pairs if not done["ok"] and one.get("check") in SETTLES]


def _once(one: dict[str, Any], run: Run) -> Check:
    name = str(one.get("check", "unnamed"))
    function = KNOWN.get(name)
    if function is None:
        return result(name, ok=False, expected="a known check", found=name, hint=f"known: {', '.join(sorted(KNOWN))}")
    try:
        return function(one, run)
    except KeyError as missing:
        return result(name, ok=False, expected=f"the value {missing}", found="none", hint="the plan must give it")
    except (TypeError, ValueError) as error:
        return result(name, ok=False, expected="values that fit the check", found=error, hint="the plan must give them")

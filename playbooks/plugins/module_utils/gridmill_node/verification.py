"""From a list of wanted checks to a list of results: all of them, whatever fails on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible.module_utils.gridmill_node import (
    ldap_checks,
    login_checks,
    machine_checks,
    network_checks,
    newest_backup,
    nvidia_checks,
    reboot,
    slurm_checks,
    slurm_keys,
    slurm_watts,
    storage_checks,
    system_checks,
    toolkit_checks,
)
from ansible.module_utils.gridmill_node.checks import Check, result
from ansible.module_utils.gridmill_node.commands import Run

CheckFunction = Callable[[dict[str, Any], Run], Check]

HARDWARE: dict[str, CheckFunction] = {
    "machine": machine_checks.machine,
    "nvidia_driver": nvidia_checks.driver,
    "gpus": nvidia_checks.gpus,
    "gpu_power_range": nvidia_checks.power_range,
    "gpu_power_limit": nvidia_checks.power_limit,
    "nvlinks": nvidia_checks.nvlinks,
}
SERVICES: dict[str, CheckFunction] = {
    "backup": newest_backup.check,
    "hostname": system_checks.hostname,
    "addresses": network_checks.addresses,
    "resolves": network_checks.resolves,
    "clock": network_checks.clock,
    "sshd": login_checks.sshd,
    "directory": ldap_checks.directory,
    "reboot": reboot.check,
    "package": system_checks.package,
    "service": system_checks.service,
    "private_file": system_checks.private_file,
    "toolkit": toolkit_checks.toolkit,
    "mounted": storage_checks.mounted,
    "moosefs_servers": storage_checks.moosefs_servers,
    "nfs_exports": storage_checks.nfs_exports,
    "slurm_node": slurm_checks.node,
    "slurm_partition": slurm_checks.partition,
    "accounting": slurm_checks.accounting,
    "slurm_keys": slurm_keys.in_force,
    "slurm_watts": slurm_watts.check,
}
KNOWN = {**HARDWARE, **SERVICES}
# What a daemon reaches by itself some seconds after it was started.
SETTLES = frozenset(
    {
        *("service", "slurm_node", "slurm_partition", "accounting", "resolves", "clock", "slurm_keys"),
        *("moosefs_servers", "directory", "toolkit"),
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

"""What a task manages on a machine, from its module, its arguments and its result: pure.

The callback plugin collects these items while roles run; the drift check (check.py) then looks at all of them. An item
is a dictionary with `kind` and `name`; kinds are described in check.py.

Modules of ours that only compare in check mode, and whose arguments hold no secret, check themselves: the item is
the call itself. What many tasks have in common (files, packages, units) is looked at together, which is faster.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

Item = dict[str, Any]
Collector = Callable[[Mapping[str, Any], Mapping[str, Any]], list[Item]]

HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
"""What Ansible puts in place of an argument that is a secret."""
BUILTIN = "ansible.builtin."
PREFIXES = (BUILTIN, "ansible.legacy.", "gridmill.site.")
"""Collections whose modules are told by their plain names here."""

SELF_CHECKING = frozenset(
    {
        "accounts",
        "ldap_removed",
        "loaded_driver",
        "gpu_power_limit",
        "host_name",
        "preserve_unmanaged_file",
        "kernel_parameters",
        "mariadb_socket_database",
        "moosefs_metadata",
        "moosefs_volumes",
        "package_sources",
        "shared_toolkits",
        "slurm_accounting",
        "slurm_job_watts",
        "slurm_maintenance",
        "storage_directories",
        "toolkit_links",
        "volume_directories",
        "volume_exports",
        "volume_mounts",
    }
)
"""Modules that the drift check calls as they were called, in check mode."""

NOTHING_TO_WATCH: dict[str, str] = {
    "fence": "keeps the token of the newest run, which changes with each",
    "verify": "changes nothing: it asks whether the machine works, which `gridmill status` and every run do",
    "validate_argument_spec": "looks at variables, on the controller",
    "include_tasks": "the tasks that it includes are watched",
    "import_tasks": "the tasks that it imports are watched",
    "stat": "only reads",
    "meta": "steers the play",
}
"""Modules that manage nothing, each with the reason why the drift check skips them."""

NEVER: dict[str, str] = {
    "acceptance": "runs jobs, which say nothing lasting about the machine",
    "command": "without `creates` nobody can say what it manages",
}
"""Modules after which a machine is not recorded: it is asked by Ansible every time. Each with the reason."""


def watched(module: str, arguments: Mapping[str, Any], result: Mapping[str, Any]) -> list[Item]:
    """Items of one task (of one round, for a loop). A module that nobody described prevents the baseline."""
    name = plain(module)
    if name in NOTHING_TO_WATCH:
        return []
    if name in SELF_CHECKING:
        return _call(name, arguments)
    collector = COLLECTORS.get(name)
    if collector is None:
        return [never(name, NEVER.get(name, "nobody described it"))]
    try:
        return collector(arguments, result)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return [never(name, f"what it manages can't be told: {error!r}")]


def plain(module: str) -> str:
    """The name of a module, without the collection that it is certain to come from."""
    for prefix in PREFIXES:
        module = module.removeprefix(prefix)
    return module


def never(name: str, why: str) -> Item:
    """An item that is never as it should be, so that no baseline is written."""
    return {"kind": "never", "name": name, "why": why}


def key_of(item: Mapping[str, Any]) -> str:
    """What tells an item from others."""
    return f"{item['kind']} {item['name']}"


def joined(items: list[Item]) -> dict[str, Item]:
    """Items of all tasks by key. The last word on an item counts; what several tasks say about a unit adds up."""
    found: dict[str, Item] = {}
    for item in items:
        key = key_of(item)
        before = found.get(key)
        if before and item["kind"] == "unit":
            lists = {name: sorted({*before[name], *item[name]}) for name in ("restart", "reload")}
            item = {**item, **lists, "started": before["started"] or item["started"]}  # noqa: PLW2901
        found[key] = item
    return found


def _call(name: str, arguments: Mapping[str, Any]) -> list[Item]:
    text = json.dumps(arguments, sort_keys=True, default=str)
    if HIDDEN in text:
        return [never(name, "one of its arguments is a secret")]
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    kept = {key: False if key == "pending_change" else value for key, value in arguments.items()}
    return [{"kind": "module", "name": f"{name} {digest}", "module": name, "arguments": kept}]


def _file(arguments: Mapping[str, Any], result: Mapping[str, Any]) -> list[Item]:
    places = [source.get(name) for source in (result, arguments) for name in ("dest", "path", "name")]
    path = next((str(place) for place in places if place and str(place).startswith("/")), "")
    if not path:
        return [never("file", "its path is not known")]
    checksum = result.get("checksum")
    return [{"kind": "file", "name": path, **({"sha1": str(checksum)} if checksum else {})}]


def _changed_file(arguments: Mapping[str, Any], result: Mapping[str, Any]) -> list[Item]:
    """A file of which the task manages a part; its result says nothing of the whole."""
    del result
    return _file(arguments, {})


def _packages(arguments: Mapping[str, Any], result: Mapping[str, Any]) -> list[Item]:
    del result
    held = set(arguments.get("held") or ())
    items: list[Item] = [{"kind": "dpkg", "name": "packages"}]
    for name, pattern in (arguments.get("wanted") or {}).items():
        items.append({"kind": "package", "name": name, "pattern": str(pattern), "held": name in held, "absent": False})
    for name in arguments.get("absent") or ():
        items.append({"kind": "package", "name": name, "pattern": "", "held": False, "absent": True})
    if preferences := arguments.get("preferences_file"):
        items.append({"kind": "file", "name": str(preferences)})
    return items


def _unit(arguments: Mapping[str, Any], result: Mapping[str, Any]) -> list[Item]:
    del result
    unit = {"kind": "unit", "name": str(arguments["unit"]), "started": bool(arguments.get("started"))}
    return [{**unit, **{key: [str(one) for one in arguments.get(key) or ()] for key in ("restart", "reload")}}]


def _key_file(arguments: Mapping[str, Any], result: Mapping[str, Any]) -> list[Item]:
    del result
    return [{"kind": "file", "name": str(arguments["path"])}]


def _slurm_keys(arguments: Mapping[str, Any], result: Mapping[str, Any]) -> list[Item]:
    return [*_key_file(arguments, result), *_call("slurm_keys", arguments)]


def _slurm_configuration(arguments: Mapping[str, Any], result: Mapping[str, Any]) -> list[Item]:
    """The files, that slurmctld read them, and what it works with: which `scontrol update` changes without a file."""
    del result
    directory = str(arguments.get("directory") or "/etc/slurm")
    names = [*(arguments.get("files") or {}), ".reconfigure-pending"]
    files: list[Item] = [{"kind": "file", "name": f"{directory}/{name}"} for name in names]
    lasting = {**arguments, "reread": False}  # an order, of this run only
    return [*files, *_call("slurm_configuration", lasting), {"kind": "slurm", "name": "loaded configuration"}]


def _command(arguments: Mapping[str, Any], result: Mapping[str, Any]) -> list[Item]:
    del result
    creates = arguments.get("creates")
    return [{"kind": "exists", "name": str(creates)}] if creates else [never("command", NEVER["command"])]


def _user(arguments: Mapping[str, Any], result: Mapping[str, Any]) -> list[Item]:
    del result
    extra = set(arguments) - {"name", "password"}
    if extra and any(arguments[name] for name in extra):
        return [never("user", f"of {', '.join(sorted(extra))} nothing is known here")]
    return [{"kind": "password", "name": str(arguments["name"])}]


COLLECTORS: dict[str, Collector] = {
    "template": _file,
    "copy": _file,
    "file": _file,
    "blockinfile": _changed_file,
    "packages": _packages,
    "systemd_unit": _unit,
    "key_file": _key_file,
    "slurm_keys": _slurm_keys,
    "slurm_configuration": _slurm_configuration,
    "command": _command,
    "user": _user,
}
"""What the other modules manage."""

#!/usr/bin/python
"""Ansible module: volumes of MooseFS, their copies, users' directories and quotas, in one round trip."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.storage import moosefs, volumes
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result, run

DOCUMENTATION = r"""
module: moosefs_volumes
short_description: Makes volumes of MooseFS as planned
description:
  - Mounts the whole tree for the time of its work, at a place that only root can enter.
  - Makes directories of volumes and users, sets copies (a storage class of ours) and hard limits on what files hold.
  - Removes nothing. A directory that belongs to somebody else is a failure, never given away.
options:
  master:
    description: Address of the master.
    type: str
    required: true
  volumes:
    description: By name, a dict with holds, replicas, size, quota and quotas.
    type: dict
    required: true
  people:
    description: Everybody who gets a directory, as name and uid.
    type: list
    elements: dict
    required: true
  wait:
    description: Seconds that a master which was just started may take to answer.
    type: int
    default: 60
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Make volumes
  gridmill.site.moosefs_volumes:
    master: 192.0.2.102
    volumes: {home: {holds: homes, replicas: 2, size: 0, quota: 500000000000, quotas: {}}}
    people: [{name: anna, uid: 2001}]
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: str
"""

RUNTIME = Path("/run")
TIMEOUT = 600.0


class Failed(Exception):  # noqa: N818 - how the work ends
    """A tool that refused."""


def done(argv: list[str]) -> str:
    answer = run(argv, timeout=TIMEOUT)
    if not answer.ok:
        raise Failed(f"{' '.join(argv)}: {answer.complaint()}")
    return str(answer.output)


@contextmanager
def tree(master: str, wait: float) -> Iterator[Path | None]:
    """The whole tree, mounted; None when nobody answers."""
    with tempfile.TemporaryDirectory(prefix="gridmill-moosefs-", dir=RUNTIME, ignore_cleanup_errors=True) as directory:
        until = time.monotonic() + wait
        argv = ["mfsmount", directory, "-o", f"mfsmaster={master},mfssubfolder=/,nosuid,nodev,noexec"]
        answer = run(argv)
        while not answer.ok and time.monotonic() < until:
            time.sleep(1.0)
            answer = run(argv)
        if not answer.ok:
            yield None
            return
        try:
            yield Path(directory)
        finally:
            if not unmounted(directory).ok:
                run(["umount", "--lazy", directory])


def unmounted(directory: str) -> Result:
    answer = run(["umount", directory])
    for _ in range(10):
        if answer.ok:
            break
        time.sleep(0.2)
        answer = run(["umount", directory])
    return answer


def work(root: Path, params: dict[str, Any], *, dry: bool) -> list[str]:
    """Compare and, unless `dry`, do it; the actions, with paths as a client of the whole tree would name them."""
    wanted, people = params["volumes"], params["people"]
    places = {name: {**volume, "path": str(root / name)} for name, volume in wanted.items()}
    top = volumes.Directory(root, 0, volumes.PARENT_MODE)
    todo = volumes.compare([top, *volumes.directories(places, people)])
    if todo.problems:
        raise Failed("; ".join(todo.problems))
    actions = todo.actions()
    if not dry:
        volumes.carry_out(todo)
    new = {str(one.path) for one in todo.make}
    actions += _classes(root, wanted, new, dry=dry)
    limits = moosefs.wanted_quotas(str(root), wanted, [str(one["name"]) for one in people])
    there = [path for path in limits if path not in new]
    found: dict[str, int] = {}
    for batch in moosefs.batches(there):
        found |= moosefs.parse_quotas(done(["mfsgetquota", "-n", *batch]))
    if missing := set(there) - set(found):
        raise Failed(f"mfsgetquota says nothing of {', '.join(sorted(missing))}")
    for command in moosefs.quota_commands(limits, found):
        actions.append(" ".join(command))
        if not dry:
            done(command)
    return [line.replace(str(root), "") for line in actions]


def _classes(root: Path, wanted: dict[str, Any], new: set[str], *, dry: bool) -> list[str]:
    """Copies of every volume; what is in it already follows."""
    actions = []
    known = set(done(["mfslistsclass", "-M", str(root)]).split()) if wanted else set()
    for name, volume in sorted(wanted.items()):
        label = moosefs.class_name(volume["replicas"])
        if label not in known:
            known.add(label)
            actions.append(f"make storage class {label}")
            if not dry:
                done(moosefs.class_command(str(root), volume["replicas"]))
        path = str(root / name)
        if path in new or moosefs.parse_classes(done(["mfsgetsclass", path])).get(path) != label:
            actions.append(f"keep {volume['replicas']} copies of {path}")
            if not dry:
                done(["mfssetsclass", "-r", label, path])
    return actions


def first_time(params: dict[str, Any]) -> list[str]:
    """What would be done where no master answers yet."""
    with tempfile.TemporaryDirectory() as nowhere:
        places = {name: {**volume, "path": f"{nowhere}/{name}"} for name, volume in params["volumes"].items()}
        wanted = volumes.directories(places, params["people"])
        return [line.replace(nowhere, "") for line in volumes.compare(wanted).actions()]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "master": {"type": "str", "required": True},
            "volumes": {"type": "dict", "required": True},
            "people": {"type": "list", "elements": "dict", "required": True},
            "wait": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    params, dry = module.params, bool(module.check_mode)
    try:
        with tree(params["master"], 0 if dry else params["wait"]) as root:
            if root is None and not dry:
                module.fail_json(
                    msg=f"the master at {params['master']} does not answer: journalctl --unit moosefs-master"
                )
            actions = work(root, params, dry=dry) if root else first_time(params)
    except (Failed, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(actions), actions=actions, diff={"prepared": "".join(f"+{line}\n" for line in actions)}
    )


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""Ansible module: toolkits on a volume, once for all machines."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.cuda import packages as toolkit_packages
from ansible_collections.gridmill.site.plugins.module_utils.cuda import toolkits
from ansible_collections.gridmill.site.plugins.module_utils.storage.mounts import parse_mountinfo
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import run
from ansible_collections.gridmill.site.plugins.module_utils.system.locks import RUNTIME, alone

DOCUMENTATION = r"""
module: shared_toolkits
short_description: Puts toolkits on a volume, several versions side by side
description:
  - Fetches the packages of a toolkit with APT, from one source only, whose signature APT has verified; extracts those
    of their files that lie below /usr/local/cuda-VERSION beside the others, looks at them, and only then puts them in
    force, in one step. No script of a package is run, and nothing is installed on this machine.
  - A toolkit of ours that is no longer wanted is removed; one that was replaced stays until something else changes.
  - What somebody else put there is never touched. Nothing is written while the volume is not mounted.
  - Whether there is anything to do, the toolkits' manifests say. In check mode, while the volume is not mounted or the
    source is not defined yet, whatever can't be looked at counts as missing and offered.
options:
  directory:
    description: Directory on the volume; made when missing.
    type: path
    required: true
  mount:
    description: Where the volume is mounted.
    type: path
    required: true
  mounted_from:
    description: What must be mounted there, as in /proc/self/mountinfo.
    type: str
    required: true
  versions:
    description: By version of the toolkit, a version pattern for each of its packages by name.
    type: dict
    required: true
  owner:
    description: Number of the user who owns the toolkits and puts them there; root of a client is nobody on a volume.
    type: int
    required: true
  source:
    description: File of the package source.
    type: path
    required: true
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Put toolkits on their volume
  gridmill.site.shared_toolkits:
    directory: /shared/software/cuda
    mount: /shared/software
    mounted_from: "mfs#192.0.2.102:9421/software"
    versions: {"12.8": {cuda-toolkit-12-8: "12.8.*"}}
    owner: 1991
    source: /etc/apt/sources.list.d/gridmill-source-mirror.sources
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: str
gridmill_notes:
  description: Packages that were left out, as they don't lie with the toolkit.
  returned: always
  type: list
  elements: str
"""

LOCK = RUNTIME / "toolkits.lock"
LOCK_WAIT = 300.0
MOUNTINFO = Path("/proc/self/mountinfo")
MODE = 0o755


@contextmanager
def as_user(uid: int) -> Iterator[None]:
    """What is done meanwhile, that user does."""
    if os.geteuid() == uid:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def not_mounted(mount: str, wanted: str) -> str:
    """Why nothing may be written there; empty when all is well."""
    now = parse_mountinfo(MOUNTINFO.read_text(encoding="utf-8")).get(mount)
    if now is None or now.source != wanted:
        return f"{mount} has {now.source if now else 'nothing'} mounted, and not {wanted}"
    answer = run(["stat", "--file-system", "--format=%T", mount])  # one whose server is away would never answer
    return "" if answer.ok else f"{mount} gives no answer: {answer.complaint()}"


def refused(directory: Path, owner: int) -> str:
    """Why the directory can't be trusted with programs that everybody runs; empty when it can."""
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return ""
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o022:
        return (
            f"{directory} must be a directory of uid {owner} in which nobody else may write, and is of uid "
            f"{found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}: move it away"
        )
    return ""


class Change:
    """Carries out what was decided."""

    def __init__(self, directory: Path, owner: int, source: Path, offer: dict[str, toolkit_packages.Offer]) -> None:
        self.directory, self.owner, self.source, self.offer = directory, owner, source, offer
        self.notes: list[str] = []

    def run(self, work: toolkits.Work, there: toolkits.There) -> None:
        with as_user(self.owner):
            if not self.directory.is_dir():
                self.directory.mkdir()
                self.directory.chmod(MODE)
            for version in work.remove:
                (self.directory / version).unlink()
                shutil.rmtree(self.directory / there.used[version])
            for name in work.clear:
                self._clear(self.directory / name)
        for version in work.put:
            self._put(version)

    def _clear(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def _put(self, version: str) -> None:
        new = self.directory / f"{toolkits.NEW}{version}"
        with as_user(self.owner):
            new.mkdir()
        try:
            taken, left_out = toolkit_packages.unpack(self.offer[version], version, self.source, new, self.owner)
            self.notes += [
                f"toolkit {version} is without {', '.join(files)} of {name}" for name, files in sorted(left_out.items())
            ]
            with as_user(self.owner):
                self._apply(version, new, toolkits.manifest(version, taken, left_out))
        finally:
            with as_user(self.owner), suppress(OSError):
                shutil.rmtree(new)

    def _apply(self, version: str, new: Path, manifest: bytes) -> None:
        made = new / "root" / f"{toolkits.PLACE}{version}"
        compiler = made / "bin" / "nvcc"
        if not compiler.is_file() or not compiler.stat().st_mode & 0o111:
            raise toolkit_packages.PackagesError(f"the packages of toolkit {version} hold no program bin/nvcc")
        (made / toolkits.MANIFEST).write_bytes(manifest)
        (made / toolkits.MANIFEST).chmod(0o644)
        run(["sync", "--file-system", str(made)], timeout=600.0)
        kept = self.directory / toolkits.kept_name(version, manifest)
        if kept.exists():
            shutil.rmtree(kept)  # of an earlier time, and named by no link
        made.rename(kept)
        link = self.directory / f"{toolkits.NEW}link"
        link.unlink(missing_ok=True)
        link.symlink_to(kept.name)
        link.replace(self.directory / version)


def work_on(module: Any) -> None:
    params = module.params
    directory, owner, wanted = Path(params["directory"]), params["owner"], params["versions"]
    away = not_mounted(params["mount"], params["mounted_from"])
    problem = away if not module.check_mode else ""
    problem = problem or ("" if away else refused(directory, owner))
    if problem:
        module.fail_json(msg=f"nothing was changed; {problem}")
    there = toolkits.There() if away else toolkits.look(directory)
    work = toolkits.decide(wanted, there, directory)
    if work.problems:
        module.fail_json(msg=f"nothing was changed; {'; '.join(work.problems)}")
    notes: list[str] = []
    source = Path(params["source"])
    try:
        unknown = module.check_mode and (away or not source.exists())
        offer = {} if unknown else {one: toolkit_packages.offer(wanted[one], source) for one in work.put}
        if not away:
            toolkit_packages.room(offer, Path(params["mount"]))
        if work.actions() and not module.check_mode:
            change = Change(directory, owner, source, offer)
            change.run(work, there)
            notes = change.notes
    except (toolkit_packages.PackagesError, OSError) as error:
        module.fail_json(msg=f"toolkits at {directory}: {error}")
    actions = work.actions()
    lines = "".join(f"+{line}\n" for line in actions)
    module.exit_json(changed=bool(actions), actions=actions, gridmill_notes=notes, diff={"prepared": lines})


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "mount": {"type": "path", "required": True},
            "mounted_from": {"type": "str", "required": True},
            "versions": {"type": "dict", "required": True},
            "owner": {"type": "int", "required": True},
            "source": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        with alone(LOCK, LOCK_WAIT):  # the module of a run that was killed may still be at it
            work_on(module)
    except TimeoutError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""Ansible module: the volumes that this machine mounts, in one round trip."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.storage import mounts
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result, run

DOCUMENTATION = r"""
module: volume_mounts
short_description: Mounts volumes as planned, and no longer those that are not
description:
  - One mount unit of systemd for each volume; a timer mounts later what could not be mounted.
  - Never mounts over a directory that holds something or where somebody else mounted something, and never unmounts
    what is in use; it does all else, then fails and names what stands in the way.
  - Units of volumes that are planned no longer are stopped and removed; the data stay on their server.
options:
  volumes:
    description: By name, a dict with mount, what, source, type and options.
    type: dict
    required: true
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Mount volumes
  gridmill.site.volume_mounts:
    volumes:
      home:
        mount: /shared/home
        what: "192.0.2.102:9421:/home"
        source: "mfs#192.0.2.102:9421/home"
        type: moosefs
        options: [nosuid, nodev, _netdev, nofail]
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: str
"""

UNITS = Path("/etc/systemd/system")
PROC = Path("/proc")
HELPERS = ("/sbin", "/usr/sbin")
TIMEOUT = mounts.TIMEOUT_S + 30.0
PATIENCE = 60
"""Seconds that a volume without a user may stay busy."""


def our_units() -> dict[str, str]:
    texts = {path.name: path.read_text(encoding="utf-8") for path in UNITS.glob("*.mount") if path.is_file()}
    return {name: text for name, text in texts.items() if text.startswith(mounts.MARK)}


def mounted_now() -> dict[str, mounts.Mounted]:
    found: dict[str, mounts.Mounted] = mounts.parse_mountinfo((PROC / "self" / "mountinfo").read_text(encoding="utf-8"))
    return found


def contents(volumes: dict[str, Any], mounted: dict[str, mounts.Mounted]) -> dict[str, list[str]]:
    """Names in directories at mount points where nothing is mounted; one with a hung server is never looked into."""
    free = [volume["mount"] for volume in volumes.values() if volume["mount"] not in mounted]
    return {path: sorted(one.name for one in Path(path).iterdir()) for path in free if Path(path).is_dir()}


def users_of(path: str) -> Iterator[str]:
    """Processes with a directory or file of their own below a path."""
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError):
            links = [process / "cwd", process / "root", *(process / "fd").iterdir()]
            if any(link.readlink().is_relative_to(path) for link in links):
                yield f"{process.name} ({(process / 'comm').read_text(encoding='utf-8').strip()})"


def unmount(path: str, name: str) -> str:
    """Unmount; why not, when it is in use."""
    answer, users = run(["umount", path], timeout=TIMEOUT), list(users_of(path))
    for _ in range(PATIENCE):  # a file system in user space lets go some moments after its last user
        if answer.ok or users:
            break
        time.sleep(1.0)
        answer, users = run(["umount", path], timeout=TIMEOUT), list(users_of(path))
    if answer.ok:
        return ""
    by = (
        f" by {', '.join(users[: mounts.SHOWN])}" if users else f", though no process has it open: {answer.complaint()}"
    )
    return f"{name} at {path} is in use{by}; it stays mounted, and the same command finishes this when it is free"


def write(name: str, text: str) -> None:
    new = UNITS / f".{name}.new"
    new.write_text(text, encoding="utf-8")
    new.chmod(0o644)
    new.replace(UNITS / name)


def systemctl(*arguments: str) -> Result:
    return run(["systemctl", *arguments], timeout=TIMEOUT)


class Change:
    """Carries out what the comparison found."""

    def __init__(self, volumes: dict[str, Any], work: mounts.Work) -> None:
        self.volumes = volumes
        self.work = work
        self.problems = list(work.problems)

    def run(self, extra: dict[str, str], old: list[str]) -> list[str]:
        """All of it; `extra` are other units to write, `old` such to remove. What could not be done."""
        mounted = mounted_now()
        for unit, text in self.work.remove.items():
            path = mounts.where(text)
            if path in mounted and (problem := unmount(path, unit.removesuffix(".mount"))):
                self.problems.append(problem)
            else:
                self._disable(unit)
                with suppress(OSError):
                    Path(path).rmdir()
        blocked = [name for name in self.work.remount if not self._released(name)]
        for name in old:
            self._disable(name)
        kept = {mounts.unit_name(self.volumes[name]["mount"]) for name in blocked}
        for unit, text in [*self.work.write.items(), *extra.items()]:
            if unit not in kept:
                write(unit, text)
        answer = systemctl("daemon-reload")
        self.problems += [] if answer.ok else [f"systemctl daemon-reload: {answer.complaint()}"]
        for name in [*self.work.remount, *self.work.mount]:
            if name not in blocked:
                self._mount(name)
        return self.problems

    def _released(self, name: str) -> bool:
        problem = unmount(self.volumes[name]["mount"], name)
        self.problems += [problem] if problem else []
        return not problem

    def _disable(self, unit: str) -> None:
        systemctl("disable", "--now", "--quiet", unit)
        (UNITS / unit).unlink(missing_ok=True)

    def _mount(self, name: str) -> None:
        volume = self.volumes[name]
        kind, unit = volume["type"], mounts.unit_name(volume["mount"])
        if not any(Path(directory, f"mount.{kind}").exists() for directory in HELPERS):
            self.problems.append(
                f"{name}: there is no mount.{kind}: install its maker's client for {kind} on this machine"
            )
            return
        Path(volume["mount"]).mkdir(parents=True, exist_ok=True)
        answer = systemctl("start", unit)
        if not answer.ok:
            log = run(["journalctl", "--unit", unit, "--lines", "3", "--output", "cat", "--no-pager"]).output
            said = " / ".join(line.strip() for line in log.splitlines() if line.strip())
            self.problems.append(
                f"{volume['what']} could not be mounted at {volume['mount']}: {said or answer.complaint()}"
            )


def enabled(unit: str, target: str) -> bool:
    return (UNITS / f"{target}.wants" / unit).is_symlink()


def main() -> None:
    module = AnsibleModule(argument_spec={"volumes": {"type": "dict", "required": True}}, supports_check_mode=True)
    volumes: dict[str, Any] = module.params["volumes"]
    units, mounted = our_units(), mounted_now()
    if not volumes and not units and not (UNITS / f"{mounts.RETRY}.timer").exists():
        module.exit_json(changed=False, actions=[])
    work = mounts.compare(volumes, units, mounted, contents(volumes, mounted))
    wanted = [mounts.unit_name(volume["mount"]) for volume in volumes.values()]
    retry = mounts.retry_texts(wanted) if volumes else {}
    extra = {name: text for name, text in retry.items() if _text(name) != text}
    old = [] if volumes else [name for name in mounts.retry_texts([]) if (UNITS / name).exists()]
    timer = f"{mounts.RETRY}.timer"
    switch = [unit for unit in wanted if not enabled(unit, "remote-fs.target")]
    switch += [timer] if volumes and not enabled(timer, "timers.target") else []
    actions = [
        *work.actions(volumes),
        *(f"write {name}" for name in extra),
        *(f"remove {name}" for name in old),
        *(f"enable {unit}" for unit in switch),
    ]
    problems = work.problems
    if not module.check_mode:
        if actions:
            problems = Change(volumes, work).run(extra, old)
        there = [unit for unit in switch if (UNITS / unit).exists()]
        if there:
            answer = systemctl("enable", "--quiet", *there)
            problems += [] if answer.ok else [f"systemctl enable: {answer.complaint()}"]
        if volumes and (extra or timer in switch):
            answer = systemctl("restart", timer)
            problems += [] if answer.ok else [f"systemctl restart {timer}: {answer.complaint()}"]
    if problems:
        module.fail_json(msg="; ".join(problems), actions=actions)
    module.exit_json(
        changed=bool(actions), actions=actions, diff={"prepared": "".join(f"+{line}\n" for line in actions)}
    )


def _text(name: str) -> str:
    path = UNITS / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    main()

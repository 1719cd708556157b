"""Checks of the machine's name, packages, services and files."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run


def hostname(wanted: dict[str, Any], run: Run) -> Check:
    """The node's own name; `expected` is the short name, as Slurm compares it."""
    expected = str(wanted["expected"])
    answer = run(["hostname"])
    found = answer.output.strip() if answer.ok else answer.complaint()
    return result(
        "hostname",
        ok=answer.ok and found == expected,
        expected=expected,
        found=found,
        hint="run the role base again",
    )


def package(wanted: dict[str, Any], run: Run) -> Check:
    """The package is installed, at a version that starts with `version_prefix`."""
    name, prefix = str(wanted["name"]), str(wanted.get("version_prefix", ""))
    answer = run(["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", name])
    status, _, version = answer.output.strip().partition(" ")
    installed = answer.ok and status == "installed"
    return result(
        f"package {name}",
        ok=installed and upstream(version).startswith(prefix),
        expected=f"{prefix}*" if prefix else "installed",
        found=version if installed else "not installed",
        hint=f"apt-cache policy {name} shows what the package sources offer",
    )


def upstream(version: str) -> str:
    """A Debian version without its epoch: 1:11.8.6-0 -> 11.8.6-0."""
    return version.partition(":")[2] or version


def service(wanted: dict[str, Any], run: Run) -> Check:
    """The service runs now and starts with the machine."""
    name = str(wanted["name"])
    properties = "--property=LoadState,ActiveState,SubState,UnitFileState"
    answer = run(["systemctl", "show", properties, f"{name}.service"])
    state = dict(line.split("=", 1) for line in answer.output.splitlines() if "=" in line)
    if not answer.ok:
        found = answer.complaint()
    elif state.get("LoadState") != "loaded":
        found = "not installed"
    else:
        found = f"{state.get('ActiveState')} ({state.get('SubState')}), {state.get('UnitFileState')}"
    wanted_state = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}
    ok = answer.ok and wanted_state.items() <= state.items()
    hint = f"journalctl --unit {name} on this host says why"
    return result(f"service {name}", ok=ok, expected="active, enabled", found=found, hint=hint)


def private_file(wanted: dict[str, Any], run: Run) -> Check:
    """A file that nobody but its owner can read: `path` exists, is not empty, and gives nothing to group or others."""
    del run
    path = Path(str(wanted["path"]))
    expected = "private to its owner"
    try:
        status = path.stat()
    except OSError as error:
        return result(f"private {path}", ok=False, expected=expected, found=error.strerror, hint="run the role again")
    mode = stat.S_IMODE(status.st_mode)
    return result(
        f"private {path}",
        ok=status.st_size > 0 and not mode & 0o077,
        expected=expected,
        found=f"mode {mode:04o}, {status.st_size} bytes",
        hint="anyone who could read it must be assumed to have it: make a new one",
    )


def file(wanted: dict[str, Any], run: Run) -> Check:
    """A regular file of root's at `path` that nobody else may write, with `contains` in it."""
    del run
    path, text = Path(str(wanted["path"])), str(wanted["contains"])
    expected = f"a file of root's with {text!r}"
    try:
        found = path.lstat()
        content = path.read_text(encoding="utf-8", errors="replace") if stat.S_ISREG(found.st_mode) else ""
    except OSError as error:
        return result(f"file {path}", ok=False, expected=expected, found=str(error.strerror), hint="run its role again")
    wrong = [
        *([] if stat.S_ISREG(found.st_mode) else ["no regular file"]),
        *([] if found.st_uid == 0 else [f"owned by user {found.st_uid}"]),
        *([f"mode {stat.S_IMODE(found.st_mode):o}"] if found.st_mode & 0o022 else []),
        *([] if text in content else ["without that text"]),
    ]
    return result(
        f"file {path}",
        ok=not wrong,
        expected=expected,
        found=", ".join(wrong) or expected,
        hint="somebody changed it by hand; run its role again",
    )

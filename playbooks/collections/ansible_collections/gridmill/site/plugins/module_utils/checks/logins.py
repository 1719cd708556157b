"""Checks of who can log in: what sshd makes of all its files, whoever wrote them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run

SSHD = "/usr/sbin/sshd"
DIRECTORY = Path("/etc/ssh/sshd_config.d")
REQUIRED = {
    "usepam": ("yes",),
    "passwordauthentication": ("no",),
    "kbdinteractiveauthentication": ("no",),
    "hostbasedauthentication": ("no",),
    "permitemptypasswords": ("no",),
    "permitrootlogin": ("no", "without-password", "prohibit-password", "forced-commands-only"),
}
USER_GROUP = "gridmill-users"


def sshd(wanted: dict[str, Any], run: Run, directory: Path = DIRECTORY) -> Check:
    """Keys only, and with `users: false` nobody of gridmill-users. The first file that says something wins in sshd."""
    check, expected = "sshd", "keys only" if wanted.get("users") else "keys only, and no users"
    answer = run([SSHD, "-T"])
    if not answer.ok:
        return result(check, ok=False, expected=expected, found=answer.complaint(), hint="sshd -t on this machine")
    settings: dict[str, str] = {}
    for line in answer.output.splitlines():
        key, _, value = line.partition(" ")
        settings[key] = f"{settings[key]} {value}" if key in settings else value
    wrong = [f"{key} {settings.get(key, 'unset')}" for key, good in REQUIRED.items() if settings.get(key) not in good]
    if not wanted.get("users") and USER_GROUP not in settings.get("denygroups", "").split():
        wrong.append(f"denygroups without {USER_GROUP}")
    files = sorted({file.name for key in wrong for file in _saying(key.split()[0], directory)})
    return result(
        check,
        ok=not wrong,
        expected=expected,
        found=", ".join(wrong) or expected,
        hint=f"sshd takes the first word on each: see {', '.join(files) or 'sshd_config'} in {directory}",
    )


def _saying(key: str, directory: Path) -> list[Path]:
    """Drop-ins of others that say something on `key`."""
    found = []
    for file in sorted(directory.glob("*.conf")):
        text = file.read_text(encoding="utf-8", errors="replace")
        if "gridmill" not in file.name and re.search(rf"^\s*{key}\b", text, re.IGNORECASE | re.MULTILINE):
            found.append(file)
    return found

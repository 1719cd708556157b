"""A reboot that is due: noted by what made it so, forgotten by the reboot itself. No role reboots a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run

MARKER = Path("/var/lib/gridmill/reboot-needed")
"""Reasons, by what asked for it, since the boot whose identity stands beside them."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
DISTRIBUTION = Path("/run/reboot-required")
"""Where packages of the distribution say so."""
NONE_DUE = "none due"


def reasons(marker: Path = MARKER, boot_id: Path = BOOT_ID) -> dict[str, str]:
    """Reason by what asked for the reboot; none of an earlier boot, and none from a file that can't be read."""
    try:
        noted = json.loads(marker.read_text(encoding="utf-8"))
        return dict(noted["reasons"]) if noted["boot"] == _boot(boot_id) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def note(what: str, reason: str, marker: Path = MARKER, boot_id: Path = BOOT_ID) -> None:
    """Ask for a reboot because of `what`; an empty reason takes the wish back."""
    kept = {key: text for key, text in reasons(marker, boot_id).items() if key != what}
    kept |= {what: reason} if reason else {}
    if not kept:
        marker.unlink(missing_ok=True)
        return
    marker.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = marker.with_name(f".{marker.name}.new")
    new.write_text(json.dumps({"boot": _boot(boot_id), "reasons": kept}), encoding="utf-8")
    new.replace(marker)


def _boot(boot_id: Path) -> str:
    return boot_id.read_text(encoding="utf-8").strip()


def check(
    wanted: dict[str, Any],
    run: Run,
    marker: Path = MARKER,
    boot_id: Path = BOOT_ID,
    distribution: Path = DISTRIBUTION,
) -> Check:
    """Whether a reboot is due. It is a finding for people and fails nothing: when to reboot is theirs to decide."""
    del wanted, run
    due = [text for _, text in sorted(reasons(marker, boot_id).items())]
    due += ["packages of the distribution"] if distribution.exists() else []
    found = f"reboot needed: {'; '.join(due)}" if due else NONE_DUE
    return result("reboot", ok=True, expected=NONE_DUE, found=found)

"""Check of the controller's backup: there is one, it is whole, and not older than it may be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run

TIMER = "gridmill-backup.timer"
HOUR_S = 3600


def check(wanted: dict[str, Any], run: Run, now: Callable[[], float] = time.time) -> Check:
    """The newest generation in `directory` was verified when it was made; it must be there still, as large as then."""
    hours = int(wanted["max_age_hours"])
    expected = f"a whole backup of the last {hours} h, the next one planned"
    latest = Path(str(wanted["directory"])) / "latest"
    try:
        manifest = json.loads((latest / "manifest.json").read_text(encoding="utf-8"))
        age = now() - int(manifest["made"])
        short = [
            name for name, archive in manifest["archives"].items() if (latest / name).stat().st_size != archive["bytes"]
        ]
        found = f"one of {age / HOUR_S:.0f} h ago" + (f", {', '.join(short)} cut off" if short else "")
        ok = age <= hours * HOUR_S and not short
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        found, ok = f"none that can be read ({error})", False
    if not run(["systemctl", "is-active", "--quiet", TIMER]).ok:
        found, ok = f"{found}, {TIMER} not active", False
    hint = "journalctl --unit gridmill-backup on this host says why; systemctl start gridmill-backup makes one now"
    return result("backup", ok=ok, expected=expected, found=found, hint=hint)

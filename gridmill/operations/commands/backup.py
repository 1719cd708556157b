"""`gridmill backup | backups | restore`: what is asked, what is told."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.errors import OperationError
from gridmill.operations.local_files import require_files
from gridmill.operations.record import backups, pulumi_state
from gridmill.operations.record.backups import CONSENTS
from gridmill.report.tables import columns

STATE = "pulumi-state"


def add_backup(command: argparse.ArgumentParser) -> None:
    """Arguments of `gridmill backup`."""
    command.add_argument("--leave", action="store_true", help="leave it on the controller, fetch no copy")


def add_restore(command: argparse.ArgumentParser) -> None:
    """Arguments of `gridmill restore`."""
    command.add_argument("what", choices=("controller", STATE), help="the controller's data, or Pulumi's state here")
    command.add_argument("--generation", help="which one; by default the newest on this machine")
    command.add_argument("--identity", type=Path, help="file with the private age key (for the controller)")
    command.add_argument(
        "--consent", action="append", default=[], choices=(*CONSENTS, pulumi_state.CONSENT), help="what may be replaced"
    )


def backup(plan: SitePlan, options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Make a generation, and fetch it."""
    manifest = backups.make(plan)
    place = None if options.leave else backups.fetch(plan, manifest)
    size = sum(archive["bytes"] for archive in manifest["archives"].values())
    text = f"{plan.name}: generation {manifest['generation']}, {size} bytes, read back on the controller"
    if place:
        text += f"\na copy, encrypted as it is: {place}"
    return {"ok": True, **manifest, "copy": str(place) if place else None}, text


def listing(plan: SitePlan) -> tuple[dict[str, Any], str]:
    """Generations on the controller, on this machine, and of Pulumi's state. A dead controller hides no other."""
    complaint = ""
    remote: list[dict[str, Any]] = []
    try:
        require_files(plan)
        remote = backups.on_controller(plan)
    except OperationError as error:
        complaint = str(error)
    local = {one["generation"]: one for one in backups.here(plan)}
    rows = [("GENERATION", "MADE", "BYTES", "WHERE")]
    for name, one in sorted({**local, **{one["generation"]: one for one in remote}}.items()):
        places = ["controller"] * any(one["generation"] == name for one in remote) + ["here"] * (name in local)
        size = sum(archive["bytes"] for archive in one["archives"].values())
        made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(one["made"]))
        rows.append((name, made, str(size), ", ".join(places)))
    states = pulumi_state.generations(plan.name)
    lines = list(columns(rows))
    if complaint:
        lines.append(f"the controller could not be asked: {complaint}")
    lines.append(f"Pulumi's state: {len(states)} generations" + (f", newest {states[-1].name}" if states else ""))
    lines += [f"  {one.name} is damaged" for one in states if not one.whole]
    data = {
        "ok": not complaint,
        **({"error": complaint} if complaint else {}),
        "controller": remote,
        "here": list(local.values()),
        "pulumiState": [{"generation": one.name, "whole": one.whole} for one in states],
    }
    return data, "\n".join(lines)


def restore(plan: SitePlan, options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Put back what was consented to; without consent, say what would be replaced. OperationError then, too."""
    if options.what == STATE:
        text = pulumi_state.restore_state(plan.name, options.generation, set(options.consent))
        return {"ok": True, "message": text}, text
    require_files(plan)
    place, manifest = backups.chosen(plan, options.generation)
    wanted = [name for name in CONSENTS if name in options.consent]
    if not wanted or options.identity is None:
        lines = [
            f"{plan.with_service('controller')[0].name} holds {backups.on_it(plan)}",
            f"generation {manifest['generation']} would replace it; name what may be replaced, and the private key:",
            *(f"  --consent {name:8}{text}" for name, text in CONSENTS.items()),
            "  --identity FILE",
        ]
        raise OperationError("\n".join(lines))
    print(f"putting {', '.join(wanted)} of {manifest['generation']} back", file=sys.stderr, flush=True)
    found = backups.restore(plan, place, options.identity, wanted)
    text = f"{plan.name}: {', '.join(wanted)} of {manifest['generation']} are back; {found}"
    return {"ok": True, "generation": manifest["generation"], "restored": wanted, "found": found}, text

"""`gridmill apply PLAN`: what was approved is what runs. Everything that the plan is bound to is looked at again, the
machines are asked again; when anything moved, nothing is done, and all that moved is told."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from gridmill.compare.approval import Move, moved, not_valid, predicted_moved, short
from gridmill.kernel.definition import Definition
from gridmill.operations.places import project
from gridmill.operations.preview.approved_plan import bound, read_plan
from gridmill.operations.preview.ci_preview import preview_report
from gridmill.operations.preview.hand_changes import GIVEN
from gridmill.operations.record.runs import PLAN
from gridmill.plan import plan_site

SCHEMA = "gridmill.apply/v1"
DONE, FAILED, REFUSED = 0, 1, 2
"""Exit statuses."""
SHOWN = 40
"""Lines of one refusal for people; --json has all."""


def add_apply_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of `gridmill apply`."""
    command.add_argument("plan", type=Path, help="file that `gridmill ci preview --plan FILE` wrote")
    command.add_argument("--site", help="refuse a plan of any other site")
    command.add_argument("--check", action="store_true", help="only say whether it would be applied")
    command.add_argument("--json", action="store_true", help="for machines")


def apply(options: argparse.Namespace, definition_of: Callable[[str], Definition]) -> int:
    """Compare, and bring the stack up: status 0 done, 1 the update failed, 2 refused."""
    plan = read_plan(options.plan)
    moves, notes = compared(plan, options.site, definition_of)
    status = REFUSED if moves else DONE
    head = f"{plan['site']}: plan {short(plan['digest'])} of {plan['made']['at']} by {plan['made']['by']}"
    for line in [*refusal(head, moves), *(f"{plan['site']}: {note}" for note in notes)]:
        print(line, file=sys.stderr)
    if not moves and not options.check:
        print(f"{head} is applied", file=sys.stderr, flush=True)
        status = FAILED if up(plan, sys.stderr if options.json else None) else DONE
    elif not moves:
        print(f"{head} would be applied", file=sys.stderr)
    if options.json:
        done = "would be applied" if options.check else "applied"
        told = {
            "schema": SCHEMA,
            "site": plan["site"],
            "plan": plan["digest"],
            "result": {DONE: done, FAILED: "failed", REFUSED: "refused"}[status],
            "moved": [asdict(one) for one in moves],
            "notes": notes,
        }
        print(json.dumps(told, indent=2, ensure_ascii=False))
    return status


def compared(
    plan: dict[str, Any], site: str | None, definition_of: Callable[[str], Definition]
) -> tuple[list[Move], list[str]]:
    """What moved, and what was not known when it was approved. Machines are asked only when nothing else moved."""
    moves = not_valid(plan, site, datetime.now(UTC))
    if moves:
        return moves, []
    definition = definition_of(plan["site"])
    now = plan_site(definition)
    if moves := moved(plan, bound(definition, now)):
        return moves, []
    approved = plan["report"]
    return predicted_moved(approved, preview_report(now, approved["allowed"]))


def refusal(head: str, moves: list[Move]) -> list[str]:
    """Lines for people; none when nothing moved."""
    if not moves:
        return []
    more = len(moves) - SHOWN
    lines = [f"{head} is not applied; this moved:", *(f"  {one.text}" for one in moves[:SHOWN])]
    return lines + ([f"  and {more} more; --json tells all"] if more > 0 else [])


def up(plan: dict[str, Any], output: Any) -> int:
    """`pulumi up`, held to its own plan too; its exit status. Interruptions are the engine's to answer."""
    with tempfile.TemporaryDirectory(prefix="gridmill-apply-") as directory:
        file, by_hand = Path(directory) / "update.json", Path(directory) / "by-hand.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(plan["update"]), encoding="utf-8")
        by_hand.write_text(json.dumps(plan["report"]["drift"]), encoding="utf-8")
        child = subprocess.Popen(
            ["pulumi", "up", "--yes", "--skip-preview", "--stack", plan["site"], "--non-interactive",
             "--plan", str(file)],
            cwd=project(), env={**os.environ, PLAN: plan["digest"], GIVEN: str(by_hand)}, stdin=subprocess.DEVNULL,
            stdout=output,
        )  # fmt: skip

        def hand_on(number: int, frame: FrameType | None) -> None:
            child.terminate()

        def wait(number: int, frame: FrameType | None) -> None:
            """The terminal has told the engine, too."""

        before = {signal.SIGTERM: signal.signal(signal.SIGTERM, hand_on)}
        before[signal.SIGINT] = signal.signal(signal.SIGINT, wait)
        try:
            return child.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

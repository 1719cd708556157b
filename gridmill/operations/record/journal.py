"""`gridmill journal`: what was done to a site, by whom, from which revision; and whether anybody changed the record."""

from __future__ import annotations

import json
import time
from typing import Any

from gridmill.compare.approval import short
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.directories import state_directory
from gridmill.operations.document import plan_connection
from gridmill.operations.errors import OperationError
from gridmill.operations.record.lease import Ask, LocalJournal, ask_lease_host
from gridmill.operations.record.lease_host import FIRST, link
from gridmill.operations.record.runs import Run
from gridmill.report.tables import columns

SCHEMA = "gridmill.journal/v1"
SHOWN = 40
"""Lines that a table shows unless more are asked for."""


def journal(plan: SitePlan, last: int, ask: Ask | None = None) -> dict[str, Any]:
    """The journal's last lines (all with 0), the lease, and every break of the chain.

    OperationError without a controller. The whole journal is checked, whatever is shown.
    """
    controller = plan.with_service("controller")[0]
    ask = ask or ask_lease_host(plan_connection(plan), controller.name, controller.address)
    found = ask({"action": "read", "last": 0})
    entries = parse(found["journal"])
    anchor = LocalJournal(state_directory() / "sites" / plan.name).head()
    breaks = broken(entries, anchor)
    return {
        "schema": SCHEMA,
        "site": plan.name,
        "ok": not breaks,
        "breaks": breaks,
        "lease": _lease(found["lease"], found["now"]),
        "entries": entries[-last:] if last else entries,
    }


def parse(text: str) -> list[dict[str, Any]]:
    """Entries of a journal's text. OperationError for a line that cannot be read."""
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            entry = json.loads(line)
            entries.append({**entry, "n": int(entry["n"]), "hash": str(entry["hash"]), "prev": str(entry["prev"])})
        except (ValueError, KeyError, TypeError) as error:
            raise OperationError(f"line {number} of the journal cannot be read: {error!r}") from error
    return entries


def broken(entries: list[dict[str, Any]], anchor: dict[str, Any]) -> list[str]:
    """What is wrong with a journal: lines that were edited, removed or put in; and an end that was cut off.

    `anchor` is number and hash of the newest line that this machine was told of; empty when there is none.
    """
    found: list[str] = []
    previous = FIRST
    for number, entry in enumerate(entries, 1):
        if entry["n"] != number or entry["prev"] != previous:
            found.append(f"line {number}: does not follow the line before")
        elif link(entry["prev"], entry) != entry["hash"]:
            found.append(f"line {number}: was edited")
        previous = entry["hash"]
    if anchor and anchor["n"]:
        if len(entries) < anchor["n"]:
            found.append(f"lines {len(entries) + 1} to {anchor['n']} are missing, which this machine saw")
        elif entries[anchor["n"] - 1]["hash"] != anchor["hash"]:
            found.append(f"line {anchor['n']}: is another than the one that this machine saw")
    return found


def journal_table(data: dict[str, Any]) -> str:
    """The journal for people."""
    rows = [("AT", "WHO", "PHASE", "WHAT", "REVISION", "RESULT")]
    rows += [
        (
            entry["at"],
            f"{entry['who']}@{entry['machine']}",
            entry["scope"],
            f"{entry['action']} {entry['event']}".strip(),
            _source(entry),
            _result(entry),
        )
        for entry in data["entries"]
    ]
    lease = data["lease"]
    lines = [*columns(rows), ""]
    lines.append(f"in progress: {lease['who']}, {', '.join(lease['phases'])}" if lease else "no run is in progress")
    lines += [f"BROKEN: {text}" for text in data["breaks"]] or ["no line was changed, removed or added by hand"]
    return "\n".join(lines)


def _lease(lease: dict[str, Any], now: float) -> dict[str, Any] | None:
    """Who holds the site, or nothing."""
    if not lease["scopes"] or lease["expires"] <= now:
        return None
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(lease["since"]))
    return {
        "who": Run(**lease["run"]).text,
        "since": since,
        "phases": sorted(lease["scopes"]),
        "token": lease["token"],
        "runs_out_s": int(lease["expires"] - now),
    }


def _source(entry: dict[str, Any]) -> str:
    """From which commit, whether the stack file was part of it, and by which approved plan."""
    stack = f", stack {entry['stack']}" if "stack" in entry else ""
    plan = f" plan {short(entry['plan'])}" if "plan" in entry else ""
    return _short_revision(entry["revision"]) + stack + plan


def _short_revision(text: str) -> str:
    """A commit as people write it; `+` says that files differed from it."""
    return text[:10] + ("+" if text.endswith("+") else "") if text else "-"


def _result(entry: dict[str, Any]) -> str:
    if entry["event"] == "taken over":
        return f"from {Run(**entry['from']).text}, {', '.join(entry['unfinished'])} unfinished"
    if entry["event"] != "ended":
        return ""
    if not entry.get("ok"):
        return "FAILED: " + (", ".join(entry.get("failed", [])) or entry.get("problem", "see its log"))
    removed = entry.get("removed", entry.get("departed", []))  # lines of earlier versions have another key
    parts = [f"{entry.get('hosts', 0)} hosts", f"changed {', '.join(entry.get('changed', [])) or 'none'}"]
    parts += [f"removed {', '.join(removed)}"] if removed else []
    return "ok: " + ", ".join(parts)

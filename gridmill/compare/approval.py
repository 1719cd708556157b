"""What was approved beside what is found now: everything that moved in between, each with what to do about it.

An approved plan is plain data, as `gridmill ci preview --plan FILE` writes it (docs/reference/approved-plan.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SCHEMA = "gridmill.approved-plan/v1"
SHORT = 12
"""Characters of a digest as people read it."""
NEW_PLAN = "make a new plan and have it approved"
SECTIONS = {
    "contents": "check out what was approved ({commit}), or " + NEW_PLAN,
    "versions": "install what requirements.txt and tools/ say (make setup), or " + NEW_PLAN,
    "consent": NEW_PLAN,
    "documents": "see which input of it moved, or " + NEW_PLAN,
    "state": "somebody updated the stack since; " + NEW_PLAN,
}
"""Parts of a plan that are compared label by label, and what to do when one moved."""

Approved = Mapping[str, Any]


@dataclass(frozen=True)
class Move:
    """One thing that is not as it was approved."""

    what: str
    approved: str
    found: str
    hint: str

    @property
    def text(self) -> str:
        """One line."""
        return f"{self.what}: approved {self.approved}, found {self.found}; {self.hint}"


def plan_digest(plan: Approved) -> str:
    """SHA-256 of a plan's content, whatever its `digest` says."""
    content = {key: value for key, value in plan.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def not_valid(plan: Approved, site: str | None, now: datetime) -> list[Move]:
    """What is wrong with the plan itself: edited, for another site, too old. `site` is the one meant, if any is."""
    found = []
    digest = plan_digest(plan)
    if plan["digest"] != digest:
        hint = "the file was edited or damaged; fetch it again from where it was approved"
        found.append(Move("the plan", short(plan["digest"]), short(digest), hint))
    if site is not None and plan["site"] != site:
        found.append(Move("the site", plan["site"], site, "take the plan that was made for it"))
    if now > datetime.fromisoformat(plan["until"]):
        found.append(Move("the time", f"until {plan['until']}", now.isoformat(timespec="seconds"), NEW_PLAN))
    return found


def moved(plan: Approved, found: Approved) -> list[Move]:
    """What moved of all that can be known without asking machines."""
    moves = []
    for section, hint in SECTIONS.items():
        before, after = plan[section], found[section]
        for label in sorted({**before, **after}):
            if before.get(label) != after.get(label):
                told = hint.format(commit=short(plan["made"]["revision"]) or "no commit")
                moves.append(Move(label, _told(before.get(label)), _told(after.get(label)), told))
    return moves + list(_journal(plan["journal"], found["journal"]))


def _journal(before: Approved, after: Approved) -> Iterator[Move]:
    """Whether somebody worked on the site. What was not known when it was approved is not compared."""
    if before["unknown"]:
        return
    what = "the site's journal"
    approved = f"line {before['n']} as the last"
    if after["unknown"]:
        yield Move(what, approved, f"not known ({after['unknown']})", "bring the controller back")
    elif (before["n"], before["hash"]) != (after["n"], after["hash"]):
        same = before["n"] == after["n"]
        found = "another journal" if same else f"line {after['n']}: {after['last']}"
        yield Move(what, approved, found, f"see gridmill journal; {NEW_PLAN}")


def predicted_moved(approved: Approved, found: Approved) -> tuple[list[Move], list[str]]:
    """What a preview says now that it did not say then, and what was not known then. Both are reports."""
    moves = []
    for problem in found["problems"]:
        moves.append(Move("the preview", "no problem", problem, "see `pulumi preview`"))
    if moves:
        return moves, []
    for what, key in (("resource", "resources"), ("effect", "effects"), ("power", "power")):
        before, after = ({_key(row): row for row in report[key]} for report in (approved, found))
        for name in {**before, **after}:
            if before.get(name) != after.get(name):
                moves.append(Move(f"{what} {name}", _row(before.get(name)), _row(after.get(name)), NEW_PLAN))
    moves += _drift(approved["drift"].get("hosts", {}), found["drift"].get("hosts", {}))
    notes: list[str] = []
    then, now = ({phase["scope"]: phase for phase in report["phases"]} for report in (approved, found))
    for scope in {**then, **now}:
        more, open_ = _phase(scope, then.get(scope), now.get(scope))
        moves += more
        notes += open_
    return moves, notes


def _drift(then: Approved, now: Approved) -> Iterator[Move]:
    """What was changed by hand, machine by machine."""
    for name in sorted({**then, **now}):
        if then.get(name) != now.get(name):
            before, after = (
                "; ".join(line for lines in found.get(name, {}).values() for line in lines) or "nothing"
                for found in (then, now)
            )
            yield Move(f"changed by hand on {name}", before, after, NEW_PLAN)


def _phase(scope: str, then: Approved | None, now: Approved | None) -> tuple[list[Move], list[str]]:
    if then is None or then["complaint"]:
        open_ = _changing(now) if now else []
        told = f"; now would change: {'; '.join(open_)}" if open_ else ""
        return [], [f"{scope}: its machines were not asked when this was approved{told}"]
    if now is None or now["complaint"]:
        why = now["complaint"] if now else "no machine was asked"
        return [Move(scope, "with its machines asked", why, "repair that, and apply again")], []
    moves, notes = [], []
    asked = {**then["hosts"], **now["hosts"]}
    silent = {**now["unreached"], **dict.fromkeys(now["unfinished"], "the time limit was up")}
    was_silent = {**then["unreached"], **dict.fromkeys(then["unfinished"], "")}
    for name in asked:
        before, after = _changes(then["hosts"].get(name)), _changes(now["hosts"].get(name))
        if name in was_silent:
            if after:
                notes.append(f"{name} was not asked when this was approved; now would change: {'; '.join(after)}")
        elif name in silent:
            moves.append(Move(name, "with its answer", f"none ({silent[name]})", "bring it back, or " + NEW_PLAN))
        else:
            moves += [Move(name, "no such change", text, NEW_PLAN) for text in after if text not in before]
            moves += [Move(name, text, "no such change", NEW_PLAN) for text in before if text not in after]
    for name in sorted(set(then["leaving"]) ^ set(now["leaving"])):
        states = ("that it leaves", "that it stays")
        left = name in then["leaving"]
        moves.append(Move(name, states[not left], states[left], NEW_PLAN))
    return moves, notes


def _changing(phase: Approved) -> list[str]:
    """Machines of a phase that would change, each with how much."""
    found = {name: _changes(host) for name, host in phase["hosts"].items()}
    return [f"{name} ({len(changes)})" for name, changes in found.items() if changes]


def _changes(host: Approved | None) -> list[str]:
    """What was predicted of one machine, a line per change."""
    if host is None:
        return []
    found = [
        f"{', '.join(one['what']) or 'something'} ({one['role']}: {one['task']}; {one['impact']})"
        for one in host["changes"]
    ]
    found += [f"reprovision: {host['replaced']}"] if "replaced" in host else []
    return found + [f"would fail: {text}" for text in host["failures"]]


def short(digest: str) -> str:
    """A digest or commit as people read it; `+` says that files differed from the commit."""
    return digest[:SHORT] + ("+" if len(digest) > SHORT and digest.endswith("+") else "")


def _told(value: str | None) -> str:
    return "nothing" if value is None else value[:SHORT] if _is_digest(value) else value


def _is_digest(value: str) -> bool:
    return len(value) >= 2 * SHORT and all(letter in "0123456789abcdef" for letter in value)


def _key(row: Approved) -> str:
    return str(row.get("name") or row.get("what"))


def _row(row: Approved | None) -> str:
    """A row of a report, without its own name."""
    if row is None:
        return "nothing"
    told = {key: value for key, value in row.items() if key not in {"name", "what", "type"} and value not in ("", [])}
    return ", ".join(f"{key} {','.join(value) if isinstance(value, list) else value}" for key, value in told.items())

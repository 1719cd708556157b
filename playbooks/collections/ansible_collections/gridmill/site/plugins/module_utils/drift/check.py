"""The drift check: looks at everything that roles manage on this machine, and says what differs from its baseline.

After a run that went well, the runner has a *baseline* recorded: every item is observed, and what was seen is kept.
Later the items are observed again and *compared*. Only root can read baselines; of files and passwords they hold hashes
with a salt of the machine's own. Comparing changes nothing.

Kinds of items (watched.py makes them, observer.py looks at them):
  file      type, mode, owner and content of a path (`sha1`: what the task wrote, checked when recording)
  exists    a path that must be there
  package   installed in a version that fits, on hold, or absent
  dpkg      no installation was interrupted
  unit      enabled, running, and working with its files as they are
  password  the password of an account
  module    a call of one of our modules, which would change nothing
  slurm     what slurmctld works with
  never     cannot be observed: machines with such an item have no baseline
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.drift.observer import Item, Observer, compare
from ansible_collections.gridmill.site.plugins.module_utils.drift.watched import joined
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run, run

SCHEMA = "gridmill.baseline/v1"
STATE = Path("var/lib/gridmill/baseline.json")
LONGEST = 300
"""Characters of a finding."""

Finding = dict[str, str]


def read(root: Path = Path("/")) -> dict[str, Any]:
    """The baselines of this machine; none when there are none, or none that can be read."""
    try:
        state: dict[str, Any] = json.loads((root / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        state = {}
    if state.get("schema") != SCHEMA:
        return {"schema": SCHEMA, "salt": secrets.token_hex(16), "values": {}, "scopes": {}}
    return state


def write(state: dict[str, Any], root: Path) -> None:
    """Replace the baselines in one step; values that no scope refers to are forgotten."""
    used = {key for scope in state["scopes"].values() for key in scope["items"]}
    state["values"] = {key: value for key, value in state["values"].items() if key in used}
    path = root / STATE
    new = path.with_name(".baseline.json.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(state, file)
    new.replace(path)


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """One that writes at a time."""
    path = root / STATE.parent
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (path / "baseline.lock").open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def finding(item: Item, text: str) -> Finding:
    return {"kind": item["kind"], "name": item["name"], "found": text[:LONGEST]}


def baseline(request: dict[str, Any], root: Path = Path("/"), ask: Run = run) -> dict[str, Any]:
    """Keep what the items of a scope are like, unless something is wrong with them; then forget the scope.

    Without a digest the scope is not kept, only what other scopes have of the same items.
    """
    items: dict[str, Item] = joined(request["items"])
    with alone(root):
        state = read(root)
        observer = Observer(items.values(), state["salt"], root, ask)
        values, wrong = {}, []
        for key, item in items.items():
            values[key], text = observer.look(item)
            text = text or written_by_others(item, root)
            wrong += [finding(item, text)] if text else []
        scopes = state["scopes"]
        scopes.pop(request["scope"], None)
        if not wrong:
            state["values"].update({key: value for key, value in values.items() if value is not None})
            if request["digest"]:
                scopes[request["scope"]] = {**{key: request[key] for key in ("digest", "plan", "at")}, "items": items}
        write(state, root)
    return {"schema": SCHEMA, "recorded": not wrong, "differences": wrong}


def written_by_others(item: Item, root: Path) -> str:
    """Whether a file is no longer what the task wrote: changed before the baseline was recorded."""
    if item["kind"] != "file" or "sha1" not in item:
        return ""
    content = (root / item["name"].lstrip("/")).read_bytes()
    same = hashlib.sha1(content, usedforsecurity=False).hexdigest() == item["sha1"]
    return "" if same else "was changed after the run wrote it"


def compared(request: dict[str, Any], root: Path = Path("/"), ask: Run = run) -> dict[str, Any]:
    """Compare the scopes that are asked for (by default all) with what the machine is like.

    `digests` says which digest a scope is to have. With `invalidate`, a scope that differs is forgotten: a run follows,
    and one that is killed must not leave the baseline of an earlier one.
    """
    state = read(root)
    digests = request.get("digests")
    wanted = {name: scope for name, scope in state["scopes"].items() if digests is None or name in digests}
    observer = Observer(
        [item for scope in wanted.values() for item in scope["items"].values()], state["salt"], root, ask
    )
    answer, seen = {}, {}
    for name, scope in wanted.items():
        differences = []
        for key, item in scope["items"].items():
            whole = json.dumps(item, sort_keys=True)
            if whole not in seen:
                value, text = observer.look(item)
                seen[whole] = text or compare(item, state["values"].get(key), value)
            differences += [finding(item, seen[whole])] if seen[whole] else []
        kept = {key: scope[key] for key in ("digest", "plan", "at")}
        answer[name] = {**kept, "items": len(scope["items"]), "differences": differences}
    if request.get("invalidate") and digests is not None:
        forget({name for name, one in answer.items() if one["differences"] or one["digest"] != digests[name]}, root)
    return {"schema": SCHEMA, "scopes": answer}


def forget(scopes: set[str], root: Path = Path("/")) -> None:
    """Remove the baselines of these scopes."""
    if scopes and (root / STATE).exists():
        with alone(root):
            state = read(root)
            state["scopes"] = {name: scope for name, scope in state["scopes"].items() if name not in scopes}
            write(state, root)


def answer_to(request: dict[str, Any]) -> dict[str, Any]:
    """What the runner asked for."""
    if request["action"] == "baseline":
        return baseline(request)
    if request["action"] == "forget":
        forget(set(request["scopes"]))
        return {"schema": SCHEMA}
    return compared(request)

"""What runs on the machine that keeps a site's lease and journal; `operations.record.lease` sends it there by SSH.

Standard library only, for any python3 from 3.9 on. Everything happens under one lock and by that machine's clock, so
that no two engineers' clocks are ever compared. Files, readable by root only:

- /var/lib/gridmill/lease.json: who works on the site, on which phases, until when, under which fencing token;
- /var/lib/gridmill/journal.jsonl: what was done; each line has the hash of the one before.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any, BinaryIO, Dict, Optional  # noqa: UP035

Data = Dict[str, Any]  # noqa: UP006 - read when the module is, by an older Python too

LEASE_SCHEMA = "gridmill.lease/v1"
DIRECTORY = "/var/lib/gridmill"
REMEMBERED = 64
"""Runs whose token is remembered, so that one which lost the site in between is told so."""
FIRST = "0" * 64
"""What the first line of a journal has for the hash of the one before."""


def link(previous: str, entry: Data) -> str:
    """Hash of a journal's line: of the hash before it and of everything that the line says."""
    content = {key: value for key, value in entry.items() if key != "hash"}
    text = previous + json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def answer(request: Data, directory: str = DIRECTORY, now: Optional[float] = None) -> Data:  # noqa: UP045
    """Do what is asked, and return what came of it."""
    base = Path(directory)
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = time.time() if now is None else now
    with (base / "lease.lock").open("a", encoding="utf-8") as lock:
        os.fchmod(lock.fileno(), 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        journal = _Journal(base / "journal.jsonl", now)
        if request["action"] == "read":
            return {"lease": _read(base), "now": now, "journal": journal.text(request["last"])}
        lease = _read(base)
        does = {"take": _take, "renew": _renew, "leave": _leave, "halt": _halt}[request["action"]]
        found = does(request, lease, journal, now)
        _write(base, lease)
        return {**found, "head": journal.head()}


def _take(request: Data, lease: Data, journal: _Journal, now: float) -> Data:
    """Begin a phase: join the run's own lease, or take one that is free, has run out, or whose run is dead.

    Tokens are seconds since 1970, so that they go on growing on a controller that was set up anew.
    """
    run = request["run"]
    holder = lease["run"]
    mine = holder is not None and holder["id"] == run["id"]
    known = lease["tokens"].get(run["id"])
    held = bool(lease["scopes"]) and lease["expires"] > now
    if not mine and known is not None:
        return {"refused": "superseded", "lease": lease, "now": now}
    if not mine and held and holder["id"] != request.get("dead"):
        return {"refused": "held", "lease": lease, "now": now}
    for entry in request.get("late", ()):
        journal.append({**entry, "late": True})
    if not mine:
        left = sorted(lease["scopes"])
        lease.update(run=run, token=max(lease["token"] + 1, int(now)), since=now, scopes={}, halt={})
        lease["tokens"][run["id"]] = lease["token"]
        for old in list(lease["tokens"])[:-REMEMBERED]:
            del lease["tokens"][old]
        if left:
            journal.append({**request["entry"], "event": "taken over", "from": holder, "unfinished": left})
    lease["scopes"][request["scope"]] = now
    lease["expires"] = now + request["ttl"]
    journal.append({**request["entry"], "event": "began", "token": lease["token"]})
    return {"token": lease["token"]}


def _renew(request: Data, lease: Data, journal: _Journal, now: float) -> Data:
    """Go on holding it; refused when somebody else has it."""
    if lease["token"] != request["token"]:
        return {"refused": "superseded", "lease": lease, "now": now}
    lease["expires"] = now + request["ttl"]
    return {"token": lease["token"], "halt": lease.get("halt", {})}


def _halt(request: Data, lease: Data, journal: _Journal, now: float) -> Data:
    """Ask whoever works on nodes a wave at a time to pause, to stop, or to go on, before the next wave."""
    if request["order"] == "continue":
        lease["halt"] = {}
    else:
        lease["halt"] = {"order": request["order"], "by": request["entry"]["who"], "at": now}
    journal.append({**request["entry"], "event": request["order"]})
    return {"halt": lease["halt"], "working": sorted(lease["scopes"]) if lease["expires"] > now else []}


def _leave(request: Data, lease: Data, journal: _Journal, now: float) -> Data:
    """End a phase and write down what came of it; what the last phase leaves is free."""
    journal.append({**request["entry"], "event": "ended", "token": request["token"]})
    if lease["token"] == request["token"]:
        lease["scopes"].pop(request["scope"], None)
    return {"token": request["token"]}


def _read(base: Path) -> Data:
    path = base / "lease.json"
    if not path.exists():
        return {
            "schema": LEASE_SCHEMA, "token": 0, "run": None, "since": 0, "scopes": {}, "expires": 0, "tokens": {}
        }  # fmt: skip
    lease: Data = json.loads(path.read_text(encoding="utf-8"))
    if lease["schema"] != LEASE_SCHEMA:
        raise SystemExit(f"{path} has schema {lease['schema']}, this version knows {LEASE_SCHEMA}")
    return lease


def _write(base: Path, lease: Data) -> None:
    temporary = base / "lease.json.new"
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        json.dump(lease, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(base / "lease.json")


class _Journal:
    """Lines that are only ever added to. A line that a crash cut short was never acknowledged, and goes."""

    def __init__(self, path: Path, now: float) -> None:
        self._path = path
        self._at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        self._last: Data = {}
        if path.exists() and path.stat().st_size:
            with path.open("rb+") as stream:
                end = self._tail(stream)
                if end != path.stat().st_size:
                    stream.truncate(end)

    def _tail(self, stream: BinaryIO) -> int:
        """Read the last whole line; where it ends."""
        size = stream.seek(0, os.SEEK_END)
        block = b""
        position = size
        while position and block.count(b"\n") < 3:  # noqa: PLR2004 - two whole lines, and perhaps a torn one
            step = min(65536, position)
            position -= step
            stream.seek(position)
            block = stream.read(step) + block
        whole = block[: block.rfind(b"\n") + 1]
        lines = whole.splitlines()
        self._last = json.loads(lines[-1]) if lines else {}
        return size - (len(block) - len(whole))

    def append(self, entry: Data) -> None:
        """Add a line, and have it on the disk."""
        previous = self._last["hash"] if self._last else FIRST
        number = self._last["n"] + 1 if self._last else 1
        line = {"n": number, "at": self._at, **entry, "prev": previous}
        line["hash"] = link(previous, line)
        opened = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(opened, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._last = line

    def head(self) -> Data:
        """Number and hash of the last line."""
        return {"n": self._last["n"], "hash": self._last["hash"]} if self._last else {"n": 0, "hash": FIRST}

    def text(self, last: int) -> str:
        """The last so many lines; all of them with 0."""
        if not self._path.exists():
            return ""
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        return "".join(lines[-last:] if last else lines)

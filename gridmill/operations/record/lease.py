"""One run at a time on a site, from whichever machine it is started; and a line in the journal for what it does.

The lease is kept on the site's first controller (record/lease_host.py) and runs out when it is not renewed. Its
number, the fencing token, goes to every machine that a play works on: one that has seen a higher number refuses (module
`fence`).
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from gridmill.operations.document import Connection, ConvergeDocument
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts.ssh import run_as_root
from gridmill.operations.record import lease_host
from gridmill.operations.record.runs import Run, approved_plan, is_dead, revision, this_run, uncommitted_stack

TTL_S = 120
"""Seconds after which a lease that is not renewed runs out; long enough for a controller's restart."""
RENEW_S = 30

Say = Callable[[str], None]
Ask = Callable[[dict[str, Any]], dict[str, Any]]


def ask_lease_host(connection: Connection, name: str, address: str) -> Ask:
    """Asks the machine that keeps a site's lease; OperationError when it cannot be asked."""
    program = Path(lease_host.__file__).read_text(encoding="utf-8")

    def ask(request: dict[str, Any]) -> dict[str, Any]:
        call = f"print(json.dumps(answer(json.loads({json.dumps(request)!r}))))"
        what = "the site's lease and journal"
        text = run_as_root(connection, name, address, ["python3", "-"], what=what, stdin=f"{program}\n\n{call}\n")
        found: dict[str, Any] = json.loads(text)
        return found

    return ask


class RefusedError(OperationError):
    """Somebody else works on the site."""


class Lease:
    """Held for as long as a phase works; records in the journal how it began and ended."""

    def __init__(self, document: ConvergeDocument, action: str, directory: Path, say: Say, ask: Ask) -> None:
        """`directory` is the site's on this machine. A removal goes on where the controller cannot be asked."""
        self._needed = action != "remove"
        self._ask = ask
        self._say = say
        self._scope = document.scope
        self._local = LocalJournal(directory)
        self._run = this_run()
        self._entry = {
            "site": document.site,
            "scope": document.scope,
            "action": action,
            "who": self._run.user,
            "machine": self._run.machine,
            "run": self._run.id,
            "revision": revision(),
            **uncommitted_stack(document.site),
            **approved_plan(),
            "document": hashlib.sha256(json.dumps(document.data, sort_keys=True).encode()).hexdigest()[:32],
        }
        self.token = 0
        self.lost = ""
        """Who took the site while this run had it; empty while it has it."""
        self.outcome: dict[str, Any] = {}
        """What is recorded in the journal at the end."""
        self._over = threading.Event()
        self._renewer = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Lease:
        """Take it. RefusedError says who works on the site."""
        try:
            found = self._take()
            self._local.handed_over()
        except RefusedError:
            raise
        except OperationError as error:
            if self._needed:
                raise
            self._say(f"going on without the site's lease: {error}")
            return self
        finally:
            self._local.hand_back()
        self.token = found["token"]
        self._local.seen(found["head"])
        self._renewer.start()
        return self

    def _take(self) -> dict[str, Any]:
        """Begin the phase; RefusedError says who works on the site."""
        late = self._local.claim_late()
        request = {**self._request("take"), "run": self._run.as_dict(), "ttl": TTL_S, "late": late}
        found = self._ask(request)
        if found.get("refused") == "held" and is_dead(found["lease"]["run"]):
            self._say(f"{_holder(found)} did not release the site's lease, and has ended")
            found = self._ask({**request, "dead": found["lease"]["run"]["id"]})
        if "refused" in found:
            raise RefusedError(refusal(found))
        return found

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release it, and record the result of the phase."""
        self._over.set()
        if self.token:
            self._renewer.join()
        outcome = self.outcome or {"ok": False, "problem": kind.__name__ if kind else "nothing was done"}
        request = self._request("leave", outcome) | {"token": self.token}
        try:
            self._local.seen(self._ask(request)["head"])
        except OperationError as problem:
            self._local.keep({**request["entry"], "event": "ended", "token": self.token, "local": _now()})
            self._say(f"the journal gets this with the next run: {problem}")

    def halt(self) -> dict[str, Any]:
        """What somebody ordered before the next wave: `order` (pause, abort) and `by`; empty to go on."""
        if not self.token:
            return {}
        found = self._ask({"action": "renew", "token": self.token, "ttl": TTL_S})
        if "refused" in found:
            raise RefusedError(refusal(found))
        ordered: dict[str, Any] = found["halt"]
        return ordered

    def _request(self, action: str, outcome: dict[str, Any] | None = None) -> dict[str, Any]:
        return {"action": action, "scope": self._scope, "entry": {**self._entry, **(outcome or {})}}

    def _renew(self) -> None:
        """Hold it; when somebody else has taken it, stop the playbook."""
        request = {"action": "renew", "token": self.token, "ttl": TTL_S}
        while not self._over.wait(RENEW_S):
            try:
                found = self._ask(request)
            except OperationError as error:
                self._say(f"the lease could not be renewed: {error}")
                continue
            if "refused" in found:
                self.lost = refusal(found)
                self._say(self.lost)
                os.kill(os.getpid(), signal.SIGTERM)
                return


class LocalJournal:
    """What this machine knows of a site's journal: its newest hash, and lines that could not be handed over."""

    def __init__(self, directory: Path) -> None:
        self._head = directory / "journal-head.json"
        self._late = directory / "journal-late.jsonl"
        self._claimed = directory / f"journal-late.{os.getpid()}.jsonl"

    def head(self) -> dict[str, Any]:
        """Number and hash of the newest line that a run of this machine was told of; empty before the first."""
        found: dict[str, Any] = json.loads(self._head.read_text(encoding="utf-8")) if self._head.exists() else {}
        return found

    def seen(self, head: dict[str, Any]) -> None:
        """Remember the newest line, in one step; phases that run side by side may be told in another order."""
        if head["n"] >= self.head().get("n", 0):
            temporary = self._head.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(head), encoding="utf-8")
            temporary.replace(self._head)

    def claim_late(self) -> list[dict[str, Any]]:
        """Lines that wait to be handed over; no other process gets them until they are handed back."""
        try:
            self._late.rename(self._claimed)
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in self._claimed.read_text(encoding="utf-8").splitlines()]

    def hand_back(self) -> None:
        """What was claimed could not be handed over."""
        if self._claimed.exists():
            with self._late.open("a", encoding="utf-8") as stream:
                stream.write(self._claimed.read_text(encoding="utf-8"))
            self._claimed.unlink()

    def handed_over(self) -> None:
        """What was claimed is in the journal."""
        self._claimed.unlink(missing_ok=True)

    def keep(self, entry: dict[str, Any]) -> None:
        """Keep a line until the controller answers."""
        with self._late.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")


def refusal(found: dict[str, Any]) -> str:
    """Why the site cannot be worked on, by whom it is, since when, and what helps."""
    lease = found["lease"]
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(lease["since"]))
    if found["refused"] == "superseded":
        return f"{_holder(found)} took the site at {since}; start this run anew when that one is done"
    phases = ", ".join(sorted(lease["scopes"]))
    left = max(0, int(lease["expires"] - found["now"]))
    return (
        f"{_holder(found)} works on the site since {since} ({phases}); "
        f"wait for it, or, when it is gone for good, until its lease runs out in {left} s"
    )


def _holder(found: dict[str, Any]) -> str:
    return Run(**found["lease"]["run"]).text


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

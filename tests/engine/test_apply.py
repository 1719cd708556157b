"""`gridmill apply` with the real engine: what was approved runs, and whatever moved is refused by name, with nothing run.

A copy of the checkout is brought up whose runner, dry run and lease host are stand-ins; no machine is contacted.
"""

from __future__ import annotations

import json
import subprocess
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.preview import STAND_IN
from gridmill.compare.approval import plan_digest
from tests.engine.checkout import checkout_at
from tests.operations.test_journal import filled
from tests.operations.test_lease import LeaseHost

pytestmark = pytest.mark.engine

RUNNER = (
    STAND_IN
    + """
import os
with open("ran", "a") as file:
    file.write(document["scope"] + " " + os.environ.get("GRIDMILL_PLAN", "") + "\\n")
"""
)
DRY_RUNNER = '''
"""Says what the file `predicted` has of a phase."""
given = json.load(sys.stdin)
scope = given["document"]["scope"]
answer = {"schema": "x", "scope": scope, "impact": "live", "added": [], "leaving": [], "unchanged": [],
          "maintenance": {}, "unreached": {}, "unfinished": [], "complaint": "", "jobs": [], "jobsUnknown": "",
          "waited": 0, "seconds": 1, "text": [f"{scope}: predicted"], **json.loads(Path("predicted").read_text())[scope]}
if REPORT in os.environ:
    Path(os.environ[REPORT], scope + ".json").write_text(json.dumps(answer))
print(json.dumps(answer))
'''
KEEPER = '''

def ask_lease_host(connection: Connection, name: str, address: str) -> Ask:
    """Stands in: the journal is a file."""
    return lambda request: {"journal": Path("journal").read_text() if Path("journal").exists() else ""}
'''
HOSTS = {"control": "pod-a-r1-u40", "storage": "pod-a-r1-u38", "pod-a": "pod-a-r1-u01", "exports": "pod-a-r1-u38"}


def change(path: str) -> dict[str, Any]:
    return {"role": "base", "task": f"Write {path}", "what": [f"file {path}"], "impact": "live", "why": "at once"}


def predicted(*paths: str) -> str:
    host = {"impact": "live", "changes": [change(path) for path in paths], "failures": []}
    return json.dumps({scope: {"hosts": {name: host}} for scope, name in HOSTS.items()})


@dataclass
class Checkout:
    place: Path
    environment: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.place, env=self.environment, capture_output=True, text=True, check=False, timeout=300
        )

    def pulumi(self, *arguments: str) -> None:
        done = self.run("pulumi", *arguments, "--stack", "lab", "--non-interactive")
        assert done.returncode == 0, done.stdout + done.stderr

    def preview(self) -> tuple[Path, dict[str, Any]]:
        """Make a plan."""
        file = self.place.parent / "plan.json"
        done = self.run(
            ".venv/bin/python", "-m", "gridmill.operations.cli", "ci", "preview", "lab", "--plan", str(file)
        )
        assert done.returncode == 0, done.stdout + done.stderr
        plan: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        assert plan["digest"] in done.stdout
        return file, plan

    def apply(self, plan: Path, *more: str) -> tuple[int, dict[str, Any], list[str]]:
        """Exit status, what was printed for machines, and what the runner was asked to do."""
        command = (".venv/bin/python", "-m", "gridmill.operations.cli", "apply", str(plan), "--json", *more)
        done = self.run(*command)
        ran = self.place / "ran"
        lines = ran.read_text(encoding="utf-8").splitlines() if ran.exists() else []
        ran.unlink(missing_ok=True)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout), lines

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.place / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    place, environment = checkout_at(tmp_path)
    for name, text in (("converge", RUNNER), ("dry_run", DRY_RUNNER)):
        path = place / "gridmill" / "operations" / f"{name}.py"
        real = path.read_text(encoding="utf-8").partition('if __name__ == "__main__"')[0]
        path.write_text(f'{real}if __name__ == "__main__":\n{textwrap.indent(text, "    ")}', encoding="utf-8")
    with (place / "gridmill" / "operations" / "record" / "lease.py").open("a", encoding="utf-8") as file:
        file.write(KEEPER)
    (place / "predicted").write_text(predicted("/etc/hosts"), encoding="utf-8")
    found = Checkout(place, environment)
    found.pulumi("stack", "init", "--secrets-provider", "passphrase")
    found.pulumi("config", "set", "--secret", "gridmill:breakGlassPasswordHash", "canary-5512")
    return found


def spoilt(file: Path, plan: dict[str, Any], **other: Any) -> Path:
    """The plan with other content and the digest that goes with it."""
    path = file.with_name("spoilt.json")
    made = {**plan, **other}
    path.write_text(json.dumps({**made, "digest": plan_digest(made)}), encoding="utf-8")
    return path


def test_what_was_approved_is_what_runs(checkout: Checkout) -> None:
    file, first = checkout.preview()
    assert file.stat().st_mode & 0o777 == 0o600
    assert "canary" not in file.read_text(encoding="utf-8")
    status, said, ran = checkout.apply(file)
    assert (status, said["result"], said["moved"]) == (0, "applied", [])
    scopes = [line.split()[0] for line in ran]
    assert scopes[:3] == ["storage", "control", "pod-a"] and set(scopes[3:]) == {"exports", "acceptance"}
    assert {line.split()[1] for line in ran} == {first["digest"]}

    checkout.edit("Pulumi.lab.yaml", "'2-00:00:00'", "'1-00:00:00'")
    file, plan = checkout.preview()
    journal = checkout.place / "journal"
    lease_host = LeaseHost(checkout.place.parent / "leaseHost")
    filled(lease_host)
    line = json.dumps(lease_host.entries()[0]) + "\n"

    def write(path: Path, text: str) -> Callable[[], None]:
        before = path.read_text(encoding="utf-8") if path.exists() else None
        path.write_text(text, encoding="utf-8")
        return lambda: path.unlink() if before is None else void(path.write_text(before, encoding="utf-8"))

    stack = checkout.place / "Pulumi.lab.yaml"
    moves: list[tuple[Path, str, str]] = [
        (stack, stack.read_text(encoding="utf-8").replace("650 W", "640 W"), "Pulumi.lab.yaml"),
        (journal, line, "the site's journal"),
        (checkout.place / "predicted", predicted("/etc/hosts", "/etc/motd"), "pod-a-r1-u40"),
    ]
    for path, text, what in moves:
        undo = write(path, text)
        status, said, ran = checkout.apply(file)
        undo()
        assert (status, said["result"], ran) == (2, "refused", []), what
        assert what in [move["what"] for move in said["moved"]], (what, said)
    status, said, ran = checkout.apply(spoilt(file, plan, update=first["update"]))
    assert (status, said["result"], ran) == (1, "failed", []), "the engine holds itself to its own plan"
    status, said, ran = checkout.apply(file)
    assert (status, [line.split()[0] for line in ran]) == (0, ["control", "acceptance"])
    status, said, ran = checkout.apply(file)
    assert (status, ran) == (2, []), "the state moved"
    assert {move["what"] for move in said["moved"]} == {
        "resource lab-control-converge (command:local:Command)", "resource lab-acceptance-run (command:local:Command)"
    }  # fmt: skip


def void(_: object) -> None:
    """Nothing."""

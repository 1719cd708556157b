"""The preview hook with the real engine: called for changed phases, all at the same time, in previews only.

A copy of the checkout is previewed and brought up whose runner and dry run are stand-ins; no machine is contacted.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.preview import STAND_IN
from tests.engine.checkout import checkout_at

pytestmark = pytest.mark.engine

DRY_RUNNER = '''\
"""Stands in for the dry run: writes down how it was asked, and takes a second."""
import json, os, sys, time
from pathlib import Path
given = json.load(sys.stdin)
scope = given["document"]["scope"]
asked = {"scope": scope, "at": time.time(), "before": given["before"] and given["before"]["scope"],
         "secret": os.environ.get("GRIDMILL_SECRET_BASE_BREAK_GLASS_PASSWORD_HASH", ""),
         "passphrase": [name for name in os.environ if name.startswith("PULUMI_")]}
time.sleep(2)
with Path("asked").open("a") as file:
    file.write(json.dumps({**asked, "until": time.time()}) + "\\n")
print(json.dumps({"waited": 0, "complaint": "", "unreached": {}, "unfinished": [], "hosts": {},
                  "text": [f"{scope}: predicted"]}))
'''


@dataclass
class Checkout:
    place: Path
    environment: dict[str, str]

    def pulumi(self, *arguments: str, **more: str) -> str:
        done = subprocess.run(
            ["pulumi", *arguments, "--stack", "lab", "--non-interactive"],
            cwd=self.place, env={**self.environment, **more}, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def asked(self) -> list[dict[str, Any]]:
        """Who was asked since the last call."""
        file = self.place / "asked"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    place, environment = checkout_at(tmp_path)
    (place / "gridmill" / "operations" / "converge.py").write_text(STAND_IN, encoding="utf-8")
    (place / "gridmill" / "operations" / "dry_run.py").write_text(DRY_RUNNER, encoding="utf-8")
    found = Checkout(place, environment)
    found.pulumi("stack", "init", "--secrets-provider", "passphrase")
    yield found


def test_previews_ask_what_changed_and_runs_ask_nobody(checkout: Checkout) -> None:
    checkout.pulumi("config", "set", "--secret", "gridmill:breakGlassPasswordHash", "canary-5512")
    printed = checkout.pulumi("preview")
    asked = checkout.asked()
    assert sorted(one["scope"] for one in asked) == ["control", "exports", "pod-a", "storage"]
    assert max(one["at"] for one in asked) < min(one["until"] for one in asked), "all at the same time"
    assert {one["scope"]: one["secret"] for one in asked} == {
        "storage": "", "control": "canary-5512", "pod-a": "canary-5512", "exports": ""
    }  # fmt: skip
    assert not any(one["passphrase"] or one["before"] for one in asked)
    assert "pod-a: predicted" in printed and "canary" not in printed

    checkout.pulumi("up", "--yes", "--skip-preview")
    assert checkout.asked() == []
    checkout.pulumi("preview", "--expect-no-changes")
    assert checkout.asked() == [], "nothing changed, nobody is asked"

    stack = checkout.place / "Pulumi.lab.yaml"
    text = stack.read_text(encoding="utf-8")
    stack.write_text(text.replace("'2-00:00:00'", "'1-00:00:00'"), encoding="utf-8")
    assert "control: predicted" in checkout.pulumi("preview")
    assert [(one["scope"], one["before"]) for one in checkout.asked()] == [("control", "control")]
    checkout.pulumi("preview", GRIDMILL_PREVIEW="plan")
    assert checkout.asked() == []

"""`pulumi preview` and the size of the state, with the real engine, on a copy of the checkout and a state of its own.

No machine is contacted: a preview asks none where the site's SSH keys are not, as here, and for the state an `up` is
done whose runner is a stand-in that answers as a run does in which every machine was well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.measure import ROOT, Row, Run, run
from benchmarks.sites import NODES_PER_POD, write_site

NODES = 10_000
LARGEST_PREVIEW_S = 10.0
LARGEST_STATE_MB = 5.0
NAME = "bench"

STAND_IN = '''\
"""Stands in for the runner in a benchmark: every machine was well, none was asked."""
import json, sys
from gridmill.operations.run.results import RunResult
document = json.load(sys.stdin)
result = RunResult.of(document["scope"], list(document["hosts"]))
for name in document["hosts"]:
    result.record({"event": "checks", "host": name, "checks": [{"check": "hostname", "ok": True}] * 8})
    result.record({"event": "stats", "host": name, "changed": 24})
print(json.dumps(result.summary(1234.5, "sites/bench/logs/20260101T000000Z-pod-1-apply-12345.log")))
'''


def benchmark() -> list[Row]:
    """First preview, up, preview without a change, preview of one machine more; and the state."""
    with tempfile.TemporaryDirectory(prefix="gridmill-bench-") as name:
        place = Path(name) / "checkout"
        copy(place)
        write_site(place, NODES, NAME)
        environment = engine_environment(place, Path(name) / "state")

        def pulumi(*arguments: str) -> Run:
            return run(["pulumi", *arguments, "--non-interactive"], place, environment)

        pulumi("stack", "init", NAME, "--secrets-provider", "passphrase")
        first = pulumi("preview", "--stack", NAME)
        (place / "gridmill" / "operations" / "converge.py").write_text(STAND_IN, encoding="utf-8")
        up = pulumi("up", "--yes", "--skip-preview", "--stack", NAME)
        state = next((Path(name) / "state").rglob(f"stacks/**/{NAME}.json")).stat().st_size / 1e6
        same = pulumi("preview", "--expect-no-changes", "--stack", NAME)
        salt = (place / f"Pulumi.{NAME}.yaml").read_text(encoding="utf-8").rpartition("encryptionsalt:")[2]
        write_site(place, NODES + NODES_PER_POD, NAME, more=f"encryptionsalt:{salt}")
        more = pulumi("preview", "--stack", NAME)
    what = f"{NODES} nodes in {NODES // NODES_PER_POD} pods"
    return [
        Row("preview", f"{what}, first", first.seconds, "s", LARGEST_PREVIEW_S, f"{first.cpu_seconds:.1f} s of CPU"),
        Row("preview", "the same, no change", same.seconds, "s", LARGEST_PREVIEW_S, f"{same.cpu_seconds:.1f} s of CPU"),
        Row("preview", "the same, one pod more", more.seconds, "s", LARGEST_PREVIEW_S, f"{more.cpu_seconds:.1f} s"),
        Row("preview", "up, stand-in for the runner", up.seconds, "s", note="no machine was asked"),
        Row("preview", "state", state, "MB", LARGEST_STATE_MB, "after that up"),
    ]


def copy(place: Path) -> None:
    """What git knows or would know, and the virtual environment as a link."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    (place / ".venv").symlink_to(ROOT / ".venv")


def engine_environment(place: Path, state: Path) -> dict[str, str]:
    """The engine's settings for that copy, with a passphrase made for it and a state directory of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    secret = place.parent / "passphrase"
    secret.write_text(os.urandom(16).hex(), encoding="utf-8")
    output = subprocess.run(
        ["bash", "-c", 'set -e; eval "$(python3 tools/engine.py env)"; env -0'],
        cwd=place,
        env={**inherited, "GRIDMILL_STATE": str(state)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = dict(entry.split("=", 1) for entry in output.split("\0") if "=" in entry)
    return {**found, "PULUMI_CONFIG_PASSPHRASE_FILE": str(secret)}

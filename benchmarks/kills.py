"""Random kills while 50 hosts get their first state, and the run that comes after: does every host end as it should?

`python -m benchmarks kills` works as root on SSH hosts that it makes itself, with the items of benchmarks/apply.py. Of
a run by bundles it kills, at random moments, connections, runners on hosts, and the run itself; what is killed starts
anew until 30 were. Then one run must end well, and leave the very trees that a run nobody disturbed leaves. All that
is random follows from GRIDMILL_BENCH_SEED, which is told.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from benchmarks.apply import Site
from benchmarks.measure import PYTHON, Row, run
from benchmarks.ssh_hosts import in_private, ssh_hosts

KIND = "kills"
HOSTS, KILLS = 50, 30
LATER = 1.2
"""The run afterwards may take so many times as long as an undisturbed one."""
VICTIMS = {"connection": "ssh -F", "runner on a host": "bundle_runner", "run": "-m gridmill.operations.bundle.run"}


def benchmark() -> list[Row]:
    """Rows; made in a network of its own."""
    output = run(in_private([PYTHON, "-m", "benchmarks.kills"])).output
    return [Row(**row) for row in json.loads(output.splitlines()[-1])]


def victims(directory: Path) -> list[tuple[str, int]]:
    """Processes that belong to the run, by what they are."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(directory) in words:
            found += [(what, int(entry.name)) for what, mark in VICTIMS.items() if mark in words][:1]
    return sorted(found)


def disturb(site: Site, chance: random.Random) -> Counter[str]:
    """Runs that are killed, until enough was; what was killed how often."""
    killed: Counter[str] = Counter()
    command = site.bundle_command(HOSTS)
    while killed.total() < KILLS:
        process = subprocess.Popen(
            command, env={**os.environ, **site.environment()}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and killed.total() < KILLS:
            time.sleep(chance.uniform(0.2, 1.5))
            kinds = victims(site.directory)
            if process.poll() is None and kinds:
                what = chance.choice(sorted({one for one, _ in kinds}))
                try:
                    os.kill(chance.choice([pid for one, pid in kinds if one == what]), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                killed[what] += 1
        process.kill()
        process.wait()
    return killed


def measured(site: Site, seed: int) -> list[Row]:
    """A run that nobody disturbs, the kills, and the run after them."""
    site.empty()
    undisturbed = site.by_bundle(HOSTS)
    wanted = site.digest(HOSTS)
    site.empty()
    shutil.rmtree(site.directory / "machines")
    killed = disturb(site, random.Random(seed))  # noqa: S311 - repeatable, not secret
    later = run(site.bundle_command(HOSTS), environment=site.environment())
    if site.digest(HOSTS) != wanted:
        raise RuntimeError(f"GRIDMILL_BENCH_SEED={seed}: hosts ended in another state than after an undisturbed run")
    told = ", ".join(f"{count} x {what}" for what, count in sorted(killed.items()))
    return [
        Row(KIND, f"hosts that did not converge, of {HOSTS}", 0, "hosts", 0, f"{told}; GRIDMILL_BENCH_SEED={seed}"),
        Row(KIND, "an undisturbed run", undisturbed.seconds, "s"),
        Row(KIND, "the run after the kills", later.seconds / undisturbed.seconds, "x", LATER, f"{later.seconds:.1f} s"),
    ]


def main() -> None:
    """Print all rows as JSON."""
    seed = int(os.environ.get("GRIDMILL_BENCH_SEED") or secrets.randbelow(2**31))
    with tempfile.TemporaryDirectory(prefix="gridmill-bench-") as name:
        directory = Path(name)
        with ssh_hosts(directory) as connection:
            rows = measured(Site(directory, connection), seed)
    print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()

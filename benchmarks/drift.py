"""Whether a host that needs nothing still needs nothing: by its baseline, or by a bundle in check mode?

`python -m benchmarks drift` works as root on SSH hosts that it makes itself (benchmarks/ssh_hosts.py). Both look at the
same 40 items: 25 files (content, mode, owner), 5 directories, 10 packages; bundles as roles have them: a task for each
file and directory, one for all packages. Hosts and controller share this machine, so the work of all hosts is in the
wall clock. Where hosts have processors of their own, what one host takes alone counts, and the controller's processor.
GRIDMILL_BENCH_SIZES (1,10,100) and GRIDMILL_BENCH_RUNS (3).
"""

from __future__ import annotations

import json
import resource
import tempfile
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from benchmarks.judge import State, hosts, sizes, timed_judge
from benchmarks.measure import PYTHON, ROOT, Row, Run, run
from benchmarks.ssh_hosts import in_private, ssh_hosts
from gridmill.operations.run.ansible import child_environment

KIND = "drift"
WORTH = 1.5
"""Bundles take the place of baselines where they take at most so many times as long."""


def benchmark() -> list[Row]:
    """Rows of both ways; made in a network of its own."""
    output = run(in_private([PYTHON, "-m", "benchmarks.drift"])).output
    return [Row(**row) for row in json.loads(output.splitlines()[-1])]


class Checks:
    """The two ways to look at hosts of one state."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.directory = state.directory
        self.playbook = self.directory / "playbook.yml"
        play = {"name": "State", "hosts": "all", "gather_facts": False, "become": True, "tasks": self.tasks()}
        self.playbook.write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")

    def tasks(self) -> list[dict[str, Any]]:
        """The items, as roles have them."""
        builtin, root = "ansible.builtin", {"owner": "root", "group": "root"}
        templates = self.directory / "templates"
        templates.mkdir()
        items: list[dict[str, Any]] = []
        for path in self.state.files:
            (templates / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
            given = {"src": f"templates/{path.name}", "dest": str(path), "mode": "0644", **root}
            items.append({f"{builtin}.template": given})
        items += [
            {f"{builtin}.file": {"path": str(path), "state": "directory", "mode": "0755", **root}}
            for path in self.state.directories
        ]
        items.append({"gridmill.site.packages": {"wanted": dict.fromkeys(self.state.packages, "")}})
        return [{"name": f"Item {number}", **item} for number, item in enumerate(items)]

    def by_baseline(self, addresses: list[str]) -> Run:
        """The drift check of all hosts."""
        before = _processor()
        seconds = timed_judge(self.state, addresses)
        return Run(seconds, _processor() - before, 0, "")

    def by_bundle(self, addresses: list[str]) -> Run:
        """A bundle in check mode on all hosts; they keep its code from the time before."""
        connection = self.state.connection
        document = {
            "connection": {
                "user": connection.user, "identityFile": str(connection.identity_file),
                "knownHostsFile": str(connection.known_hosts_file), "become": False,
            },
            "domain": "bench.gridmill.test", "vars": {}, "groups": {},
            "hosts": {f"host-{number:04}": {"address": address} for number, address in enumerate(addresses)},
        }  # fmt: skip
        path = self.directory / "gridmill.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        runtime = self.directory / "runtime"
        runtime.mkdir(exist_ok=True)
        command = [PYTHON, "-m", "gridmill.operations.bundle.run", "--check", "--name", "bench",
                   "--below", str(self.directory / "machines"), str(path), str(self.playbook)]  # fmt: skip
        done = run(command, environment={**child_environment(runtime), "PYTHONPATH": str(ROOT)})
        if done.output.count("changed=0 ") != len(addresses):
            raise RuntimeError(f"the bundles found something to do: {done.output[-1000:]}")
        return done


def _processor() -> float:
    """Seconds of this process and of its children that ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def compared(checks: Checks) -> list[Row]:
    """Both in turns, so that what others do on this machine hits both; the median of each."""
    rows: list[Row] = []
    for count in sizes("SIZES", "1,10,100"):
        addresses = hosts(count)
        checks.by_bundle(addresses)  # brings the code, as any run before does
        turns = [(checks.by_baseline(addresses), checks.by_bundle(addresses)) for _ in range(*sizes("RUNS", "3"))]
        for figure, unit, values in (
            ("", "s", [(one.seconds, other.seconds) for one, other in turns]),
            (", controller's CPU", "ms/host", [(one.cpu_seconds / count * 1000, other.cpu_seconds / count * 1000)
                                               for one, other in turns]),
        ):  # fmt: skip
            baseline, bundle = (median(column) for column in zip(*values, strict=True))
            spread = " ".join(f"{other / one:.1f}" for one, other in values)
            rows += [
                Row(KIND, f"{count} hosts: baselines{figure}", baseline, unit),
                Row(KIND, f"{count} hosts: bundles{figure}", bundle, unit),
                Row(KIND, f"{count} hosts: bundles by baselines{figure}", bundle / baseline, "x",
                    note=f"each run: {spread}; {WORTH} x would make baselines needless"),
            ]  # fmt: skip
    return rows


def main() -> None:
    """Print all rows as JSON."""
    with tempfile.TemporaryDirectory(prefix="gridmill-bench-") as name:
        directory = Path(name)
        with ssh_hosts(directory) as connection:
            state = State(directory, connection)
            state.baseline()
            rows = compared(Checks(state))
    print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()

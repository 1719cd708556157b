"""One node is added to a pod of 10, and to one of 1,000: is it the same work?

`python -m benchmarks added` works as root on SSH hosts that it makes itself. The runner (`operations.converge apply`,
in a copy of this checkout that has a role with the items of benchmarks/apply.py, and a check) gets the document of a
pod with one node more than the ledger on its controller knows. Its log says how many connections that took, to whom.
Told is the median of GRIDMILL_BENCH_RUNS (5), in turns.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from benchmarks.apply import Site
from benchmarks.judge import sizes
from benchmarks.measure import PYTHON, ROOT, Row, run
from benchmarks.ssh_hosts import address, in_private, ssh_hosts
from gridmill.documents import SCHEMA
from gridmill.operations.document import Connection, read_document
from gridmill.operations.playbooks import ROLES
from gridmill.operations.record.ledger import Entry, Ledger, host_digests

KIND = "added"
FEW, MANY = 10, 1000
RATIO = 1.2
SCOPE = "pod-b"
CONTROLLER = {"address": "127.1.200.1"}
CHECK = {"check": "package", "name": "openssh-client"}
CHECKOUT = ("ansible.cfg", "gridmill", "playbooks")
CONNECTION = re.compile(r"^Connection from \S+ port \d+ on (\S+) port 22", re.MULTILINE)


def benchmark() -> list[Row]:
    """Rows of both pods; made in a network of its own."""
    output = run(in_private([PYTHON, "-m", "benchmarks.added"])).output
    return [Row(**row) for row in json.loads(output.splitlines()[-1])]


@dataclass(frozen=True)
class Added:
    """What one node more took."""

    seconds: float
    connections: int


class Pod:
    """A pod that is as planned, but for one node that is new."""

    def __init__(self, directory: Path, connection: Connection) -> None:
        self.directory = directory
        self.log = directory / "sshd.log"
        self.items = Site(directory, connection)
        self.checkout = directory / "checkout"
        self.checkout.mkdir()
        for name in CHECKOUT:
            copy = shutil.copyfile if (ROOT / name).is_file() else shutil.copytree
            copy(ROOT / name, self.checkout / name)
        play, *_ = yaml.safe_load(self.items.playbook.read_text(encoding="utf-8"))
        role = self.checkout / ROLES.relative_to(ROOT) / "bench"
        for part in ("tasks", "templates"):
            (role / part).mkdir(parents=True)
        (role / "tasks" / "main.yml").write_text(yaml.safe_dump(play["tasks"], sort_keys=False), encoding="utf-8")
        shutil.copyfile(directory / "file.j2", role / "templates" / "file.j2")

    def document(self, count: int) -> dict[str, Any]:
        """The document of a pod of so many nodes."""
        connection = self.items.connection
        return {
            "schema": SCHEMA, "site": "bench", "scope": SCOPE, "domain": "bench.gridmill.test",
            "roles": [{"role": name, "hosts": "all:!controllers"} for name in ("bench", "verify")],
            "decommission": "decommission_pod.yml",
            "connection": {
                "user": connection.user, "identityFile": str(connection.identity_file),
                "knownHostsFile": str(connection.known_hosts_file), "become": False,
            },
            "leaseHost": {"name": "controller", **CONTROLLER}, "controllers": {"controller": CONTROLLER},
            "vars": {"verify_checks": [CHECK]}, "groups": {},
            "hosts": {f"host-{number:04}": {"address": address(number)} for number in range(count)},
        }  # fmt: skip

    def known(self, count: int) -> None:
        """Have the ledger say that so many nodes are as planned."""
        document = read_document(json.dumps(self.document(count)))
        digests = host_digests(document.data, {}, {})
        Ledger(document).write({name: Entry(document.addresses[name], digest) for name, digest in digests.items()})

    def add_one(self, count: int) -> Added:
        """Seconds until the node that follows `count` others is as planned, and connections that were made for it."""
        self.items.empty()
        self.known(count)
        before = len(self.log.read_text(encoding="utf-8"))
        command = ["sh", "-c", f"{PYTHON} -m gridmill.operations.converge apply < {self.directory}/document.json"]
        (self.directory / "document.json").write_text(json.dumps(self.document(count + 1)), encoding="utf-8")
        settings = {"PYTHONPATH": str(self.checkout), "GRIDMILL_STATE": str(self.directory / "state")}
        done = run(command, directory=self.checkout, environment=settings)
        answer = json.loads(done.output)
        made = {place.name for place in self.items.place.iterdir()}
        whom = CONNECTION.findall(self.log.read_text(encoding="utf-8")[before:])
        if not answer["ok"] or made != {f"host-{count:04}"} or set(whom) != {CONTROLLER["address"], address(count)}:
            raise RuntimeError(f"of {count + 1} nodes {made} were changed, {set(whom)} asked: {answer}")
        return Added(done.seconds, len(whom))


def measured(pod: Pod) -> list[Row]:
    """Both pods in turns, so that what others do on this machine hits both."""
    turns = [(pod.add_one(FEW), pod.add_one(MANY)) for _ in range(*sizes("RUNS", "5"))]
    rows, seconds, connections = [], [], []
    for count, runs in zip((FEW, MANY), zip(*turns, strict=True), strict=True):
        seconds.append(median(one.seconds for one in runs))
        connections.append(max(one.connections for one in runs))
        rows += [
            Row(KIND, f"one node more than {count}", seconds[-1], "s"),
            Row(KIND, f"one node more than {count}: connections", connections[-1], "", note="to it and the controller"),
        ]
    return [
        *rows,
        Row(KIND, f"{MANY} by {FEW}: time", seconds[1] / seconds[0], "x", RATIO),
        Row(KIND, f"{MANY} by {FEW}: connections", connections[1] / connections[0], "x", 1.0),
    ]


def main() -> None:
    """Print all rows as JSON."""
    with tempfile.TemporaryDirectory(prefix="gridmill-bench-") as name:
        directory = Path(name)
        with ssh_hosts(directory, log=directory / "sshd.log") as connection:
            rows = measured(Pod(directory, connection))
    print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()

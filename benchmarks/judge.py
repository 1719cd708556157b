"""A host that needs nothing: what does it cost to find that out? Judge, bare SSH, Ansible, pyinfra, in one run.

`python -m benchmarks judge` works as root on SSH hosts that it makes itself (benchmarks/ssh_hosts.py); hosts and
controller share this machine. 40 items each: 25 files (content, mode, owner), 5 directories, 10 packages.
GRIDMILL_BENCH_SIZES (10,50,100) and GRIDMILL_BENCH_RUNS (3) are for judge and bare SSH, GRIDMILL_BENCH_SLOW (10,50) for
Ansible, and for pyinfra where GRIDMILL_BENCH_PYINFRA is the path of its command in an environment of its own.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from benchmarks.measure import PYTHON, ROOT, Row, run
from benchmarks.ssh_hosts import address, dead_address, in_private, ssh_hosts
from gridmill.operations.document import Connection, ConvergeDocument
from gridmill.operations.hosts.many import AT_ONCE
from gridmill.operations.hosts.ssh import CONNECT_TIMEOUT_S, ssh_command
from gridmill.operations.run.baselines import check_all, record_all

RATIO = 1.3
EXPONENT = 1.05
FILES, DIRECTORIES, PACKAGES = 25, 5, 10
SCOPE = "bench"
DEAD = 5
KIND = "judge"


def benchmark() -> list[Row]:
    """Rows of all tools; made in a network of its own."""
    output = run(in_private([PYTHON, "-m", "benchmarks.judge"])).output
    return [Row(**row) for row in json.loads(output.splitlines()[-1])]


def sizes(name: str, default: str) -> list[int]:
    """Numbers from the environment."""
    return [int(text) for text in os.environ.get(f"GRIDMILL_BENCH_{name}", default).split(",") if text]


class State:
    """The desired state of every host, and each tool's way to look at it."""

    def __init__(self, directory: Path, connection: Connection) -> None:
        self.directory = directory
        self.connection = connection
        self.place = directory / "state"
        self.place.mkdir()
        self.files = [self.place / f"file-{number:02}" for number in range(FILES)]
        self.directories = [self.place / f"directory-{number}" for number in range(DIRECTORIES)]
        for number, path in enumerate(self.files):
            path.write_text(f"# file {number}\n" + "setting = value\n" * 40, encoding="utf-8")
            path.chmod(0o644)
        for path in self.directories:
            path.mkdir(mode=0o755)
        show = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n"]
        rows = subprocess.run(show, capture_output=True, text=True, check=True).stdout.splitlines()
        self.packages = sorted({row.split()[0] for row in rows if row.endswith(" installed")})[:PACKAGES]

    def baseline(self) -> None:
        """Baseline the hosts; they share a file system, so one is enough."""
        items: list[dict[str, Any]] = [{"kind": "file", "name": str(path)} for path in (*self.files, *self.directories)]
        package = {"kind": "package", "pattern": "", "held": False, "absent": False}
        items += [{"kind": "dpkg", "name": "packages"}, *({**package, "name": name} for name in self.packages)]
        document = ConvergeDocument(SCOPE, SCOPE, None, None, self.connection, (), {"host": address(0)}, {"hosts": {}})
        (answer,) = record_all(document, {"host": items}, {"host": ("digest", "plan")}).values()
        if answer.complaint or answer.refused:
            raise RuntimeError(f"not recorded: {answer}")

    def by_hand(self) -> str:
        """The same checks as a shell script, with as few processes as possible."""
        everything = [str(path) for path in (*self.files, *self.directories)]
        sums = subprocess.run(["sha256sum", *map(str, self.files)], capture_output=True, text=True, check=True).stdout
        stats = subprocess.run(["stat", "-c", "%a %u %g %F", *everything], capture_output=True, text=True, check=True)
        names = shlex.join(self.packages)
        return (
            f"set -e\nsha256sum --quiet --check << 'E'\n{sums}E\n"
            f"test \"$(stat -c '%a %u %g %F' {shlex.join(everything)})\" = '{stats.stdout.strip()}'\n"
            f"test \"$(dpkg-query --show --showformat='${{db:Status-Status}}\\n' {names} | sort -u)\" = installed\n"
            'test -z "$(ls /var/lib/dpkg/updates)"\n'
            "test -z \"$(dpkg-query --show --showformat='${db:Status-Status}\\n' | grep -E 'half|unpacked|trigg')\"\n"
            "echo as planned\n"
        )


def hosts(count: int, dead: int = 0) -> list[str]:
    """Addresses; those that are dead stand among the others."""
    living = [address(number) for number in range(count)]
    return [*living[: count // 2], *(dead_address(number) for number in range(dead)), *living[count // 2 :]]


def timed_judge(state: State, addresses: list[str], dead: int = 0) -> float:
    """Seconds that the judges of all hosts take."""
    wanted = {one: {SCOPE: "digest"} for one in addresses}
    started = time.monotonic()
    answers = check_all(state.connection, {one: one for one in addresses}, wanted)
    seconds = time.monotonic() - started
    good = [one for one in answers.values() if not one.complaint and not one.scopes[SCOPE].differences]
    gone = [one for one in answers.values() if one.unreachable]
    if (len(good), len(gone)) != (len(addresses) - dead, dead):
        raise RuntimeError(
            f"{len(good)} good, {len(gone)} dead: {[one for one in answers.values() if one not in good][:2]}"
        )
    return seconds


def timed_by_hand(state: State, addresses: list[str]) -> float:
    """Seconds that `ssh HOST sh -s` takes on all hosts, as many at once as the judge has."""
    script, listed = state.directory / "by-hand.sh", state.directory / "hosts.txt"
    script.write_text(state.by_hand(), encoding="utf-8")
    listed.write_text("\n".join(addresses), encoding="utf-8")
    command = shlex.join(ssh_command(state.connection, "HOST", ["sh", "-s"]))
    line = f"xargs -P {AT_ONCE} -I HOST sh -c {shlex.quote(f'{command} < {script}')} < {listed}"
    done = run(["sh", "-c", line])
    if done.output.count("as planned") != len(addresses):
        raise RuntimeError(f"by hand: {done.output[-500:]}")
    return done.seconds


def timed_ansible(state: State, addresses: list[str]) -> float:
    """Seconds of `ansible-playbook`, a task an item, with pipelining, kept connections, no facts, and many forks."""
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.copy": {"src": str(one), "dest": str(one), "mode": "0644"}} for one in state.files
    ]
    tasks += [{"ansible.builtin.file": {"path": str(one), "state": "directory", "mode": "0755"}}
              for one in state.directories]  # fmt: skip
    tasks += [{"gridmill.site.packages": {"wanted": {name: ""}}} for name in state.packages]
    play = {"hosts": "all", "gather_facts": False, "tasks": [{"name": f"Item {n}", **t} for n, t in enumerate(tasks)]}
    (state.directory / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    options = f"-o UserKnownHostsFile={state.connection.known_hosts_file} -o ControlMaster=auto -o ControlPersist=60s"
    inventory = state.directory / "inventory.yml"
    variables = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(state.connection.identity_file),
        "ansible_ssh_common_args": f"-F /dev/null {options}",
    }
    everybody = {"all": {"hosts": dict.fromkeys(addresses), "vars": variables}}
    inventory.write_text(yaml.safe_dump(everybody), encoding="utf-8")
    ansible = str(Path(PYTHON).parent / "ansible-playbook")
    environment = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
    command = [
        ansible,
        "-i",
        str(inventory),
        "--forks",
        str(min(len(addresses), 50)),
        str(state.directory / "play.yml"),
    ]
    done = run(command, environment=environment)
    if done.output.count("changed=0 ") != len(addresses):
        raise RuntimeError(f"Ansible found something to do: {done.output[-1000:]}")
    return done.seconds


def timed_pyinfra(state: State, addresses: list[str], program: str) -> float:
    """Seconds of pyinfra with the same items."""
    key = {
        "ssh_user": "root",
        "ssh_key": str(state.directory / "id"),
        "ssh_known_hosts_file": str(state.directory / "known_hosts"),
    }
    (state.directory / "inventory.py").write_text(
        f"hosts = [(one, {key!r}) for one in {addresses!r}]\n", encoding="utf-8"
    )
    lines = ["from pyinfra.operations import apt, files"]
    lines += [f"files.put(src={str(one)!r}, dest={str(one)!r}, mode='644')" for one in state.files]
    lines += [f"files.directory(path={str(one)!r}, mode='755')" for one in state.directories]
    lines += [f"apt.packages(packages=[{name!r}])" for name in state.packages]
    (state.directory / "deploy.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [
        program,
        "-y",
        "--parallel",
        "50",
        str(state.directory / "inventory.py"),
        str(state.directory / "deploy.py"),
    ]
    return run(command, state.directory).seconds


def exponent(times: dict[int, float]) -> float:
    """The power of the number of hosts that the time grows with: least squares over logarithms."""
    points = [(math.log(count), math.log(seconds)) for count, seconds in times.items()]
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    slope: float = sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
    return slope


def compared(state: State) -> list[Row]:
    """Judge and bare SSH in turns, so that what others do on this machine hits both; the median of each."""
    rows, medians = [], {}
    for count in sizes("SIZES", "10,50,100"):
        addresses = hosts(count)
        pairs = [(timed_by_hand(state, addresses), timed_judge(state, addresses)) for _ in range(*sizes("RUNS", "3"))]
        by_hand, judged = (median(values) for values in zip(*pairs, strict=True))
        medians[count] = judged
        spread = " ".join(f"{judge / hand:.2f}" for hand, judge in pairs)
        rows += [
            Row(KIND, f"{count} hosts: bare SSH", by_hand, "s", note="the same checks as a shell script, xargs -P"),
            Row(KIND, f"{count} hosts: judge", judged, "s"),
            Row(KIND, f"{count} hosts: judge by bare SSH", judged / by_hand, "x", RATIO, f"each run: {spread}"),
        ]
    if len(medians) > 1:
        rows.append(Row(KIND, "growth with hosts", exponent(medians), "exponent", EXPONENT))
    return rows


def slow(state: State) -> list[Row]:
    """What other tools take for the same, once each."""
    rows = []
    tools: dict[str, Callable[[list[str]], float]] = {"Ansible": lambda addresses: timed_ansible(state, addresses)}
    if program := os.environ.get("GRIDMILL_BENCH_PYINFRA"):
        tools["pyinfra"] = lambda addresses: timed_pyinfra(state, addresses, program)
    for count in sizes("SLOW", "10,50"):
        judged = timed_judge(state, hosts(count))
        for name, timed in tools.items():
            seconds = timed(hosts(count))
            note = f"{seconds / judged:.1f} x the judge, which took {judged:.2f} s just before"
            rows.append(Row(KIND, f"{count} hosts: {name}", seconds, "s", note=note))
    return rows


def with_dead(state: State) -> list[Row]:
    """What dead hosts cost, in connect timeouts."""
    healthy = timed_judge(state, hosts(50))
    more = timed_judge(state, hosts(50, DEAD), DEAD) - healthy
    note = f"{DEAD} dead among 50, {CONNECT_TIMEOUT_S} s each if one after the other"
    return [Row(KIND, "dead hosts, in connect timeouts", more / CONNECT_TIMEOUT_S, "x", RATIO, note)]


def main() -> None:
    """Print all rows as JSON."""
    with tempfile.TemporaryDirectory(prefix="gridmill-bench-") as name:
        directory = Path(name)
        with ssh_hosts(directory, DEAD) as connection:
            state = State(directory, connection)
            state.baseline()
            rows = [*compared(state), *with_dead(state), *slow(state)]
    print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()

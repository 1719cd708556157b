"""A first apply to hosts that have nothing yet: what does it cost? Bundles, tuned Ansible, bare SSH, in one run.

`python -m benchmarks apply` works as root on SSH hosts that it makes itself (benchmarks/ssh_hosts.py); hosts and
controller share this machine and its file system, so every host keeps its state below a directory of its own. 30 items
each: 20 files from templates, 6 directories, 2 links, 2 blocks in files, from one playbook for bundles and Ansible.
Accounts and units would be those of this machine, and are left out. After each run the trees of all hosts are compared.
GRIDMILL_BENCH_SIZES (10,50) and GRIDMILL_BENCH_RUNS (3) are for bundles and bare SSH; Ansible runs once for each of
GRIDMILL_BENCH_SLOW (10,50).
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from benchmarks.judge import exponent, sizes
from benchmarks.measure import PYTHON, ROOT, Row, Run, run
from benchmarks.ssh_hosts import address, in_private, ssh_hosts
from gridmill.operations.document import Connection
from gridmill.operations.hosts.many import AT_ONCE
from gridmill.operations.hosts.ssh import ssh_command
from gridmill.operations.run.ansible import child_environment

KIND = "apply"
FILES, DIRECTORIES, LINKS, BLOCKS = 20, 6, 2, 2
MANY = 50
FASTER = 3.0
"""Bundles are to be so many times faster than Ansible, with many hosts."""
EXPONENT = 1.05
FORKS = 20
OWNER = {"owner": "root", "group": "root"}
TEMPLATE = "# {{ inventory_hostname }}, file {{ number }}\n" + "setting = value\n" * 40


def benchmark() -> list[Row]:
    """Rows of all tools; made in a network of its own."""
    output = run(in_private([PYTHON, "-m", "benchmarks.apply"])).output
    return [Row(**row) for row in json.loads(output.splitlines()[-1])]


class Site:
    """Hosts without any state, and each tool's way to give them theirs."""

    def __init__(self, directory: Path, connection: Connection) -> None:
        self.directory = directory
        self.connection = connection
        self.place = directory / "hosts"
        self.playbook = directory / "playbook.yml"
        play = {"name": "State", "hosts": "all", "gather_facts": False, "become": True, "tasks": self.tasks()}
        self.playbook.write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
        (directory / "file.j2").write_text(TEMPLATE, encoding="utf-8")

    def tasks(self) -> list[dict[str, Any]]:
        """The items, as Ansible has them."""
        here, builtin = f"{self.place}/{{{{ inventory_hostname }}}}", "ansible.builtin"
        items: list[dict[str, Any]] = [
            {f"{builtin}.file": {"path": here, "state": "directory", "mode": "0755", **OWNER}}
        ]
        items += [
            {f"{builtin}.file": {"path": f"{here}/directory-{n}", "state": "directory", "mode": "0750", **OWNER}}
            for n in range(1, DIRECTORIES)
        ]
        items += [
            {f"{builtin}.template": {"src": "file.j2", "dest": f"{here}/file-{n:02}", "mode": "0644", **OWNER},
             "vars": {"number": n}}
            for n in range(FILES)
        ]  # fmt: skip
        items += [
            {f"{builtin}.file": {"src": f"{here}/file-{n:02}", "dest": f"{here}/link-{n}", "state": "link"}}
            for n in range(LINKS)
        ]
        items += [
            {f"{builtin}.blockinfile": {"path": f"{here}/file-{n:02}", "block": f"extra = {n}", "insertafter": "EOF"}}
            for n in range(BLOCKS)
        ]
        return [{"name": f"Item {number}", **item} for number, item in enumerate(items)]

    def empty(self) -> None:
        """Hosts that nobody has worked on."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()

    def document(self, count: int) -> Path:
        """The inventory that bundles and Ansible both read."""
        data = {
            "connection": {
                "user": self.connection.user, "identityFile": str(self.connection.identity_file),
                "knownHostsFile": str(self.connection.known_hosts_file), "become": False,
            },
            "domain": "bench.gridmill.test", "vars": {}, "groups": {},
            "hosts": {f"host-{number:04}": {"address": address(number)} for number in range(count)},
        }  # fmt: skip
        path = self.directory / "gridmill.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        return path

    def environment(self) -> dict[str, str]:
        """As the runner gives it to both."""
        runtime = self.directory / "runtime"
        runtime.mkdir(exist_ok=True)
        return {**child_environment(runtime), "PYTHONPATH": str(ROOT)}

    def by_bundle(self, count: int) -> Run:
        """One run of bundles, on hosts that know none of their code."""
        shutil.rmtree(self.directory / "machines", ignore_errors=True)
        return run(self.bundle_command(count), environment=self.environment())

    def bundle_command(self, count: int) -> list[str]:
        """What runs bundles on so many hosts."""
        command = [
            PYTHON,
            "-m",
            "gridmill.operations.bundle.run",
            "--name",
            "bench",
            "--below",
            str(self.directory / "machines"),
        ]
        return [*command, str(self.document(count)), str(self.playbook)]

    def by_ansible(self, count: int) -> Run:
        """One run of ansible-playbook: pipelining and kept connections by ansible.cfg, no facts, forks."""
        ansible = str(Path(PYTHON).parent / "ansible-playbook")
        command = [ansible, "--inventory", str(self.document(count)), "--forks", str(FORKS), str(self.playbook)]
        return run(command, environment=self.environment())

    def by_hand(self, count: int) -> Run:
        """`ssh HOST sh -s` with a script that makes the same, as many at once as connections are opened otherwise."""
        listed = self.directory / "hosts.txt"
        for number in range(count):
            name = f"host-{number:04}"
            (self.directory / f"{address(number)}.sh").write_text(self.script(name), encoding="utf-8")
        listed.write_text("".join(f"{address(number)}\n" for number in range(count)), encoding="utf-8")
        command = shlex.join(ssh_command(self.connection, "HOST", ["sh", "-s"]))
        line = f"{command} < {self.directory}/HOST.sh"
        return run(["sh", "-c", f"xargs -P {AT_ONCE} -I HOST sh -c {shlex.quote(line)} < {listed}"])

    def script(self, name: str) -> str:
        """The state of a host as a shell script."""
        here = self.place / name
        lines = ["set -e", f"install -d -m 0755 {here}"]
        lines += [f"install -d -m 0750 {here}/directory-{n}" for n in range(1, DIRECTORIES)]
        for n in range(FILES):
            text = TEMPLATE.replace("{{ inventory_hostname }}", name).replace("{{ number }}", str(n))
            block = f"# BEGIN ANSIBLE MANAGED BLOCK\nextra = {n}\n# END ANSIBLE MANAGED BLOCK\n" if n < BLOCKS else ""
            lines += [f"cat > {here}/file-{n:02} << 'E'\n{text}{block}E", f"chmod 0644 {here}/file-{n:02}"]
        lines += [f"ln -s {here}/file-{n:02} {here}/link-{n}" for n in range(LINKS)]
        return "\n".join(lines) + "\n"

    def digest(self, count: int) -> str:
        """Digest of all that is on the hosts: names, kinds, modes, owners, contents."""
        found = hashlib.sha256()
        paths = sorted(self.place.rglob("*"))
        for path in paths:
            status = path.lstat()
            content = (
                str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            )
            mode = 0 if path.is_symlink() else status.st_mode
            row = f"{path.relative_to(self.place)} {mode:o} {status.st_uid} {status.st_gid} ".encode()
            found.update(row + hashlib.sha256(content).digest())
        expected = count * (FILES + DIRECTORIES + LINKS)
        if len(paths) != expected:
            raise RuntimeError(f"{len(paths)} items on {count} hosts, not {expected}")
        return found.hexdigest()


def compared(site: Site) -> list[Row]:
    """All tools in turns, so that what others do on this machine hits them all."""
    rows: list[Row] = []
    medians: dict[int, float] = {}
    slow = sizes("SLOW", "10,50")
    for count in sizes("SIZES", "10,50"):
        digests: dict[str, str] = {}

        def once(tool: str, count: int = count, digests: dict[str, str] = digests) -> Run:
            site.empty()
            done: Run = getattr(site, f"by_{tool}")(count)
            digests[tool] = site.digest(count)
            return done

        turns = [(once("hand"), once("bundle")) for _ in range(*sizes("RUNS", "3"))]
        hand, bundle = (median(one.seconds for one in runs) for runs in zip(*turns, strict=True))
        processor = median(one.cpu_seconds for _, one in turns)
        medians[count] = bundle
        rows += [
            Row(KIND, f"{count} hosts: bare SSH", hand, "s", note="the same items as a shell script, xargs -P"),
            Row(KIND, f"{count} hosts: bundles", bundle, "s"),
            Row(KIND, f"{count} hosts: bundles, controller's CPU", processor / count * 1000, "ms/host"),
        ]
        if count in slow:
            ansible = once("ansible")
            faster, spent = ansible.seconds / bundle, ansible.cpu_seconds / count * 1000
            target = 1 / FASTER if count >= MANY else None
            rows += [
                Row(KIND, f"{count} hosts: tuned Ansible", ansible.seconds, "s", note=f"forks={FORKS}, pipelining"),
                Row(KIND, f"{count} hosts: tuned Ansible, controller's CPU", spent, "ms/host"),
                Row(KIND, f"{count} hosts: bundles by Ansible", 1 / faster, "x", target, f"{faster:.1f} times faster"),
            ]  # fmt: skip
        if len(set(digests.values())) != 1:
            raise RuntimeError(f"the tools left {count} hosts in different states: {digests}")
    if len(medians) > 1:
        rows.append(Row(KIND, "growth with hosts", exponent(medians), "exponent", EXPONENT))
    return rows


def main() -> None:
    """Print all rows as JSON."""
    with tempfile.TemporaryDirectory(prefix="gridmill-bench-") as name:
        directory = Path(name)
        with ssh_hosts(directory) as connection:
            rows = compared(Site(directory, connection))
    print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()

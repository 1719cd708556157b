"""A copy of the checkout with a virtual site of its own, driven as an engineer would: by typing commands.

Its name, supernet, state and keys differ from the lab's, so that it can stand beside a running one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gridmill.operations.directories import state_directory
from tests.conftest import ROOT
from tests.e2e.only_run import clean, end_processes

NAME = "e2e"
READY_S = 120
"""Seconds in which a site that has just booted is well."""
BESIDE = {"docs", "tests", "benchmarks", "ci", ".github"}
"""Folders of the checkout that say nothing of what a converged site is; nor do the texts at its top."""
LONGEST_S = 900
"""Seconds after which any one command counts as hanging."""
SUBSTITUTIONS = {
    "name: lab\n": f"name: {NAME}\n",
    "198.18.0.0/20": "198.19.16.0/20",
    "address: 198.18.0.": "address: 198.19.16.",
    "2001:2::/56": "2001:2:0:100::/56",
    "lab.gridmill.test": "e2e.gridmill.test",
    "{state}/lab/lab/": f"{{state}}/lab/{NAME}/",
}


@dataclass
class Done:
    """A command that ended."""

    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def text(self) -> str:
        """Everything that it printed."""
        return self.stdout + self.stderr


@dataclass
class SiteCopy:
    """The copied checkout and what it takes to run commands in it."""

    directory: Path
    state: Path
    environment: dict[str, str] = field(default_factory=dict)
    content: str = ""
    """Digest of what a converged site follows from."""

    @property
    def stack_file(self) -> Path:
        """The site's stack definition."""
        return self.directory / f"Pulumi.{NAME}.yaml"

    @property
    def access(self) -> Path:
        """Directory with the site's SSH key and known_hosts."""
        return self.state / "lab" / NAME

    def bare(self) -> None:
        """The copy as the checkout is, its machines racked and never converged, and nothing in Pulumi's state."""
        clean(self.directory.parent)
        self.lay_out()
        self.lab("up")
        self.pulumi("stack", "init")

    def converged(self) -> None:
        """The copy as the checkout is, and the site as its first `pulumi up` leaves it: restored where it was kept."""
        self.lay_out()
        if self.kept.name not in {path.name for path in self.kept.parent.glob("*")}:
            self.bare()
            self.pulumi("up", "--yes")
            self.keep()
            return
        end_processes(self.state)  # of a test that failed half-way; what it had locked is put back all the same
        shutil.rmtree(self.state / "pulumi" / ".pulumi" / "locks", ignore_errors=True)
        self.booted("restore", self.kept.name)

    def keep(self) -> None:
        """Keep the site, which has just converged, for all who want it so; what was kept of another content goes."""
        for old in self.kept.parent.glob("*"):
            self.lab("snapshots", "--remove", old.name)
        self.booted("snapshot", self.kept.name)

    def booted(self, command: str, snapshot: str) -> None:
        """Make or restore a snapshot of a converged site; its machines are well after it."""
        done = self.lab(command, snapshot)
        assert "still failed" not in done.text, done.text
        end = time.monotonic() + READY_S
        while True:
            done = self.gridmill("status", NAME, "--json", check=False)
            if done.status == 0:
                return
            assert time.monotonic() < end, f"the site is not well {READY_S} s after it booted:\n{done.text[-6000:]}"

    @property
    def kept(self) -> Path:
        """Where the lab keeps the converged site of this content."""
        return self.access / "snapshots" / f"converged-{self.content[:12]}"

    def lay_out(self) -> None:
        """Copy what git knows or would know, with the stack under its new name, and note what the content is.

        Whatever else lies in the copy goes, but Python's caches: what a test changed in it is as in the checkout again.
        """
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        files = {
            name: (ROOT / name).read_bytes()
            for name in sorted(filter(None, listed.split("\0")))
            if (ROOT / name).exists()
        }
        for name in [name for name in files if name.startswith("inventories/lab/")]:
            files[name.replace("/lab/", f"/{NAME}/", 1)] = files[name]
        text = files["Pulumi.lab.yaml"].decode()
        for old, new in SUBSTITUTIONS.items():
            assert old in text, old
            text = text.replace(old, new)
        files[self.stack_file.name] = text.encode()
        for path in sorted(self.directory.rglob("*"), reverse=True):
            inside = path.relative_to(self.directory)
            if path.is_symlink() or (path.is_file() and "__pycache__" not in inside.parts and str(inside) not in files):
                path.unlink()
        for name, content in files.items():
            target = self.directory / name
            if target.is_file() and target.read_bytes() == content:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            if (ROOT / name).exists():
                shutil.copymode(ROOT / name, target)
        (self.directory / ".venv").symlink_to(ROOT / ".venv")
        digest = hashlib.sha256()
        for name, content in sorted(files.items()):
            if ("/" in name and name.split("/")[0] in BESIDE) or ("/" not in name and name.endswith(".md")):
                continue
            digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
        self.content = digest.hexdigest()
        self.environment = self._environment()

    def _base(self) -> dict[str, str]:
        """This process's environment with a state directory of the copy's own, and nothing of Pulumi's.

        Previews ask no machine unless a test says so: every `up` here would check first what it then does.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PULUMI_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        return {**kept, "GRIDMILL_STATE": str(self.state), "GRIDMILL_PREVIEW": "plan"}

    def _environment(self) -> dict[str, str]:
        """The README's one line, evaluated."""
        script = 'set -e; eval "$(python3 tools/engine.py env --stack lab)"; env -0'
        output = subprocess.run(
            ["bash", "-c", script], cwd=self.directory, env=self._base(), capture_output=True, text=True, check=True
        ).stdout
        return dict(entry.split("=", 1) for entry in output.split("\0") if "=" in entry)

    def run(self, *command: str, stdin: str | None = None, check: bool = True) -> Done:
        """Run a command in the copy."""
        started = time.monotonic()
        result = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )
        done = Done(result.returncode, result.stdout, result.stderr, time.monotonic() - started)
        if check:
            assert done.status == 0, f"{' '.join(command)} ended with {done.status}:\n{done.text[-6000:]}"
        return done

    def lab(self, *arguments: str, check: bool = True) -> Done:
        """`lab ...` for this site."""
        command, *rest = arguments
        return self.run(
            ".venv/bin/python", "-m", "gridmill.lab", command, "--stack", self.stack_file.name, *rest, check=check
        )

    def gridmill(self, *arguments: str, check: bool = True) -> Done:
        """`gridmill ...`."""
        return self.run(".venv/bin/python", "-m", "gridmill.operations.cli", *arguments, check=check)

    def pulumi(self, *arguments: str, check: bool = True) -> Done:
        """`pulumi ... --stack e2e`."""
        return self.run("pulumi", *arguments, "--stack", NAME, "--non-interactive", check=check)

    def phases(self) -> list[str]:
        """The phases that converge machines, in their order."""
        plan = json.loads(self.run(".venv/bin/python", "-m", "gridmill.operations.cli", "plan", NAME, "--json").stdout)
        return ["storage", "control", *(pod["key"] for pod in plan["pods"])]

    def converge(self, phase: str, action: str) -> dict[str, list[str]]:
        """Run one phase over all its machines, whatever their baselines say; the tasks that changed something, by machine."""
        document = self.run(".venv/bin/python", "-m", "gridmill.operations.cli", "document", NAME, phase).stdout
        self.run(".venv/bin/python", "-m", "gridmill.operations.converge", action, "--full", stdin=document)
        return self.changes(phase, action)

    def changes(self, phase: str, action: str) -> dict[str, list[str]]:
        """Tasks that changed something (in check mode: would) in the newest run of a phase, by machine."""
        report = self.state / "sites" / NAME / "reports" / f"{phase}-{action}.json"
        hosts = json.loads(report.read_text(encoding="utf-8"))["hosts"]
        return {name: sorted(host["changes"]) for name, host in hosts.items()}

    def on(self, node: str, command: str) -> str:
        """Standard output of a command on a machine."""
        return self.lab("ssh", node, command).stdout.strip()

    def edit(self, old: str, new: str) -> None:
        """Change the stack definition, as an engineer with an editor."""
        text = self.stack_file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        self.stack_file.write_text(text.replace(old, new), encoding="utf-8")

    def state_text(self) -> str:
        """The whole state that the backend holds, as text."""
        return self.pulumi("stack", "export").stdout

    def resources(self) -> dict[str, dict[str, Any]]:
        """Resources in the state by the last part of their URN."""
        deployment = json.loads(self.state_text())["deployment"]
        return {item["urn"].rsplit("::", 1)[1]: item for item in deployment.get("resources", [])}


def site_copy() -> SiteCopy:
    """The one copy of this machine; its place is fixed, so that left-overs of a killed run are found."""
    base = state_directory().with_name("gridmill-tests")
    return SiteCopy(base / "checkout", base / "state")

"""A copy of the checkout with a virtual site of its own, driven as an engineer would: by typing commands.

Its name, supernet, state and keys differ from the lab's, so that it can stand beside a running one.
"""

from __future__ import annotations

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

NAME = "e2e"
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

    @property
    def stack_file(self) -> Path:
        """The site's stack definition."""
        return self.directory / f"Pulumi.{NAME}.yaml"

    @property
    def access(self) -> Path:
        """Directory with the site's SSH key and known_hosts."""
        return self.state / "lab" / NAME

    def prepare(self) -> None:
        """Copy what git knows or would know, with the stack under its new name; clean what a killed run left."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).exists():
                target = self.directory / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)
        (self.directory / ".venv").symlink_to(ROOT / ".venv")
        shutil.copytree(self.directory / "inventories" / "lab", self.directory / "inventories" / NAME)
        text = (self.directory / "Pulumi.lab.yaml").read_text(encoding="utf-8")
        for old, new in SUBSTITUTIONS.items():
            assert old in text, old
            text = text.replace(old, new)
        self.stack_file.write_text(text, encoding="utf-8")
        self.environment = self._base()
        if self.access.exists():  # a killed run's machines; its copy may be of a checkout that is gone
            self.lab("down")
        shutil.rmtree(self.state, ignore_errors=True)
        self.environment = self._environment()

    def _base(self) -> dict[str, str]:
        """This process's environment with a state directory of the copy's own, and nothing of Pulumi's.

        Previews ask no machine unless a test says so: every `up` here would check first what it then does.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
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

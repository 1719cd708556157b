"""A throw-away Pulumi project with a stack of its own, run by the engine and the plugins that are set up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridmill.engine.environment import environment
from gridmill.engine.found import Engine

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("conformance_program.py")
RUN_SECONDS = 120


@dataclass(frozen=True)
class Run:
    """One finished `pulumi` command."""

    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """All that a person would have seen."""
        return self.stdout + self.stderr


class Project:
    """The project in `directory`; its state is a file backend in there. `paths` are where its imports are found."""

    def __init__(
        self, directory: Path, engine: Engine, program: Path = PROGRAM, paths: Sequence[Path] = (ROOT,), **more: str
    ) -> None:
        self.directory = directory
        self.printed = ""
        backend = directory / "state"
        backend.mkdir()
        self._environment = {
            **os.environ,
            **environment(engine, "conformance", os.environ),
            "PULUMI_BACKEND_URL": f"file://{backend}",
            "PULUMI_CONFIG_PASSPHRASE": "conformance",
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            **more,
        }
        self._environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
        project = {
            "name": "conformance",
            "runtime": {"name": "python", "options": {"virtualenv": sys.prefix}},
        }
        (directory / "Pulumi.yaml").write_text(json.dumps(project))
        if program != directory / "__main__.py":
            shutil.copyfile(program, directory / "__main__.py")
        self.run("stack", "init", "conformance")

    def declare(self, commands: dict[str, dict[str, Any]]) -> None:
        """Make these the commands of the program, by resource name."""
        (self.directory / "commands.json").write_text(json.dumps(commands))

    def run(self, *arguments: str, status: int | None = 0) -> Run:
        """Run `pulumi`; another exit status than `status` fails the test (None: any)."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        run = Run(done.returncode, done.stdout, done.stderr)
        self.printed += run.output
        assert status is None or run.status == status, f"pulumi {arguments}: {run.status}\n{run.output[-4000:]}"
        return run

    def up(self, status: int | None = 0) -> Run:
        """`pulumi up` without its preview."""
        return self.run("up", "--yes", "--skip-preview", "--stack", "conformance", status=status)

    def state(self) -> str:
        """The exported state, secrets encrypted."""
        return self.run("stack", "export", "--stack", "conformance").stdout

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        answer = self.run("stack", "output", "--json", "--stack", "conformance").stdout
        outputs: dict[str, Any] = json.loads(answer)
        return outputs

    def journal(self) -> list[str]:
        """Lines that the commands wrote into the file `journal`, in order."""
        file = self.directory / "journal"
        return file.read_text().split() if file.exists() else []

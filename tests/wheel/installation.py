"""A wheel of Gridmill, built from this checkout or an edited copy of it, in a virtual environment of its own.

What Gridmill needs comes from the checkout's environment; Gridmill itself comes from the wheel, and commands run outside
of the checkout.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.preview import copy
from tests.conftest import ROOT

ANSIBLE = {"ansible": "adhoc", "ansible-inventory": "inventory", "ansible-playbook": "playbook"}
"""Commands of ansible-core, and the modules that they are."""
LONGEST_S = 600


def build(target: Path, edit: Callable[[Path], None] | None = None, version: str = "") -> Path:
    """Build the wheel of a copy of this checkout, edited or under another version."""
    source = target / "source"
    copy(source)
    (source / ".venv").unlink()
    if version:
        project = source / "pyproject.toml"
        text = re.sub(r'^version = ".*"$', f'version = "{version}"', project.read_text(encoding="utf-8"), flags=re.M)
        project.write_text(text, encoding="utf-8")
    if edit:
        edit(source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", target / "dist", source], check=True, timeout=LONGEST_S)
    (wheel,) = (target / "dist").glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Installation:
    """A virtual environment with a wheel."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, directory: Path) -> Installation:
        """Without Gridmill yet."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True, timeout=LONGEST_S)
        made = cls(directory, {name: value for name, value in os.environ.items()
                               if not name.startswith(("PULUMI_", "GRIDMILL_", "ANSIBLE_", "PYTHON"))
                               or name == "GRIDMILL_CACHE"})  # fmt: skip
        (made.packages / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        for name, module in ANSIBLE.items():
            script = directory / "bin" / name
            text = f"#!{directory}/bin/python\nimport sys\nfrom ansible.cli.{module} import main\nsys.exit(main())\n"
            script.write_text(text, encoding="utf-8")
            script.chmod(0o755)
        return made

    @property
    def packages(self) -> Path:
        """Where packages are installed."""
        (found,) = self.directory.glob("lib/python*/site-packages")
        return found

    def install(self, wheel: Path) -> None:
        """As `pip install FILE`."""
        command = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(self.directory / "bin" / "python"),
            "install",
            "--quiet",
        ]
        more = ["--no-deps", "--no-index", "--force-reinstall", "--disable-pip-version-check"]
        subprocess.run([*command, *more, str(wheel)], check=True, timeout=LONGEST_S)

    def run(self, *command: str, place: Path, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """A command with this environment first on PATH; another status than `status` fails the test (None: any)."""
        assert not place.resolve().is_relative_to(ROOT)
        path = f"{self.directory}/bin:{self.environment['PATH']}"
        done = subprocess.run(
            command, cwd=place, env={**self.environment, "PATH": path}, capture_output=True, text=True, check=False,
            timeout=LONGEST_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        said = f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-6000:]}"
        assert status is None or done.returncode == status, said
        return done

    def evaluate(self, stack: str, place: Path, **more: str) -> None:
        """Put what `gridmill engine env` prints into the environment, as a shell does."""
        self.environment.update(more)
        script = f'set -e; settings=$(gridmill engine env --stack {stack}); eval "$settings"; env -0'
        found = self.run("bash", "-c", script, place=place).stdout
        self.environment.update(dict(entry.split("=", 1) for entry in found.split("\0") if "=" in entry))

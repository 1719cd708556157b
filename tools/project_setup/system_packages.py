"""Packages of the operating system: installed as root, named with a command otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridmill.engine.errors import SetupError
from gridmill.engine.progress import run, step
from gridmill.operations.places import TOOLKIT as CHECKOUT

POLICY = Path("/usr/sbin/policy-rc.d")
"""Where Debian's packages ask whether they may start their services; status 101 says no."""


def ensure_system_packages() -> None:
    """Install what is missing. SetupError names the packages when this is not possible."""
    packages = missing_packages()
    if not packages:
        return
    command = f"apt-get update && apt-get install --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise SetupError(f"these packages (Debian's names) are missing: {' '.join(packages)}")
    if os.geteuid() != 0:
        raise SetupError(f"packages are missing; install them as root:\n  {command}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with tempfile.TemporaryDirectory(prefix="gridmill-setup-") as directory, services_stay_off():
        log = Path(directory) / "apt.log"
        options = ["-q", "-o", "DPkg::Lock::Timeout=300"]
        with step("package lists"):
            run(["apt-get", *options, "update"], environment=environment, log=log)
        with step(f"system packages: {' '.join(packages)}"):
            install = ["apt-get", *options, "install", "--yes", "--no-install-recommends", *packages]
            run(install, environment=environment, log=log)
    if still := missing_packages():
        raise SetupError(f"installed, and still missing: {' '.join(still)}")


def missing_packages() -> list[str]:
    """Packages that the set-up and the lab need and this machine lacks."""
    missing = {package for module, package in (("ensurepip", "python3-venv"),) if not _importable(module)}
    programs = (("setpriv", "util-linux"), ("age", "age"), ("snmpget", "snmp"))
    missing |= {package for program, package in programs if shutil.which(program) is None}
    lab = subprocess.run(
        [sys.executable, "-m", "gridmill.lab", "check", "--packages"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if lab.returncode != 0:
        raise SetupError(f"the lab cannot say what it needs: {lab.stderr.strip()}")
    return sorted(missing | set(lab.stdout.split()))


def _importable(module: str) -> bool:
    command = [sys.executable, "-c", f"import {module}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def services_stay_off() -> Iterator[None]:
    """While packages get installed, none of their services starts (the lab starts its own proxy)."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\n# made by Gridmill's set-up, removed when it ends\nexit 101\n", encoding="utf-8")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)

"""One run of a playbook, as bundles or by ansible-playbook: its files in memory, arguments, environment, events."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gridmill.operations.errors import OperationError
from gridmill.operations.places import ANSIBLE_CONFIG, LIBRARY, PLAYBOOKS
from gridmill.operations.roles import role_paths
from gridmill.operations.run.plays import write_playbook
from gridmill.operations.run.supervise import supervise

EXECUTOR = "GRIDMILL_EXECUTOR"
"""Environment variable: `bundle` or `ansible`, the way back for an engineer."""


def run_playbook(
    playbook: str | None,
    data: dict[str, Any],
    secrets: dict[str, str],
    *,
    runtime: Path,
    log: Path,
    check: bool,
    name: str,
    lock: int,
    on_event: Callable[[str], None],
    on_idle: Callable[[], None],
) -> int:
    """Run a playbook over a document's hosts, and return its exit status. `runtime` is removed whatever happens.

    Without a playbook the document's roles run: each machine is worked on by itself, so it can be sent a bundle.
    Playbooks have steps that must be done everywhere before the next begins, or act on what they find. `name` is the
    phase's, for what runs on the hosts.
    """
    try:
        inventory = write_inventory(runtime, data, secrets)
        environment = child_environment(runtime)
        if paths := role_paths(data):
            environment["ANSIBLE_ROLES_PATH"] = ":".join(str(path) for path in paths)
        place = PLAYBOOKS / playbook if playbook else write_playbook(runtime, data["roles"])
        if executor() == "bundle" and not playbook:
            command = bundle_command(inventory, place, name, check=check)
            environment["PYTHONPATH"] = str(LIBRARY)
        else:
            command = ansible_command(inventory, place, check=check)
        with log.open("ab") as stream:
            status = supervise(command, environment, stream, on_event, on_idle, keep=(lock,))
        close_connections(runtime)
    finally:
        shutil.rmtree(runtime)
    return status


def runtime_directory(site: Path, scope: str) -> Path:
    """A new, empty directory in memory for what must never reach a disk, readable by this user only.

    Its name follows from site and phase, and the caller holds the phase's lock: what a killed run left is removed.
    OperationError where there is no file system in memory.
    """
    for path in _places(site, scope):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        return path
    raise OperationError("neither XDG_RUNTIME_DIR nor /dev/shm can be written; secrets must not go to a disk")


def forget_runtime(site: Path, scope: str) -> None:
    """Remove what a killed run left in memory; the caller holds the lock of whoever makes it."""
    for path in _places(site, scope):
        shutil.rmtree(path, ignore_errors=True)


def _places(site: Path, scope: str) -> list[Path]:
    """Where such a directory can be made on this machine, the best first."""
    digest = hashlib.sha256(str(site).encode()).hexdigest()[:12]
    bases = (os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm")  # noqa: S108 - the directory below is ours alone
    return [
        Path(base) / f"gridmill-{os.getuid()}-{digest}-{scope}"
        for base in bases
        if base and Path(base).is_dir() and os.access(base, os.W_OK)
    ]


def write_inventory(runtime: Path, data: dict[str, Any], secrets: dict[str, str]) -> Path:
    """Write the document, with the secrets beside it, for the inventory plugin; readable by this user only."""
    inventory = runtime / "gridmill.json"
    for path, content in ((inventory, data), (runtime / "secrets.json", secrets)):
        path.touch(mode=0o600)
        path.write_text(json.dumps(content), encoding="utf-8")
    return inventory


def ansible_command(inventory: Path, playbook: Path, *, check: bool) -> list[str]:
    """Argument list of the playbook run; nothing in it is a secret."""
    ansible = Path(sys.executable).parent / "ansible-playbook"
    mode = ["--check", "--diff"] if check else []
    return [str(ansible), "--inventory", str(inventory), *mode, str(playbook)]


def bundle_command(inventory: Path, playbook: Path, name: str, *, check: bool) -> list[str]:
    """Argument list of the run as bundles; nothing in it is a secret."""
    mode = ["--check"] if check else []
    return [
        sys.executable,
        "-m",
        "gridmill.operations.bundle.run",
        "--name",
        name,
        *mode,
        str(inventory),
        str(playbook),
    ]


def executor(getenv: Callable[[str], str | None] = os.environ.get) -> str:
    """What runs roles: `bundle` or `ansible`. OperationError when the environment names anything else."""
    wanted = getenv(EXECUTOR) or "bundle"
    if wanted not in {"ansible", "bundle"}:
        raise OperationError(f"{EXECUTOR} is {wanted!r}; it can be ansible or bundle")
    return wanted


def child_environment(runtime: Path, getenv: Callable[[str], str | None] = os.environ.get) -> dict[str, str]:
    """The whole environment of Ansible: nothing of Pulumi's, no secrets, one configuration."""
    kept = {name: value for name in ("HOME", "USER", "TZ") if (value := getenv(name)) is not None}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ANSIBLE_CONFIG": str(ANSIBLE_CONFIG),
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "1",
        "ANSIBLE_LOCAL_TEMP": str(runtime / "tmp"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(runtime / "cp"),
    }


def close_connections(runtime: Path) -> None:
    """End the SSH masters that Ansible leaves for re-use; their sockets are about to be removed."""
    sockets = list((runtime / "cp").glob("*")) if (runtime / "cp").is_dir() else []
    children = [
        subprocess.Popen(
            ["ssh", "-F", "/dev/null", "-o", f"ControlPath={socket}", "-O", "exit", "ignored"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for socket in sockets
    ]
    for child in children:
        child.wait()

"""The runner behind the seam: takes a converge document on standard input and has Ansible make it so.

Started by pulumi-command as `python -m operations.converge apply|remove`. Prints one JSON line when all is well;
otherwise exits non-zero and names host, task or check, and log on standard error. Progress goes to standard error.
Secrets come in as environment variables GRIDMILL_SECRET_<NAME>; no child sees them there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from operations.directories import state_directory
from operations.document import ConvergeDocument, read_document
from operations.errors import OperationError
from operations.locks import exclusive
from operations.results import RunResult
from operations.ssh import carried_secrets
from operations.supervise import die_with_parent, supervise

ROOT = Path(__file__).resolve().parent.parent
SECRET_PREFIX = "GRIDMILL_SECRET_"  # noqa: S105 - a prefix, no secret
HOSTS_IN_PROGRESS = 32
"""Up to so many hosts the end of each is told; above, the summary says it."""
KEPT_LOGS = 200
"""Logs kept per site; older ones are removed."""


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when every host is ok, 1 when not, 2 when the run could not start."""
    parser = argparse.ArgumentParser(prog="operations.converge", description=__doc__)
    parser.add_argument("action", choices=("apply", "check", "remove"))
    action = parser.parse_args(arguments).action
    die_with_parent()
    secrets = take_secrets()
    try:
        document = read_document(sys.stdin.read())
        return Run(document, action, secrets).run()
    except OperationError as error:
        print(masked(str(error), secrets), file=sys.stderr)
        return 2


def take_secrets() -> dict[str, str]:
    """Secrets from the environment, which then no longer has them; names in lower case."""
    names = [name for name in os.environ if name.startswith(SECRET_PREFIX)]
    return {name.removeprefix(SECRET_PREFIX).lower(): os.environ.pop(name) for name in names}


def masked(text: str, secrets: dict[str, str]) -> str:
    """The text without any secret's value."""
    for value in sorted(secrets.values(), key=len, reverse=True):
        if value:
            text = text.replace(value, "[secret]")
    return text


class Run:
    """One run of one playbook over one document."""

    def __init__(self, document: ConvergeDocument, action: str, secrets: dict[str, str]) -> None:
        """`action` is apply, check (Ansible's check mode) or remove (the document's decommission playbook)."""
        self.document = document
        self.action = action
        self.secrets = secrets
        self.started = time.monotonic()
        # a decommissioning says itself which hosts it works on; a pod without compute nodes has none
        expected = [] if action == "remove" else document.hosts
        self.result = RunResult.of(document.scope, expected, action)
        self.directory = state_directory() / "sites" / document.site

    def run(self) -> int:
        """Do it; see main() for the status."""
        playbook = self.document.decommission if self.action == "remove" else self.document.playbook
        if playbook is None:
            return 0
        if not self.document.hosts:  # a pod of controllers only: the control phase has them
            print(json.dumps({**self.result.summary(0, ""), "ok": True}))
            return 0
        what = f"{self.document.site}: {self.document.scope}"
        with exclusive(self.directory / f"{self.document.scope}.lock", what) as lock:
            if self.action != "remove":
                self.secrets |= carried_secrets(self.document)
            return self._run(playbook, lock)

    def _run(self, playbook: str, lock: int) -> int:
        log = self._log_path()
        runtime = runtime_directory(self.directory, self.document.scope)
        try:
            inventory = write_inventory(runtime, self.document.data, self.secrets)
            command = ansible_command(inventory, playbook, check=self.action == "check")
            with log.open("wb") as stream:
                environment = child_environment(runtime)
                status = supervise(command, environment, stream, self._event, self._idle, keep=(lock,))
            close_connections(runtime)
        finally:
            shutil.rmtree(runtime)
        seconds = time.monotonic() - self.started
        self._write_report(status, seconds, log)
        nothing_to_remove = self.action == "remove" and not self.result.hosts
        if status == 0 and (self.result.ok or nothing_to_remove):
            name = str(log.relative_to(state_directory()))
            print(masked(json.dumps(self.result.summary(seconds, name)), self.secrets))
            return 0
        print(masked(self.result.complaint(status, str(log)), self.secrets), file=sys.stderr)
        return 1

    def _write_report(self, status: int, seconds: float, log: Path) -> None:
        """Keep the findings per host and check: the newest of each phase and action, written in one step."""
        directory = self.directory / "reports"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = directory / f"{self.document.scope}-{self.action}.json"
        temporary = target.with_suffix(f".{os.getpid()}")
        temporary.touch(mode=0o600)
        report = self.result.report(status, seconds, str(log))
        temporary.write_text(masked(json.dumps(report, indent=1), self.secrets), encoding="utf-8")
        temporary.replace(target)

    def _log_path(self) -> Path:
        directory = self.directory / "logs"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in sorted(directory.glob("*.log"))[:-KEPT_LOGS]:
            old.unlink(missing_ok=True)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = directory / f"{stamp}-{self.document.scope}-{self.action}-{os.getpid()}.log"
        path.touch(mode=0o600)
        return path

    def _event(self, line: str) -> None:
        try:
            event: dict[str, Any] = json.loads(line)
        except ValueError:
            return
        role = self.result.role
        self.result.record(event)
        if self.result.role != role and self.result.role:
            self._say(self.result.role)
        elif event.get("event") in {"failed", "unreachable"}:
            self._say(f"{event['host']} FAILED in {event.get('task', '')}")
        elif event.get("event") == "stats" and len(self.result.hosts) <= HOSTS_IN_PROGRESS:
            self._say(f"{event['host']} done, {event['changed']} changed")

    def _idle(self) -> None:
        self._say(f"{self.result.role}: {self.result.task}" if self.result.task else "starting")

    def _say(self, text: str) -> None:
        line = f"[{time.monotonic() - self.started:5.0f} s] {self.document.scope}: {text}"
        print(masked(line, self.secrets), file=sys.stderr, flush=True)


def runtime_directory(site: Path, scope: str) -> Path:
    """A new, empty directory in memory for what must never reach a disk, readable by this user only.

    Its name follows from site and phase, and the caller holds the phase's lock: what a killed run left is removed.
    OperationError where there is no file system in memory.
    """
    digest = hashlib.sha256(str(site).encode()).hexdigest()[:12]
    for base in (os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm"):  # noqa: S108 - the directory below is ours alone
        if base and Path(base).is_dir() and os.access(base, os.W_OK):
            path = Path(base) / f"gridmill-{os.getuid()}-{digest}-{scope}"
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(mode=0o700)
            return path
    raise OperationError("neither XDG_RUNTIME_DIR nor /dev/shm can be written; secrets must not go to a disk")


def write_inventory(runtime: Path, data: dict[str, Any], secrets: dict[str, str]) -> Path:
    """Write the document, with the secrets beside it, for the inventory plugin; readable by this user only."""
    inventory = runtime / "gridmill.json"
    for path, content in ((inventory, data), (runtime / "secrets.json", secrets)):
        path.touch(mode=0o600)
        path.write_text(json.dumps(content), encoding="utf-8")
    return inventory


def ansible_command(inventory: Path, playbook: str, *, check: bool) -> list[str]:
    """Argument list of the playbook run; nothing in it is a secret."""
    ansible = Path(sys.executable).parent / "ansible-playbook"
    mode = ["--check", "--diff"] if check else []
    return [str(ansible), "--inventory", str(inventory), *mode, str(ROOT / "playbooks" / playbook)]


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
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
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


__all__ = ["Run", "ansible_command", "child_environment", "main", "write_inventory"]

if __name__ == "__main__":
    sys.exit(main())

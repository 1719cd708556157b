"""Backups of a site's controller, from the engineer's machine: made now, listed, fetched, put back.

A generation is made and verified on the controller (role backup). What is fetched stays encrypted here; it
is decrypted on its way back, and the private key never leaves this machine.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridmill.features.backup.plan import BackupPlan
from gridmill.kernel.site_plan import HostPlan, SitePlan
from gridmill.operations.directories import state_directory
from gridmill.operations.document import Connection, plan_connection
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts.ssh import run_as_root, ssh_command

PROGRAM = "/usr/local/lib/gridmill/gridmill_backup.py"
DATABASE, FILES, MANIFEST = "database.sql.gz.age", "files.tar.gz.age", "manifest.json"
LONGEST_S = 6 * 3600
"""Seconds that a backup may take, as its unit says."""
MAKE = """
systemctl start gridmill-backup.service && exit
journalctl --unit gridmill-backup --lines 20 --output cat --no-pager | grep '^backup:' | tail -1 >&2
exit 1
"""
CONSENTS = {
    "keys": "replaces the cluster's keys: machines with other keys must be converged",
    "ledger": "replaces the ledger of what machines were converged to",
    "slurm": "replaces accounting and slurmctld's queue",
}
"""What can be put back, each by its own consent, and what that destroys on the controller."""
PARTS = {"keys": ("keys",), "ledger": ("ledger",), "slurm": ("slurm-state",)}
_GENERATION = re.compile(r"[0-9]{8}T[0-9]{6}Z")


@dataclass(frozen=True)
class Controller:
    """The first controller, and how it is reached."""

    host: HostPlan
    connection: Connection

    def run(self, words: list[str], what: str, *, stdin: str = "", timeout_s: float = 600) -> str:
        """Standard output of a command that is run there as root."""
        return run_as_root(
            self.connection, self.host.name, self.host.address, words, what=what, stdin=stdin, timeout_s=timeout_s
        )

    def command(self, words: list[str]) -> list[str]:
        """The local command that runs `words` there as root, for streams."""
        remote = shlex.join([*(["sudo", "-n"] if self.connection.become else []), *words])
        return ssh_command(self.connection, self.host.address, [remote])


def controller_of(plan: SitePlan) -> Controller:
    """OperationError when the site has no backups."""
    if plan.get(BackupPlan) is None:
        raise OperationError(f"{plan.name} has no `backup` in its definition; see docs/guides/backup-and-restore.md")
    return Controller(plan.with_service("controller")[0], plan_connection(plan))


def make(plan: SitePlan) -> dict[str, Any]:
    """Make a generation now, wait for it, and return its manifest. OperationError names the journal's last words."""
    controller = controller_of(plan)
    controller.run(["sh", "-s"], "backup", stdin=MAKE, timeout_s=LONGEST_S)
    return on_controller(plan)[-1]


def on_controller(plan: SitePlan) -> list[dict[str, Any]]:
    """Manifests of the generations that the controller holds, oldest first."""
    text = controller_of(plan).run(["python3", PROGRAM, "list"], "list of backups")
    try:
        found: list[dict[str, Any]] = json.loads(text)
    except ValueError as error:
        raise OperationError(f"the controller's list of backups cannot be read ({error})") from error
    return found


def _store(plan: SitePlan) -> str:
    """Where the controller keeps them."""
    backup = plan.get(BackupPlan)
    return backup.directory if backup else ""


def here(plan: SitePlan) -> list[dict[str, Any]]:
    """Manifests of the generations that were fetched to this machine, oldest first."""
    found = []
    for path in sorted(_directory(plan).glob(f"[0-9]*Z/{MANIFEST}")):
        found.append({"generation": path.parent.name, **json.loads(path.read_text(encoding="utf-8"))})
    return found


def fetch(plan: SitePlan, manifest: dict[str, Any]) -> Path:
    """Copy a generation, encrypted as it is, to this machine. It gets its name when all of it is here and whole."""
    name = _checked(manifest["generation"])
    target = _directory(plan) / name
    if (target / MANIFEST).exists():
        return target
    controller = controller_of(plan)
    partial = target.with_name(f".{name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    for archive in (DATABASE, FILES):
        with (partial / archive).open("wb") as file:
            command = controller.command(["cat", "--", f"{_store(plan)}/{name}/{archive}"])
            _piped([command], into=file)
    kept = {key: value for key, value in manifest.items() if key != "generation"}
    (partial / MANIFEST).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    check(partial, manifest)
    partial.rename(target)
    return target


def check(place: Path, manifest: dict[str, Any]) -> None:
    """The archives are those of the manifest. OperationError names the one that is not."""
    for name, archive in manifest["archives"].items():
        with (place / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != archive["sha256"]:
            raise OperationError(f"{place / name} is not what the controller wrote; fetch it again")


def chosen(plan: SitePlan, name: str | None) -> tuple[Path, dict[str, Any]]:
    """The named generation of those on this machine, or the newest, verified. OperationError when there is none."""
    found = [one for one in here(plan) if name in (None, one["generation"])]
    if not found:
        raise OperationError(f"{_directory(plan)} holds no generation{f' {name}' if name else ''} of {plan.name}")
    manifest = found[-1]
    if manifest.get("site") != plan.name:
        raise OperationError(f"generation {manifest['generation']} is of site {manifest.get('site')}, not {plan.name}")
    place = _directory(plan) / manifest["generation"]
    check(place, manifest)
    return place, manifest


def restore(plan: SitePlan, place: Path, identity: Path, consents: list[str]) -> str:
    """Put the consented parts of a generation back on the controller; what is there then, for people.

    May be repeated however it ended: Slurm's daemons stay stopped until all of it is back.
    """
    if shutil.which("age") is None:
        raise OperationError("age is not installed on this machine (Debian: apt-get install age)")
    controller = controller_of(plan)
    database = "slurm_acct_db"
    _decrypts(identity, place)
    controller.run(["systemctl", "stop", "slurmctld", "slurmdbd"], "stopping Slurm's daemons")
    parts = [part for consent in consents for part in PARTS[consent]]
    decrypt = ["age", "--decrypt", "--identity", str(identity)]
    _piped([[*decrypt, str(place / FILES)], controller.command(["python3", PROGRAM, "restore-files", *parts])])
    if "slurm" in consents:
        anew = f"DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database}"
        script = f"set -o pipefail; mariadb --no-defaults -e '{anew}' && gunzip | mariadb --no-defaults {database}"
        _piped([[*decrypt, str(place / DATABASE)], controller.command(["bash", "-c", script])])
    return controller.run(["sh", "-s"], "starting Slurm's daemons", stdin=START).strip()


START = """
set -e
systemctl start slurmdbd
for try in $(seq 60); do sacctmgr --noheader show cluster > /dev/null 2>&1 && break; sleep 1; done
systemctl start slurmctld
for try in $(seq 60); do scontrol ping 2> /dev/null | grep -q 'is UP' && break; sleep 1; done
scontrol ping | grep -q 'is UP' || { echo 'slurmctld did not come up; journalctl --unit slurmctld' >&2; exit 1; }
jobs=$(sacct --allusers --noheader --allocations --starttime 1970-01-01 --format=JobID | wc -l)
echo "$jobs jobs accounted, $(squeue --noheader --states=all | wc -l) known to slurmctld"
"""

LOOK = """
jobs=$(sacct --allusers --noheader --allocations --starttime 1970-01-01 --format=JobID 2> /dev/null | wc -l)
queue=$(squeue --noheader 2> /dev/null | wc -l)
pods=$(ls /var/lib/gridmill/ledger/*.json 2> /dev/null | wc -l)
echo "$jobs jobs accounted, $queue queued or running, $pods pods in the ledger"
"""


def on_it(plan: SitePlan) -> str:
    """What the controller holds now, in one line, for the person who is asked for consent."""
    return controller_of(plan).run(["sh", "-s"], "looking at the controller", stdin=LOOK).strip()


def _decrypts(identity: Path, place: Path) -> None:
    """The private key fits and the archives are complete, before anything is changed."""
    for name in (FILES, DATABASE):
        _piped([["age", "--decrypt", "--identity", str(identity), str(place / name)], ["gzip", "--test"]])


def _piped(commands: list[list[str]], into: Any = None) -> None:
    """Run commands, each one's output the next one's input. OperationError with what the first that failed said."""
    processes: list[subprocess.Popen[bytes]] = []
    for number, command in enumerate(commands):
        last = number == len(commands) - 1
        source = processes[-1].stdout if processes else subprocess.DEVNULL
        output = (into or subprocess.DEVNULL) if last else subprocess.PIPE
        processes.append(subprocess.Popen(command, stdin=source, stdout=output, stderr=subprocess.PIPE))
        if processes[:-1] and (former := processes[-2].stdout):
            former.close()
    complaints = [(process.stderr.read() if process.stderr else b"").decode().strip() for process in processes]
    statuses = [process.wait() for process in processes]
    for command, status, complaint in zip(commands, statuses, complaints, strict=True):
        if status:
            reason = (complaint.splitlines() or [f"status {status}"])[0]
            raise OperationError(f"{command[0]}: {reason}")


def _directory(plan: SitePlan) -> Path:
    return state_directory() / "sites" / plan.name / "backups"


def _checked(name: object) -> str:
    if not isinstance(name, str) or not _GENERATION.fullmatch(name):
        raise OperationError(f"{name!r} is not the name of a generation")
    return name

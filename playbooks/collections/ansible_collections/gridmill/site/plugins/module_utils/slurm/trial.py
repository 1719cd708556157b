"""A Slurm configuration tried by a real slurmctld in namespaces of its own, of which nothing stays behind."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.gridmill.site.plugins.module_utils.slurm.config import (
    TRIAL_ADDRESS,
    TRIED,
    complaints,
    settings,
    trial,
    trial_hosts,
)
from ansible_collections.gridmill.site.plugins.module_utils.system.locks import RUNTIME, alone

SLURMCTLD = "/usr/sbin/slurmctld"
TIMEOUT_S = 60.0
KEY_BYTES = 64
INSIDE = "/tmp"  # noqa: S108 - where the trial, and only it, sees its directory
# Whoever starts the namespaces dies with this process, and everything in them with whoever started them. --kill-child
# is lost when the user changes, so setpriv asks for it again.
NAMESPACES = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc"]
ENTER = (
    "mount --bind {place} {inside} && mount -t tmpfs tmpfs /run && mount --bind {inside}/hosts /etc/hosts"
    " && ip link set lo up && ip address add {address}/32 dev lo"
    " && exec setpriv --reuid={user} --regid={user} --init-groups --pdeathsig KILL"
    " {slurmctld} -D -c -f {inside}/slurm.conf"
)


@contextmanager
def trial_directory(uid: int, gid: int, runtime: Path = RUNTIME) -> Iterator[Path]:
    """A directory in memory below one that only root enters, for one trial at a time; what a killed one left goes."""
    place = runtime / "slurm-trial"
    with alone(runtime / "slurm-trial.lock", seconds=2 * TIMEOUT_S):
        if place.exists():
            shutil.rmtree(place)
        place.mkdir(mode=0o700)
        os.chown(place, uid, gid)
        try:
            yield place
        finally:
            shutil.rmtree(place)


def fill(place: Path, files: dict[str, str], uid: int, gid: int) -> None:
    """Write what the trial reads, with a key of its own that is private from its first moment."""
    hosts = trial_hosts(files["slurm.conf"], socket.gethostname())
    texts = {**files, "hosts": hosts, "slurm.conf": trial(files["slurm.conf"], f"{INSIDE}/state")}
    for name, text in texts.items():
        (place / name).write_text(text, encoding="utf-8")
    (place / "state").mkdir(mode=0o700)
    with os.fdopen(os.open(place / "slurm.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(os.urandom(KEY_BYTES))
    for path in (place / "state", place / "slurm.key"):
        os.chown(path, uid, gid)


def try_out(files: dict[str, str]) -> list[str]:
    """Start a slurmctld on the configuration, apart from everything real; why it refused, or nothing."""
    user = settings(files["slurm.conf"]).get("slurmuser", ["root"])[0]
    owner = pwd.getpwnam(user)
    with trial_directory(owner.pw_uid, owner.pw_gid) as place:
        fill(place, files, owner.pw_uid, owner.pw_gid)
        return _watch(ENTER.format(place=place, inside=INSIDE, address=TRIAL_ADDRESS, user=user, slurmctld=SLURMCTLD))


def _watch(script: str) -> list[str]:
    lines: list[str] = []
    with subprocess.Popen(
        [*NAMESPACES, "--kill-child", "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        timer = threading.Timer(TIMEOUT_S, process.kill)
        timer.start()
        try:
            for line in process.stderr or []:
                lines.append(line)
                if TRIED in line:
                    return []
        finally:
            timer.cancel()
            process.kill()
    return complaints(lines) or [f"slurmctld said nothing within {TIMEOUT_S:g} s"]

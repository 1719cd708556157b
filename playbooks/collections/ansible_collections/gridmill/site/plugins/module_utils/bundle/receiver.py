"""Takes a bundle on a machine, starts what runs it, and hands on what that says. Its text comes with each connection.

The runner lives in a unit of its own, so it goes on when the connection is lost; whoever connects again follows on.
What may be a secret stays in memory (/run); on the disk there is only code, which is the same for all machines.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import IO, Any

SCHEMA = "gridmill.bundle/v1"
NAMESPACE = "gridmill-bundle"
SYSTEMD = Path("/run/systemd/system")
START_S = 15.0
"""Within so long a runner must have begun."""
STOP_S = 900.0
"""So long one from before may take to end the task that it is at."""
ACKNOWLEDGE_S = 10.0
FORGOTTEN_S = 2 * 86400.0
POLL_S = 0.02
SLOWEST_POLL_S = 0.3
KEPT_CODE = 4
IN_USE_S = 86400.0
"""Code that was used within so long may be running, for another phase or a preview, and is never removed."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}\Z")
DIGEST = re.compile(r"[0-9a-f]{64}\Z")
KEY_TYPE = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+\Z")
RUNNER = (
    "import sys; sys.path[:0] = sys.argv[2:]; "
    "from ansible_collections.gridmill.site.plugins.module_utils.bundle.runner import main; main(sys.argv[1])"
)


class RefusedError(Exception):
    """This machine does not do what it is told."""


class Receiver:
    """One connection."""

    def __init__(self, request: dict[str, Any], source: IO[bytes], out: IO[bytes]) -> None:
        self.request = request
        self.source = source
        self.out = out
        if not NAME.match(request["name"]) or not NAME.match(request["run"]):
            raise RefusedError("invalid name")
        self.state = Path(request["state"])
        self.place = Path(request["runtime"]) / "bundle" / request["name"]
        self.unit = f"gridmill-{request['name']}"

    def answer(self) -> None:
        """Do what was asked, and hand on events."""
        if self.request["action"] == "run":
            self.receive()
        self.follow(self.request.get("offset", 0))

    def say(self, data: dict[str, Any]) -> None:
        """One line to the other side."""
        self.out.write(json.dumps(data).encode() + b"\n")
        self.out.flush()

    def receive(self) -> None:
        """Take manifest and objects, check them, and start the runner."""
        text = self.request["manifest"].encode()
        verify(text, self.request["signature"], login(), self.place.parent)
        manifest = json.loads(text)
        if (manifest["schema"], manifest["name"], manifest["run"]) != (
            SCHEMA,
            self.request["name"],
            self.request["run"],
        ):
            raise RefusedError("the signed bundle is another one than was asked for")
        self.fenced(manifest["token"])
        with (self.place.parent / f"{self.request['name']}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.end_other()
            self.fenced(manifest["token"])
            self.take(manifest, text)

    def take(self, manifest: dict[str, Any], text: bytes) -> None:
        """Objects that are not here yet; then the start."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(mode=0o700, parents=True)
        (self.place / "contents").mkdir()
        code = {digest: self.code(digest) for digest in manifest["code"]}
        missing = [digest for digest, path in code.items() if path is None]
        self.say({"event": "missing", "objects": missing})
        contents = {digest: self.place / "contents" / digest for digest in manifest["contents"]}
        while (head := json.loads(self.source.readline())).get("object"):
            digest, content = head["object"], self.source.read(head["bytes"])
            if hashlib.sha256(content).hexdigest() != digest:
                raise RefusedError(f"object {digest[:12]} is not what was signed")
            if digest in missing:
                code[digest] = self.keep_code(digest, content)
            elif digest in contents:
                write_private(contents[digest], content)
        absent = [digest[:12] for digest, path in {**contents, **code}.items() if path is None or not path.exists()]
        if absent:
            raise RefusedError(f"objects are missing: {', '.join(absent)}")
        write_private(self.place / "manifest.json", text)
        self.start([str(code[digest]) for digest in manifest["code"]])

    def fenced(self, token: int) -> None:
        """Refuse a run that has lost the site, before it ends what a later one does here."""
        path = self.state / "fence"
        seen = int((path.read_text(encoding="ascii").strip() if path.exists() else "") or 0)
        if token and seen > token:
            raise RefusedError(f"run {token} has lost the site: run {seen} has worked here since; start it anew")

    def code(self, digest: str) -> Path | None:
        """Code that is here already, undamaged; unpacked in memory, where Python also keeps what it compiles of it."""
        if not DIGEST.match(digest):
            raise RefusedError("invalid digest")
        kept = self.state / "bundle" / f"{digest}.zip"
        if not kept.exists() or hashlib.sha256(content := kept.read_bytes()).hexdigest() != digest:
            return None
        os.utime(kept)
        place = Path(self.request["runtime"]) / "code" / digest
        if not place.exists():
            new = place.with_name(f"{digest}.{os.getpid()}")
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.extractall(new)
            new.replace(place)
        return place

    def keep_code(self, digest: str, content: bytes) -> Path | None:
        """Keep code for later runs too; of what is not in use, the oldest is forgotten."""
        directory = self.state / "bundle"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = directory / f"{digest}.{os.getpid()}"
        write_private(new, content)
        new.replace(directory / f"{digest}.zip")
        used = {path: path.stat().st_mtime for path in directory.glob("*.zip")}
        for old in sorted(used, key=lambda path: used[path])[:-KEPT_CODE]:
            if used[old] < time.time() - IN_USE_S:
                old.unlink(missing_ok=True)
                shutil.rmtree(Path(self.request["runtime"]) / "code" / old.stem, ignore_errors=True)
        return self.code(digest)

    def end_other(self) -> None:
        """Have a runner of this phase that is left from another run end its task, and wait until it has."""
        until = time.monotonic() + STOP_S
        told = False
        while self.running():
            if not told:
                self.say({"event": "waiting", "message": "an earlier run is still at a task here; it ends after that"})
                self.stop()
                told = True
            if time.monotonic() > until:
                raise RefusedError(f"what an earlier run began has not ended within {STOP_S:g} s")
            time.sleep(POLL_S * 5)

    def running(self) -> bool:
        """Whether a runner holds its lock."""
        try:
            with (self.place / "lock").open("r+b") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def stop(self) -> None:
        """Ask the runner to end after the task that it is at."""
        try:
            os.kill(int((self.place / "lock").read_text(encoding="ascii")), 15)
        except (OSError, ValueError):
            return

    def start(self, code: list[str]) -> None:
        """Start the runner: in a unit where systemd runs, else in a session of its own."""
        command = ["/usr/bin/python3", "-I", "-S", "-c", RUNNER, str(self.place), *code[::-1]]
        errors = self.place / "errors"
        write_private(errors, b"")
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        if SYSTEMD.is_dir():
            command = [
                "systemd-run", "--quiet", "--collect", f"--unit={self.unit}", "--description=Gridmill's work",
                "--property=KillMode=mixed", f"--property=TimeoutStopSec={STOP_S:g}",
                f"--property=StandardError=append:{errors}", "--property=StandardOutput=null",
                *(f"--setenv={name}={value}" for name, value in environment.items()), "--", *command,
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RefusedError(f"systemd-run: {done.stderr.strip()}")
            return
        with errors.open("ab") as stream:
            subprocess.run(
                ["setsid", "--fork", *command], env=environment, check=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stream,
            )  # fmt: skip

    def follow(self, offset: int) -> None:
        """Hand on events from `offset` on, until the end; then wait until that was heard, and clean up."""
        events, rest, pause, begun = self.place / "events", b"", POLL_S, time.monotonic()
        self.say({"event": "started"})
        while True:
            quiet = not self.running() and (offset > 0 or time.monotonic() > begun + START_S)
            data = read_from(events, offset)
            offset += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self.out.write(line + b"\n")
            self.out.flush()
            if lines and json.loads(lines[-1]).get("event") == "end":
                break
            if quiet and not data:
                self.say({"event": "end", "lost": True, "message": self.complaint()})
                break
            pause = POLL_S if data else min(pause * 1.5, SLOWEST_POLL_S)
            heard = self.heard(pause)
            if heard == b"":
                return  # nobody listens any more; the runner goes on
            if heard == b"stop\n":
                self.stop()
        if self.heard(ACKNOWLEDGE_S) == b"done\n":
            shutil.rmtree(self.place, ignore_errors=True)
            self.forget_old()

    def forget_old(self) -> None:
        """Remove what runs left that were killed, and that nobody came back for."""
        for left in self.place.parent.iterdir():
            if left.stat().st_mtime < time.time() - FORGOTTEN_S:
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)

    def heard(self, seconds: float) -> bytes | None:
        """What the other side says within so long: None for nothing yet, nothing for good when it has gone."""
        if not select.select([self.source], [], [], seconds)[0]:
            return None
        return self.source.readline()

    def complaint(self) -> str:
        """Why there is no runner."""
        try:
            lines = (self.place / "errors").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return "nothing is known here of this run"
        return f"what ran the tasks has ended{': ' + lines[-1] if lines else ''}"


def read_from(path: Path, offset: int) -> bytes:
    """The rest of a file; nothing while there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            return stream.read()
    except FileNotFoundError:
        return b""


def write_private(path: Path, content: bytes) -> None:
    """A file that only root reads, from its first moment on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)


def login() -> str:
    """The account that logged in."""
    return os.environ.get("SUDO_USER") or "root"


def verify(text: bytes, signature: str, user: str, place: Path) -> None:
    """RefusedError unless a key that may log in as `user` signed this text."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    allowed, signed = place / f"signers.{os.getpid()}", place / f"signature.{os.getpid()}"
    try:
        write_private(allowed, "".join(f"gridmill {key}\n" for key in keys_of(user)).encode())
        write_private(signed, signature.encode())
        command = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", "gridmill", "-n", NAMESPACE]
        done = subprocess.run([*command, "-s", str(signed)], input=text, capture_output=True, check=False)
    finally:
        allowed.unlink(missing_ok=True)
        signed.unlink(missing_ok=True)
    if done.returncode:
        raise RefusedError(f"not signed by a key that may log in as {user} (GRIDMILL_EXECUTOR=ansible needs none)")


def keys_of(user: str) -> list[str]:
    """Public keys that may log in as `user` without further conditions, where sshd looks for them."""
    home = Path(f"~{user}").expanduser()
    asked = ["/usr/sbin/sshd", "-T", "-C", f"user={user},host=localhost,addr=127.0.0.1"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    except OSError:
        answer = ""
    files = next((line.split()[1:] for line in answer.splitlines() if line.startswith("authorizedkeysfile ")), None)
    keys = []
    for name in files or [".ssh/authorized_keys"]:
        path = home / name.replace("%u", user).replace("%h", str(home)).replace("%%", "%")
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            words = line.split()
            if len(words) > 1 and KEY_TYPE.match(words[0]):
                keys.append(f"{words[0]} {words[1]}")
    return keys


def main() -> None:
    """One connection: the request, then whatever it brings."""
    os.umask(0o077)
    source, out = sys.stdin.buffer, sys.stdout.buffer
    try:
        Receiver(json.loads(source.readline()), source, out).answer()
    except RefusedError as error:
        out.write(json.dumps({"event": "end", "refused": True, "message": str(error)}).encode() + b"\n")
        out.flush()


if __name__ == "__main__":
    main()

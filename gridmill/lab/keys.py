"""Keys made at racking: the site's SSH key, a host key per machine, known_hosts, and the key of the packages."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from gridmill.lab.errors import LabError
from gridmill.lab.processes import run

PRIVATE = 0o600
_SIGNER = "Gridmill lab packages (simulated site)"


def ensure_ssh_key(path: Path, *, comment: str) -> str:
    """Make an ed25519 key unless it exists; the public key as one line."""
    public = path.with_name(f"{path.name}.pub")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        public.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    if not public.exists():
        public.write_text(run(["ssh-keygen", "-y", "-f", str(path)]))
    return public.read_text().strip()


def check_inside(path: Path, directory: Path, what: str) -> None:
    """LabError unless a file that the lab writes lies in the lab's own directory."""
    if not path.resolve().is_relative_to(directory.resolve()):
        raise LabError(
            f"{what} {path} lies outside of {directory}",
            "the lab makes its keys in its own directory only; change the paths under `access` of the site",
        )


def known_hosts(entries: Sequence[tuple[tuple[str, ...], str]]) -> str:
    """Text of a known_hosts file from (names and addresses, public host key) per machine."""
    lines = []
    for names, public_key in entries:
        kind, key = public_key.split()[:2]
        lines.append(f"{','.join(names)} {kind} {key}\n")
    return "".join(lines)


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new text, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text)
    temporary.replace(path)


def ensure_signing_key(path: Path) -> None:
    """Make the secret key that signs the site's packages, unless it exists."""
    if path.exists():
        return
    with tempfile.TemporaryDirectory(prefix="gm-gpg-") as home:
        try:
            _gpg(home, "--quick-generate-key", _SIGNER, "ed25519", "sign", "never")
            secret = _gpg(home, "--armor", "--export-secret-keys")
        finally:
            _end_agent(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.touch(mode=PRIVATE)
    temporary.write_text(secret)
    temporary.replace(path)


def sign_release(release: Path, *, key: Path) -> str:
    """Write InRelease beside a Release file; the public key (armored) that verifies it."""
    with tempfile.TemporaryDirectory(prefix="gm-gpg-") as home:
        try:
            _gpg(home, "--import", str(key))
            target = release.with_name("InRelease")
            temporary = release.with_name(".InRelease.new")
            _gpg(home, "--yes", "--output", str(temporary), "--clearsign", str(release))
            temporary.replace(target)
            return _gpg(home, "--armor", "--export")
        finally:
            _end_agent(home)


def _gpg(home: str, *arguments: str) -> str:
    return run(["gpg", "--homedir", home, "--batch", "--quiet", "--no-tty", "--passphrase", "", *arguments])


def _end_agent(home: str) -> None:
    run(["gpgconf", "--homedir", home, "--kill", "all"])

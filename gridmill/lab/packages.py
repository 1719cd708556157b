"""The site's own package repository: the simulated GPU library as a .deb, signed by a key made at racking."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from gridmill.lab.keys import ensure_signing_key, sign_release, write_atomically
from gridmill.lab.layout import SitePaths, lab_cache
from gridmill.lab.locks import locked_for_making
from gridmill.lab.mounts import remove_tree
from gridmill.lab.processes import run
from gridmill.lab.progress import Progress

ORIGIN = "gridmill-lab"
INSIDE = "/srv/gridmill-lab/packages"
KEYRING = "/etc/apt/keyrings/gridmill-lab.asc"
SOURCES = f"Types: deb\nURIs: copy:{INSIDE}\nSuites: ./\nSigned-By: {KEYRING}\n"
PREFERENCES = (
    "# The lab's GPUs are simulated: its own provider of libnvidia-ml1 comes before, and instead of, the real one.\n"
    f"Package: *\nPin: release o={ORIGIN}\nPin-Priority: 1001\n\n"
    "Package: libnvidia-ml1\nPin: release o=Debian\nPin-Priority: -1\n"
)
_TEMPORARY = "temporary-packages-"
_NVML = Path(__file__).parent / "nvml"


def _digest(directory: Path) -> str:
    summary = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        summary.update(str(path.relative_to(directory)).encode() + b"\0" + path.read_bytes() + b"\0")
    return summary.hexdigest()[:12]


def build(progress: Progress, source: Path = _NVML) -> list[Path]:
    """Build the lab's own packages (cached by a digest of their sources); empty when there is nothing to build."""
    script = source / "build.sh"
    if not script.exists():
        return []
    cache = lab_cache()
    ready = cache / f"packages-{_digest(source)}"
    if not ready.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with locked_for_making(cache / "packages.lock", "packages", progress) as lock:
            for left_over in cache.glob(f"{_TEMPORARY}*"):
                remove_tree(left_over)
            if not ready.is_dir():
                temporary = cache / f"{_TEMPORARY}{ready.name}"
                temporary.mkdir()
                run(["sh", str(script), str(temporary)], hold=lock)
                temporary.rename(ready)
                progress.line("packages", "simulated NVML library built")
    return sorted(ready.glob("*.deb"))


def publish(paths: SitePaths, packages: list[Path]) -> str:
    """Bring the signed repository up to date; a digest of its contents."""
    ensure_signing_key(paths.signing_key)
    repository = paths.packages
    repository.mkdir(parents=True, exist_ok=True)
    wanted = {package.name: package for package in packages}
    contents = hashlib.sha256(paths.signing_key.read_bytes())
    for name, package in sorted(wanted.items()):
        contents.update(name.encode() + b"\0" + package.read_bytes())
    digest = contents.hexdigest()[:12]
    marker = paths.state / "packages.digest"
    if marker.exists() and marker.read_text() == digest and (repository / "InRelease").exists():
        return digest
    for old in repository.glob("*.deb"):
        if old.name not in wanted:
            old.unlink()
    for name, package in wanted.items():
        shutil.copyfile(package, repository / name)
    index = run(["apt-ftparchive", "packages", str(repository)])
    write_atomically(repository / "Packages", index.replace(f"Filename: {repository}/", "Filename: ./"))
    release = ["Origin", "Label"]
    options = [f"-oAPT::FTPArchive::Release::{field}={ORIGIN}" for field in release]
    (repository / "Release").unlink(missing_ok=True)
    (repository / "InRelease").unlink(missing_ok=True)
    write_atomically(repository / "Release", run(["apt-ftparchive", *options, "release", str(repository)]))
    write_atomically(paths.state / "packages.asc", sign_release(repository / "Release", key=paths.signing_key))
    write_atomically(marker, digest)
    return digest


def public_key(paths: SitePaths) -> str:
    """The armored public key that machines verify the repository with."""
    return (paths.state / "packages.asc").read_text()

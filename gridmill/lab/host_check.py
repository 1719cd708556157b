"""What this host must have for the lab; everything that is missing is named at once."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gridmill.lab.errors import LabError
from gridmill.lab.layout import lab_cache, lab_state

_PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "squid": "squid",
    "gpg": "gnupg",
    "gpgconf": "gnupg",
    "gcc": "gcc",
    "dpkg-deb": "dpkg",
    "apt-ftparchive": "apt-utils",
    "apt-config": "apt",
    "ip": "iproute2",
    "mount": "mount",
    "unshare": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
}
_FILES = {
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "/usr/include/stdlib.h": "libc6-dev",
}
_DISK_GIB = 8
_MEMORY_GIB = 3
_GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that the host lacks; `package` installs it when that is the remedy."""

    message: str
    package: str | None = None


def find_missing() -> list[Finding]:
    """Everything that this host lacks."""
    path = _search_path()
    found = [
        Finding(f"program {program} is missing", package)
        for program, package in _PROGRAMS.items()
        if shutil.which(program, path=path) is None
    ]
    found += [Finding(f"{file} is missing", package) for file, package in _FILES.items() if not Path(file).exists()]
    if os.geteuid() != 0:
        found.append(Finding("the lab makes mounts, a bridge and machines: run it as root (sudo)"))
        return found
    return [*found, *_kernel(), *_resources()]


def _search_path() -> str:
    """PATH with the directories of administration, which a user's may lack."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def missing_packages() -> list[str]:
    """System packages that provide what this host lacks; libc's headers are looked for as a file."""
    programs = {package for program, package in _PROGRAMS.items() if shutil.which(program, path=_search_path()) is None}
    files = {package for file, package in _FILES.items() if not Path(file).exists()}
    return sorted(programs | files)


def _kernel() -> list[Finding]:
    found = []
    filesystems = Path("/proc/filesystems").read_text().split()
    for feature in ("overlay", "fuse"):
        if feature not in filesystems and not _loadable(feature):
            found.append(Finding(f"the kernel has no {feature} file system"))
    for feature in ("bridge", "veth"):
        if not (_built_in(feature) or _loadable(feature)):
            found.append(Finding(f"the kernel has no {feature} interfaces"))
    if not Path("/dev/fuse").exists():
        found.append(Finding("/dev/fuse does not exist (modprobe fuse)"))
    devices = Path("/proc/devices").read_text().splitlines()
    if any(line.split()[:1] == ["195"] for line in devices):
        found.append(
            Finding("this host runs a real NVIDIA driver: the numbers of simulated GPU devices would be real GPUs")
        )
    return found


def _built_in(feature: str) -> bool:
    if Path(f"/sys/module/{feature}").exists():
        return True
    probe = f"gmprobe{os.getpid() % 10000}"
    if not _succeeds(["ip", "link", "add", probe, "type", feature]):
        return False
    return _succeeds(["ip", "link", "delete", probe])


def _loadable(feature: str) -> bool:
    return _succeeds(["modprobe", "--quiet", feature])


def _succeeds(arguments: list[str]) -> bool:
    if shutil.which(arguments[0]) is None:
        return False
    return subprocess.run(arguments, capture_output=True, check=False).returncode == 0


def _resources() -> list[Finding]:
    found = []
    for directory in (lab_cache(), lab_state()):
        existing = next(path for path in (directory, *directory.parents) if path.exists())
        free = shutil.disk_usage(existing).free / _GIB
        if free < _DISK_GIB:
            found.append(Finding(f"{directory}: {free:.1f} GiB free, the lab wants {_DISK_GIB} GiB"))
        if os.statvfs(existing).f_flag & os.ST_NODEV:
            found.append(Finding(f"{directory} lies on a file system mounted nodev: no device nodes can be used there"))
    values = dict(line.split()[:2] for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(values["MemAvailable:"]) * 1024 / _GIB
    if available < _MEMORY_GIB:
        found.append(Finding(f"{available:.1f} GiB of memory available, the lab wants {_MEMORY_GIB} GiB"))
    return found


def install_command(findings: list[Finding]) -> str | None:
    """The command that installs what packages can provide; None when there is nothing of that kind."""
    packages = sorted({finding.package for finding in findings if finding.package})
    return f"apt-get install --no-install-recommends {' '.join(packages)}" if packages else None


def require(findings: list[Finding]) -> None:
    """LabError that lists all findings, unless there is none."""
    if not findings:
        return
    listed = "".join(f"\n  - {finding.message}" for finding in findings)
    command = install_command(findings)
    raise LabError(
        f"this host can't run the lab yet:{listed}", f"install what is missing: {command}" if command else ""
    )

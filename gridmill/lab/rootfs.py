"""The root file system that all machines share: a bare Debian, which meets the requirements of a machine."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path

from gridmill.lab.layout import lab_cache
from gridmill.lab.locks import locked_for_making
from gridmill.lab.mirrors import SUITE, AptSettings, Mirrors
from gridmill.lab.mounts import discard
from gridmill.lab.processes import run
from gridmill.lab.progress import Progress

PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "python3",
    "sudo",
    "iproute2",
    "iputils-ping",
    "linux-sysctl-defaults",
    "ca-certificates",
    "debian-archive-keyring",
)
MASKED_UNITS = (
    # a container has no consoles and no devices of its own
    "console-getty.service",
    "getty@.service",
    "serial-getty@.service",
    "systemd-udevd.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    # what runs on a clock would disturb measurements
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "fstrim.timer",
    "e2scrub_all.timer",
    "man-db.timer",
)
FILES = {
    "etc/dpkg/dpkg.cfg.d/gridmill-lab": (
        "# a machine of the lab can be made again, so speed comes before safety\n"
        "force-unsafe-io\n"
        "path-exclude=/usr/share/doc/*\n"
        "path-include=/usr/share/doc/*/copyright\n"
        "path-exclude=/usr/share/man/*\n"
        "path-exclude=/usr/share/locale/*\n"
        "path-exclude=/usr/share/info/*\n"
        "path-exclude=/usr/share/lintian/*\n"
    ),
    "etc/systemd/journald.conf.d/gridmill-lab.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=24M\n",
    "etc/ssh/sshd_config.d/10-entry.conf": (
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin no\n"
        "HostKey /etc/ssh/ssh_host_ed25519_key\n"
    ),
    "etc/default/locale": "LANG=C.UTF-8\n",
}
_TEMPORARY = "temporary-"


def recipe(mirrors: Mirrors, settings: AptSettings, user: str) -> dict[str, object]:
    """Everything that the root file system follows from; its digest names the cached copy."""
    return {
        "version": 1,
        "suite": SUITE,
        "sources": mirrors.sources(),
        "packages": PACKAGES,
        "masked": MASKED_UNITS,
        "files": FILES,
        "user": user,
        "apt": _apt_configuration(settings),
    }


def digest(made_from: dict[str, object]) -> str:
    """Short digest of a recipe."""
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:12]


def _apt_configuration(settings: AptSettings) -> str:
    lines = ['Acquire::Languages "none";']
    lines += [] if settings.check_valid_until else ['Acquire::Check-Valid-Until "false";']
    lines += [] if settings.check_date else ['Acquire::Check-Date "false";']
    return "".join(f"{line}\n" for line in lines)


def customize_script(mirrors: Mirrors, settings: AptSettings, user: str) -> str:
    """Shell script that turns the bootstrapped tree (its `$1`) into a bare machine."""
    masked = " ".join(MASKED_UNITS)
    lines = [
        "set -eu",
        'root="$1"',
        'inside() { chroot "$root" "$@"; }',
        f"inside useradd --create-home --shell /bin/bash --uid 1000 {shlex.quote(user)}",
        f"inside systemctl mask {masked} >/dev/null 2>&1",
        "inside systemctl enable ssh.service systemd-networkd.service >/dev/null 2>&1",
        'rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*',
        'touch "$root/etc/.updated" "$root/var/.updated"',  # spares each machine the work of a first boot
        'rm -f "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/hostname "$root"/etc/resolv.conf',
        f"printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\\n' {shlex.quote(user)} > \"$root/etc/sudoers.d/{user}\"",
        f'chmod 0440 "$root/etc/sudoers.d/{user}"',
    ]
    files = {
        **FILES,
        "etc/apt/sources.list.d/debian.sources": mirrors.sources(),
        "etc/apt/apt.conf.d/20gridmill-lab": _apt_configuration(settings),
    }
    for path, text in files.items():
        lines += [
            f'mkdir -p "$root/{Path(path).parent}"',
            f"printf '%s' {shlex.quote(text)} > \"$root/{path}\"",
        ]
    return "\n".join(lines) + "\n"


def ensure_rootfs(mirrors: Mirrors, settings: AptSettings, *, user: str, proxy: str | None, progress: Progress) -> Path:
    """The cached root file system, made first when this recipe has none yet; its directory."""
    name = f"rootfs-{digest(recipe(mirrors, settings, user))}"
    cache = lab_cache()
    cache.mkdir(parents=True, exist_ok=True)
    ready = cache / name
    if ready.is_dir():
        return ready
    with locked_for_making(cache / "rootfs.lock", "root file system", progress) as lock:
        if ready.is_dir():
            return ready
        for left_over in cache.glob(f"{_TEMPORARY}rootfs-*"):
            discard(left_over)
        progress.line("root file system", f"making {name} (Debian {SUITE}, once)")
        temporary = cache / f"{_TEMPORARY}{name}"
        run(bootstrap_arguments(mirrors, settings, user=user, target=temporary, proxy=proxy), hold=lock)
        run(["sync", "--file-system", str(temporary)])
        temporary.rename(ready)
    progress.line("root file system", f"{name} is ready")
    return ready


def bootstrap_arguments(
    mirrors: Mirrors, settings: AptSettings, *, user: str, target: Path, proxy: str | None
) -> list[str]:
    """Command line of mmdebstrap."""
    options = [line for line in _apt_configuration(settings).splitlines() if line]
    if proxy:
        options += [f'Acquire::http::Proxy "{proxy}";', f'Acquire::https::Proxy "{proxy}";']
    return [
        # a name space of its own, so that even a killed bootstrap leaves no mounts on the host
        *["unshare", "--mount", "--propagation", "private", "--"],
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        "--format=directory",
        "--skip=cleanup/apt/lists",  # the machines start with warm lists
        f"--include={','.join(PACKAGES)}",
        *[f"--aptopt={option}" for option in options],
        *[f"--dpkgopt={line}" for line in FILES["etc/dpkg/dpkg.cfg.d/gridmill-lab"].splitlines()[1:]],
        f"--customize-hook={customize_script(mirrors, settings, user)}",
        SUITE,
        str(target),
        *mirrors.one_line_sources(),
    ]

"""What is written into a bare machine when it is racked: its name, address, keys, and where packages come from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gridmill.lab import packages
from gridmill.lab.keys import PRIVATE, ensure_ssh_key
from gridmill.lab.machine import Machine, install_file, mac_of, new_machine_id, serial_of
from gridmill.lab.rack import RackedGpus, RackedHost

_BOOTSTRAP_UID = 1000
_DIRECTORY_PRIVATE = 0o700


@dataclass(frozen=True)
class RackingSite:
    """What all machines of a site have in common."""

    name: str
    prefix_length: int
    prefix_length6: int
    bridge_address: str
    user: str
    authorized_key: str
    packages_key: str
    proxy_url: str


def rack_machine(machine: Machine, host: RackedHost, site: RackingSite, rootfs: Path) -> None:
    """Make a machine from nothing, ready to boot."""
    machine.wipe_unfinished()
    machine.paths.base.mkdir(parents=True)
    machine.mount(rootfs)
    public_key = ensure_ssh_key(machine.paths.base / "ssh_host_ed25519_key", comment=host.fqdn)
    root = machine.paths.root
    for path, text in files(host, site).items():
        install_file(root, path, text)
    install_file(root, "etc/machine-id", f"{new_machine_id()}\n", mode=0o444)
    install_file(root, "etc/ssh/ssh_host_ed25519_key.pub", f"{public_key}\n")
    secret = (machine.paths.base / "ssh_host_ed25519_key").read_text()
    install_file(root, "etc/ssh/ssh_host_ed25519_key", secret, mode=PRIVATE)
    directory = root / "home" / site.user / ".ssh"
    install_file(
        root,
        f"home/{site.user}/.ssh/authorized_keys",
        f"{site.authorized_key}\n",
        mode=PRIVATE,
        owner=_BOOTSTRAP_UID,
    )
    directory.chmod(_DIRECTORY_PRIVATE)
    owner = (root / "home" / site.user).stat()
    os.chown(directory, owner.st_uid, owner.st_gid)
    machine.make_devices(host.gpus.count if host.gpus else 0)
    machine.complete_racking(rootfs, host)


def refresh_description(machine: Machine, host: RackedHost, site: str) -> bool:
    """Bring the description of a standing machine's hardware up to date; True when it changed."""
    changed = False
    for path, text in description(host, site).items():
        current = machine.paths.root / path
        if not current.exists() or current.read_text() != text:
            install_file(machine.paths.root, path, text)
            changed = True
    return changed


def description(host: RackedHost, site: str) -> dict[str, str]:
    """Files that stand for what a real machine's firmware and devices would tell."""
    contents = {"etc/gridmill-lab/serial": f"{serial_of(host)}\n"}
    if host.gpus:
        contents["etc/gridmill-lab/gpus.conf"] = gpus_configuration(host, host.gpus, site)
    return contents


def files(host: RackedHost, site: RackingSite) -> dict[str, str]:
    """Files of a bare machine, by path below its root."""
    return {
        "etc/hostname": f"{host.name}\n",
        "etc/hosts": (
            f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{host.address} {host.fqdn} {host.name}\n"
        ),
        "etc/resolv.conf": "# no name servers yet\n",
        "etc/systemd/network/10-host0.network": (
            f"[Match]\nName=host0\n\n"
            f"[Link]\nMACAddress={mac_of(host, site.name)}\n\n"
            f"[Network]\nAddress={host.address}/{site.prefix_length}\n"
            + (f"Address={host.address6}/{site.prefix_length6}\n" if host.address6 else "")
            + "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        ),
        # the lab asks for the SSH greeting to see whether a machine is up; that is not an attack
        "etc/ssh/sshd_config.d/20-lab.conf": f"PerSourcePenaltyExemptList {site.bridge_address}\n",
        "etc/apt/apt.conf.d/90gridmill-lab-proxy": (
            f'Acquire::http::Proxy "{site.proxy_url}";\nAcquire::https::Proxy "{site.proxy_url}";\n'
        ),
        "etc/apt/sources.list.d/gridmill-lab.sources": packages.SOURCES,
        "etc/apt/preferences.d/gridmill-lab": packages.PREFERENCES,
        packages.KEYRING.lstrip("/"): site.packages_key,
        **description(host, site.name),
    }


def gpus_configuration(host: RackedHost, gpus: RackedGpus, site: str) -> str:
    """The description of a machine's simulated GPUs that the lab's NVML library reads."""
    return (
        "# simulated GPUs of this machine, read by the lab's provider of libnvidia-ml.so.1\n"
        f"model = {gpus.model}\n"
        f"seed = {site}/{host.name}\n"
        f"count = {gpus.count}\n"
        f"memory_mib = {gpus.memory_mib}\n"
        f"power_min_w = {gpus.power_min_w}\n"
        f"power_max_w = {gpus.power_max_w}\n"
        f"power_default_w = {gpus.power_default_w}\n"
        f"nvlinks = {gpus.nvlinks}\n"
    )

"""A virtual site as a whole: up, down, and the restart of a machine."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gridmill.lab import keys, layers, meters, network, packages, proxy
from gridmill.lab.errors import LabError
from gridmill.lab.layout import SitePaths
from gridmill.lab.machine import Machine, place_of
from gridmill.lab.mirrors import AptSettings, Mirrors, choose, host_apt_settings, host_sources
from gridmill.lab.mounts import is_mounted
from gridmill.lab.progress import Progress
from gridmill.lab.rack import RackedHost, RackedSite, decode, encode
from gridmill.lab.racking import RackingSite, rack_machine, refresh_description
from gridmill.lab.readiness import make_ready
from gridmill.lab.rootfs import ensure_rootfs
from gridmill.lab.ssh import SshAccess


@dataclass(frozen=True)
class LabSite:
    """One virtual site on this host."""

    rack: RackedSite
    paths: SitePaths
    progress: Progress

    @property
    def bridge(self) -> network.Bridge:
        """The site's bridge."""
        return network.Bridge(
            name=network.bridge_name(self.rack.name),
            address=self.rack.bridge_address,
            supernet=self.rack.supernet,
            address6=self.rack.bridge_address6,
            supernet6=self.rack.supernet6,
            owner=f"Gridmill lab '{self.rack.name}' of {self.paths.state}",
        )

    @property
    def access(self) -> SshAccess:
        """How to log in to the machines."""
        return SshAccess(self.rack.bootstrap_user, self.rack.identity_file, self.rack.known_hosts_file)

    def machine(self, name: str) -> Machine:
        """A machine of the site, racked or not."""
        return Machine(self.rack.name, name, self.paths.machine(name))

    def host(self, name: str) -> RackedHost:
        """A machine's place in the rack; LabError for a name that is not in it."""
        for host in self.rack.hosts:
            if name in {host.name, host.fqdn, host.address}:
                return host
        known = ", ".join(host.name for host in self.rack.hosts)
        raise LabError(f"site {self.rack.name} has no machine {name!r}", f"its machines: {known}")

    def standing(self) -> list[str]:
        """Names of all machines that stand on this host, planned or not."""
        if not self.paths.machines.is_dir():
            return []
        return sorted(path.name for path in self.paths.machines.iterdir() if path.is_dir())

    def unplanned(self) -> list[str]:
        """Machines that stand but are no longer in the plan."""
        return sorted(set(self.standing()) - {host.name for host in self.rack.hosts})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from changing the site meanwhile; LabError when one is at it."""
        self.paths.state.mkdir(parents=True, exist_ok=True)
        with self.paths.lock.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise LabError(
                    f"another command (process {lock.read().strip() or 'unknown'}) works on this virtual site",
                    "wait until it ends",
                ) from error
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield


@dataclass(frozen=True)
class Services:
    """What runs on this host for a site's machines, beside them."""

    mirrors: Mirrors
    settings: AptSettings
    proxy_url: str
    packages: list[Path]
    packages_digest: str


def serve(site: LabSite) -> Services:
    """Bring network, package proxy and packages up as far as they are not."""
    mirrors, settings = choose(host_sources(), os.environ), host_apt_settings()
    if network.bring_up(site.bridge):
        kept = " and ".join(site.bridge.supernets)
        site.progress.line("network", f"bridge {site.bridge.name} {site.bridge.interface}, nothing leaves {kept}")
    proxy_settings = _proxy_settings(site, mirrors, settings.proxy)
    if proxy.ensure_running(site.paths, proxy_settings):
        site.progress.line("package proxy", f"{proxy_settings.url}, to {', '.join(sorted(_names(mirrors)))}")
    built = packages.build(site.progress)
    return Services(mirrors, settings, proxy_settings.url, built, packages.publish(site.paths, built))


def write_rack(site: LabSite, stack: Path) -> None:
    """Record what is racked from now on, and of which stack."""
    keys.write_atomically(
        site.paths.rack,
        json.dumps({"stack": str(stack.resolve()), "rack": encode(site.rack)}, indent=1) + "\n",
    )


def up(site: LabSite, stack: Path, *, prune: bool) -> None:
    """Bring the virtual site up; what runs already is left alone."""
    with site.locked():
        rack, progress = site.rack, site.progress
        for path in (rack.identity_file, rack.known_hosts_file):
            keys.check_inside(Path(path), site.paths.state, "the site's SSH file")
        _check_same_network(site)
        network.check_no_clash(site.bridge)
        write_rack(site, stack)
        services = serve(site)
        rootfs = ensure_rootfs(
            services.mirrors,
            services.settings,
            user=rack.bootstrap_user,
            proxy=services.proxy_url,
            progress=progress,
        )
        common = RackingSite(
            name=rack.name,
            prefix_length=rack.prefix_length,
            prefix_length6=rack.prefix_length6,
            bridge_address=rack.bridge_address,
            user=rack.bootstrap_user,
            authorized_key=keys.ensure_ssh_key(Path(rack.identity_file), comment=f"gridmill-lab-{rack.name}"),
            packages_key=packages.public_key(site.paths),
            proxy_url=services.proxy_url,
        )
        for name in site.unplanned():
            if prune:
                site.machine(name).remove()
                progress.line(name, "no longer planned: removed")
            else:
                progress.line(name, "no longer planned: left alone (lab up --prune removes it)")
        for host in rack.hosts:
            _rack(site, host, common, rootfs, prune=prune)
        write_known_hosts(site)
        start(site, rack.hosts, services)
        progress.line(f"simulated site {rack.name}", f"{len(rack.hosts)} machines up")


def start(site: LabSite, hosts: Sequence[RackedHost], services: Services) -> None:
    """Boot those of the machines that are off, wait until all are ready, and start the meters that look at them."""
    _start(site, [host for host in hosts if not site.machine(host.name).running()])
    make_ready(site, hosts, services.packages_digest)
    if meters.ensure_running(site.paths, site.rack, site.bridge, services.packages):
        site.progress.line("meters", f"simulated, {', '.join(sorted(site.rack.meters['meters']))}")


def _names(mirrors: Mirrors) -> set[str]:
    return {host for host, _ in mirrors.endpoints()}


def _proxy_settings(site: LabSite, mirrors: Mirrors, upstream: str | None) -> proxy.ProxySettings:
    return proxy.ProxySettings(
        address=site.rack.bridge_address,
        supernet=site.rack.supernet,
        endpoints=frozenset(mirrors.endpoints()),
        upstream=upstream,
    )


def _check_same_network(site: LabSite) -> None:
    """A standing site keeps its addresses: another supernet under the same name needs a `down` first."""
    if not site.paths.rack.exists() or not site.standing():
        return
    before = decode(json.loads(site.paths.rack.read_text())["rack"])
    held, planned = network_of(before), network_of(site.rack)
    if held != planned:
        raise LabError(
            f"site {site.rack.name} stands with supernet {held}, the plan now says {planned}",
            "python -m gridmill.lab down, then up",
        )


def network_of(rack: RackedSite) -> str:
    """The addresses that a rack's machines hang on, as text."""
    return " and ".join(filter(None, (rack.supernet, rack.supernet6)))


def _check_place(site: LabSite, machine: Machine, host: RackedHost, *, prune: bool) -> None:
    """A machine whose name, address or number of GPUs changed must be racked anew; nobody loses data unasked."""
    before, planned = machine.place(), place_of(host, site.rack.name)
    if not before:
        return
    new = {"serial", "mac"} - set(before)  # a machine that was racked when nobody noted them
    changes = ", ".join(
        f"{key} {before.get(key)} -> {planned.get(key)}"
        for key in {**before, **planned}
        if key not in new and before.get(key) != planned.get(key)
    )
    if not changes:
        return
    if not prune:
        raise LabError(
            f"{host.name} stands, but the plan changed it: {changes}", "python -m gridmill.lab up --prune racks it anew"
        )
    machine.remove()
    site.progress.line(host.name, f"removed, to be racked anew: {changes}")


def _rack(site: LabSite, host: RackedHost, common: RackingSite, rootfs: Path, *, prune: bool) -> None:
    machine = site.machine(host.name)
    _check_place(site, machine, host, prune=prune)
    racked_on = machine.rootfs()
    if machine.running() and racked_on:
        refresh_description(machine, host, site.rack.name)
        return
    if racked_on is None or not (is_mounted(machine.paths.root) or racked_on.is_dir()):
        rack_machine(machine, host, common, rootfs)
        gpus = f", {host.gpus.count} simulated GPUs" if host.gpus else ""
        site.progress.line(host.name, f"racked at {host.address}{gpus}")
        return
    machine.mount(racked_on)
    machine.make_devices(host.gpus.count if host.gpus else 0)
    refresh_description(machine, host, site.rack.name)


def write_known_hosts(site: LabSite) -> None:
    """Write the host keys of all racked machines, under name, full name and address."""
    entries = []
    for host in site.rack.hosts:
        public = site.paths.machine(host.name).base / "ssh_host_ed25519_key.pub"
        entries.append(((host.name, host.fqdn, host.address), public.read_text()))
    path = Path(site.rack.known_hosts_file)
    text = keys.known_hosts(entries)
    if not path.exists() or path.read_text() != text:
        keys.write_atomically(path, text)


def _start(site: LabSite, hosts: Sequence[RackedHost]) -> None:
    leaders = [site.machine(name).leader() for name in site.standing()]
    network.remove_ports(site.bridge, {network.port_of(leader) for leader in leaders if leader})
    for host in hosts:
        site.machine(host.name).boot(bridge=site.bridge.name, packages=site.paths.packages)
        site.progress.line(host.name, "booting")


def down(site: LabSite, *, keep_machines: bool) -> None:
    """End the virtual site; caches, snapshots and the site's keys stay, the machines only with `keep_machines`."""
    with site.locked():
        names = site.standing()

        def end(name: str) -> None:
            machine = site.machine(name)
            if keep_machines:
                machine.stop()
            else:
                machine.remove()
            site.progress.line(name, "stopped, kept" if keep_machines else "removed")

        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(end, names))
        stop_services(site)
        layers.collect(site.paths)
        if not keep_machines:
            Path(site.rack.known_hosts_file).unlink(missing_ok=True)
        site.progress.line(f"simulated site {site.rack.name}", "down")


def stop_services(site: LabSite) -> None:
    """End what runs on this host for a site whose machines are off."""
    proxy.stop(site.paths)
    meters.stop(site.paths, site.bridge)
    network.take_down(site.bridge)


def restart(site: LabSite, name: str) -> None:
    """Shut one machine down and boot it again, as with its power button."""
    with site.locked():
        host = site.host(name)
        machine = site.machine(host.name)
        if machine.rootfs() is None:
            raise LabError(f"{host.name} is not racked", "python -m gridmill.lab up")
        orderly = machine.stop()
        site.progress.line(host.name, "shut down" if orderly else "did not shut down in time: killed")
        boot_again(site, host)


def boot_again(site: LabSite, host: RackedHost) -> None:
    """Boot a machine that stands and is off, with its disk; LabError for one that was never racked."""
    boot_all(site, [host])


def mount(site: LabSite, hosts: Sequence[RackedHost]) -> None:
    """Mount the disks of machines that stand; LabError for one that was never racked."""
    for host in hosts:
        racked_on = site.machine(host.name).rootfs()
        if racked_on is None:
            raise LabError(f"{host.name} is not racked", "python -m gridmill.lab up")
        site.machine(host.name).mount(racked_on)


def boot_all(site: LabSite, hosts: Sequence[RackedHost]) -> None:
    """The same for several, which boot side by side."""
    mount(site, hosts)
    _start(site, hosts)
    make_ready(site, hosts)

"""Where the lab keeps what: one place for every path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gridmill.operations.directories import cache_directory, state_directory


def lab_cache() -> Path:
    """Directory of what can be made again: root file systems, built packages, the proxy's cache."""
    return cache_directory() / "lab"


def lab_state() -> Path:
    """Directory that holds one directory per virtual site."""
    return state_directory() / "lab"


@dataclass(frozen=True)
class SitePaths:
    """Paths of one virtual site."""

    site: str

    @property
    def state(self) -> Path:
        """Everything of this site that is not cache."""
        return lab_state() / self.site

    @property
    def lock(self) -> Path:
        """Lock file: one command changes the site at a time."""
        return self.state / "lock"

    @property
    def rack(self) -> Path:
        """What was racked last, with the stack it came from."""
        return self.state / "rack.json"

    @property
    def machines(self) -> Path:
        """One directory per machine."""
        return self.state / "machines"

    @property
    def snapshots(self) -> Path:
        """One directory per snapshot; they stay when the site is ended."""
        return self.state / "snapshots"

    @property
    def layers(self) -> Path:
        """What machines had changed when a snapshot was made: never written again, shared by machines and snapshots."""
        return self.state / "layers"

    @property
    def packages(self) -> Path:
        """The site's own package repository, bound read-only into every machine."""
        return self.state / "packages"

    @property
    def signing_key(self) -> Path:
        """Secret key that signs the package repository."""
        return self.state / "packages-signing-key.asc"

    @property
    def proxy_state(self) -> Path:
        """Configuration, log and process record of the package proxy."""
        return self.state / "proxy"

    @property
    def meters(self) -> Path:
        """Description, log and process record of the simulated meters."""
        return self.state / "meters"

    @property
    def proxy_cache(self) -> Path:
        """Cached packages; per site, because one cache directory has one writer."""
        return lab_cache() / "proxy" / self.site

    def machine(self, name: str) -> MachinePaths:
        """Paths of one machine of this site."""
        return MachinePaths(self.machines / name)


@dataclass(frozen=True)
class MachinePaths:
    """Paths of one machine."""

    base: Path

    @property
    def upper(self) -> Path:
        """What the machine changed against the layers below it."""
        return self.base / "upper"

    @property
    def work(self) -> Path:
        """Work directory of the overlay."""
        return self.base / "work"

    @property
    def root(self) -> Path:
        """Where the machine's root file system is mounted."""
        return self.base / "root"

    @property
    def devices(self) -> Path:
        """Device nodes that are bound into the machine."""
        return self.base / "devices"

    @property
    def console(self) -> Path:
        """What the machine wrote to its console."""
        return self.base / "console.log"

    @property
    def racked(self) -> Path:
        """Record written when racking is complete."""
        return self.base / "racked.json"

    @property
    def process(self) -> Path:
        """Record of the running machine's process."""
        return self.base / "process.json"

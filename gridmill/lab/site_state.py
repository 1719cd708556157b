"""What belongs to a site beside its machines: the lab's keys, Gridmill's records, Pulumi's state. Kept and put back.

They change with the machines: a state of Pulumi that knows of other phases, or a known_hosts of other keys, would make
a restored site one that never was.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gridmill.lab.errors import LabError
from gridmill.lab.layout import SitePaths
from gridmill.lab.mounts import remove_tree
from gridmill.operations.directories import state_directory
from gridmill.operations.record.pulumi_state import state_file

_MADE_ANEW = ("lock", "packages.digest", "packages.asc")
"""Files of the lab that follow from others, or belong to a moment."""

_LAYOUT = "meta.yaml"
"""Says how Pulumi's backend is laid out: all stacks share it, so it is put back only where there is none."""


@dataclass(frozen=True)
class SiteState:
    """The state of one site; `stack` is its name in Pulumi."""

    paths: SitePaths
    stack: str

    @property
    def pulumi(self) -> Path | None:
        """Directory of Pulumi's file backend; None where Pulumi keeps its state elsewhere."""
        path = state_file(self.stack)
        return path.parents[2] if path else None

    @property
    def gridmill(self) -> Path:
        """Gridmill's own records of the site."""
        return state_directory() / "sites" / self.paths.site

    def check_quiet(self) -> None:
        """LabError while Pulumi works on the stack: half of a run would be kept, or written over."""
        locks = self.pulumi / "locks" if self.pulumi else None
        if locks and list(locks.glob(f"organization/*/{self.stack}/*.json")):
            raise LabError(
                f"Pulumi works on stack {self.stack}, or was killed while it did",
                f"wait until it ends; after a kill: pulumi cancel --stack {self.stack}",
            )

    def keep(self, into: Path) -> None:
        """Copy everything into a directory."""
        for part, root in self._roots():
            (into / part).mkdir(parents=True)
            for path in _files(part, root, self.stack):
                _copy(path, into / part / path.relative_to(root))
        if self.pulumi and (self.pulumi / _LAYOUT).exists():
            _copy(self.pulumi / _LAYOUT, into / _LAYOUT)
        if self.gridmill.is_dir():
            shutil.copytree(self.gridmill, into / "gridmill", symlinks=True)

    def put_back(self, kept: Path) -> None:
        """Put what was kept in the place of what is there now."""
        for part, root in self._roots():
            if not (kept / part).is_dir():  # Pulumi kept its state elsewhere then
                continue
            for path in _files(part, root, self.stack):
                if path.is_dir():
                    remove_tree(path)
                else:
                    path.unlink()
            for path in _files(part, kept / part, self.stack):
                _copy(path, root / path.relative_to(kept / part))
        if self.pulumi and (kept / _LAYOUT).exists() and not (self.pulumi / _LAYOUT).exists():
            _copy(kept / _LAYOUT, self.pulumi / _LAYOUT)
        remove_tree(self.gridmill)
        if (kept / "gridmill").is_dir():
            shutil.copytree(kept / "gridmill", self.gridmill, symlinks=True)

    def _roots(self) -> Iterator[tuple[str, Path]]:
        yield "lab", self.paths.state
        if self.pulumi:
            yield "pulumi", self.pulumi


def _files(part: str, root: Path, stack: str) -> list[Path]:
    """What of a directory belongs to the site: the lab's files, or the stack's state with its history and backups."""
    if part == "lab":
        return [path for path in sorted(root.glob("*")) if path.is_file() and path.name not in _MADE_ANEW]
    kinds = ("stacks", "history", "backups")
    return [
        path for kind in kinds for name in (stack, f"{stack}.json*") for path in sorted(root.glob(f"{kind}/*/{name}"))
    ]


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, target, symlinks=True)
    else:
        shutil.copy2(path, target)

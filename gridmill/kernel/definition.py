"""A checked site, with what it was checked against."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gridmill.catalog import Catalog
from gridmill.core.errors import Path as ProblemPath
from gridmill.core.errors import Problem
from gridmill.core.names import NodeKey
from gridmill.core.ranges import as_written
from gridmill.core.sections.machines import Machine
from gridmill.core.sections.site import Site
from gridmill.power import PowerAnalysis, analyse, caps_of
from gridmill.power.consumers import Caps
from gridmill.power.stages import site_at

if TYPE_CHECKING:
    from gridmill.kernel.feature import Feature


@dataclass(frozen=True)
class Definition:
    """A checked site with its catalogue, and where each part of it stands in which file."""

    site: Site
    catalog: Catalog
    keys: dict[str, str] = field(default_factory=dict)
    """Public keys of package sources and certificates of a directory, beside the stack: text by file name."""
    file: str = ""
    lines: dict[ProblemPath, int] = field(default_factory=dict)
    data: Any = None
    machines: dict[NodeKey, Machine] = field(default_factory=dict)
    """What machines are known by, as far as the stack or a vendor's list says."""
    later: tuple[Problem, ...] = ()
    """What has to be mended before machines can be brought up; none in a definition that was loaded for that."""
    warnings: tuple[Problem, ...] = ()
    """What is allowed and rarely meant; `gridmill validate` and `plan` tell it."""
    analysed: PowerAnalysis | None = field(default=None, compare=False, repr=False)
    """Its power as the rules analysed it; `power` gives it."""
    features: tuple[Feature, ...] = field(default=(), compare=False, repr=False)
    """The features that it was read with."""
    own: Any = None
    """What of `data` stands in the stack file itself, as Pulumi has it; the rest is included."""

    @property
    def power(self) -> PowerAnalysis:
        """Its power: as the rules analysed it, or anew where the site was changed since."""
        kept = self.analysed
        return kept if kept and kept.of(self.site, self.catalog) else analyse(self.site, self.catalog)

    def placed(self, problem: Problem) -> Problem:
        """A problem of this site at the file, line and place that a person wrote."""
        return written(problem, self.data).located(self.file, self.lines)


def written(problem: Problem, data: Any) -> Problem:
    """The problem at the place that a person wrote."""
    return replace(problem, path=as_written(problem.path, data))


def definition_at(definition: Definition, date: str) -> Definition:
    """The definition as it stands by a date, under today's power limits: they hold for all of the growth."""
    site, catalog = definition.site, definition.catalog
    then = site_at(site, date)
    if then.power:
        caps: Caps = caps_of(site, catalog)
        there = {group for pod in then.pods.values() for group in pod.nodes}
        kept = {group: watts for group, watts in caps.items() if group in there}
        then = then.model_copy(update={"power": then.power.model_copy(update={"caps": kept or "none"})})
    machines = {key: machine for key, machine in definition.machines.items() if key[0] in then.pods}
    return replace(definition, site=then, machines=machines, later=(), analysed=None)

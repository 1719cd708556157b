"""Ramps: how fast the load at the meter may rise, and what one machine takes of that."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from gridmill.catalog import Catalog
from gridmill.catalog.services import services_of
from gridmill.core.errors import Problem
from gridmill.core.sections.site import Site
from gridmill.core.units import kilowatts
from gridmill.power import caps_of
from gridmill.power.caps import highest_uniform_cap
from gridmill.power.consumers import Caps, Consumer, consumers
from gridmill.power.limit import NORMAL, Limit, Load


@dataclass(frozen=True)
class Step:
    """What one machine adds at the meter when it is switched on, in W."""

    idle_w: int
    """Without work."""
    full_w: int
    """Everything that its power limit allows: nobody can say in which minute a job starts on it."""

    def counted_w(self, ramp_w: int) -> int:
        """What a plan counts: full power; where that alone is over the ramp, what can be held, without work."""
        return self.full_w if self.full_w <= ramp_w else self.idle_w


def step_of(machine: Consumer, catalog: Catalog, caps: Caps, pue: float) -> Step:
    """The step of a machine whose SKU is known."""
    sku = catalog.nodes[machine.sku] if machine.section == "nodes" else catalog.equipment[machine.sku]
    full = machine.draw_w(caps)
    return Step(math.ceil(min(sku.power.idle, full) * pue), math.ceil(full * pue))


def ramp_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """Machines that break the ramp by being switched on."""
    ramp, found = site.grid.ramp, []
    if ramp is None:
        return []
    for machine in _kinds(consumers(site, catalog)):
        idle = step_of(machine, catalog, {}, site.grid.pue).idle_w
        if idle > ramp:
            message = (
                f"one {machine.sku} ({machine.group} of {machine.pod}) is {kilowatts(idle)} at the meter without work,"
                f" more than {kilowatts(ramp)} in a minute"
            )
            hint = "agree on a higher ramp, or a battery or load bank that takes the step"
            found.append(Problem(("grid", "ramp"), message, f"at least {kilowatts(idle)}/min", hint))
    return found


def counted_idle(site: Site, catalog: Catalog, caps: Caps) -> list[tuple[Consumer, Step]]:
    """Kinds of machines that at full power are over the ramp: one of each."""
    ramp = site.grid.ramp
    found = ((machine, step_of(machine, catalog, caps, site.grid.pue)) for machine in _kinds(consumers(site, catalog)))
    return [(machine, step) for machine, step in found if ramp and step.full_w > ramp]


def load_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """Machines on which a job that starts breaks the ramp, whatever the order in which they are switched on."""
    ramp, found = site.grid.ramp or 0, []
    for machine, step in counted_idle(site, catalog, caps_of(site, catalog)):
        rise = step.full_w - step.idle_w
        if machine.gpu and rise > ramp:
            load = Load().plus(machine, 1)
            limit = Limit(("grid", "ramp"), "the ramp", NORMAL, ramp + step.idle_w, load, site.grid.pue)
            cap = highest_uniform_cap([limit], [machine])
            message = (
                f"a job that starts on one {machine.sku} ({machine.group} of {machine.pod}) adds up to"
                f" {kilowatts(rise)} at the meter, more than {kilowatts(ramp)} in a minute"
            )
            hint = f"a cap of {cap} W per GPU (power.caps)" if cap is not None else "a battery that takes the step"
            found.append(Problem(("grid", "ramp"), message, f"at least {kilowatts(rise)}/min", hint))
    return found


def resume_rate(site: Site, catalog: Catalog, caps: Caps) -> int | None:
    """Slurm's ResumeRate (slurm.conf(5)): nodes that it may switch on in a minute, by the largest of those that stand.

    None without a ramp. 0 where not even one a minute would hold it; Slurm takes 0 for no limit, so that must not be
    written into its configuration.
    """
    if site.grid.ramp is None:
        return None
    steps = [
        step_of(machine, catalog, caps, site.grid.pue).full_w
        for machine in _kinds(consumers(site, catalog))
        if machine.section == "nodes"
        and site.pods[machine.pod].from_ is None
        and "compute" in services_of(site.pods[machine.pod].nodes[machine.group], catalog)
    ]
    return site.grid.ramp // max(steps) if steps else None


def _kinds(machines: Iterable[Consumer]) -> list[Consumer]:
    """One machine of every group and pod."""
    return list({(machine.pod, machine.section, machine.group): machine for machine in machines}.values())

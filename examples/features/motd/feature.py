"""A feature from elsewhere: what people read when they log in, from a key of the stack.

Copy this folder to `features/motd` beside your Pulumi.yaml, and write in the stack definition:

    motd: {text: "Maintenance on Friday at 18:00"}
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gridmill.core.errors import Problem
from gridmill.kernel.context import Context, Planning
from gridmill.kernel.feature import Feature, Placement, Stage, Values
from gridmill.kernel.site_plan import HostPlan, SitePlan

from .section import Motd

PATH = "/etc/motd.d/50-site"
WIDEST = 78
"""Characters of a line that every terminal shows whole."""


@dataclass(frozen=True)
class MotdPlan:
    """What is shown."""

    text: str


def problems(context: Context) -> Iterable[Problem]:
    """Lines that terminals would wrap."""
    motd = context.site.get(Motd)
    if motd and len(motd.text) > WIDEST:
        message = f"{len(motd.text)} characters are too many for a line"
        yield Problem(("motd", "text"), message, f"at most {WIDEST}", "shorten it")


def plan(planning: Planning) -> MotdPlan | None:
    """None where the stack says nothing: then the role takes away what it wrote before."""
    motd = planning.site.get(Motd)
    return MotdPlan(motd.text) if motd else None


def site_variables(site: SitePlan) -> Values:
    """The text; empty for none."""
    found = site.get(MotdPlan)
    return {"motd_text": found.text if found else ""}


def checks(site: SitePlan, _: HostPlan) -> list[Values]:
    """The text stands where logins show it."""
    found = site.get(MotdPlan)
    return [{"check": "file", "path": PATH, "contains": found.text}] if found else []


FEATURE = Feature(
    name="motd",
    section=Motd,
    summary="What people read when they log in.",
    problems=(problems,),
    plan=plan,
    placements=(
        Placement(
            role="motd",
            phases={"control": "all", "pod": "all"},
            stage=Stage.OPERATIONS,
            site_variables=site_variables,
            checks=checks,
        ),
    ),
)

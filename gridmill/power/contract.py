"""Growth: what is contracted and not used, and may be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gridmill.catalog import Catalog
from gridmill.core.dates import years_later
from gridmill.core.errors import Path, Problem
from gridmill.core.sections.site import Site
from gridmill.core.units import kilowatts
from gridmill.power import caps_of, pod_draw

USED_SHARE = 0.5
"""Share of the contracted power; who uses no more of it in twelve months may lose the rest, in a congested area.
Netcode elektriciteit 7.13 (Staatscourant 2024-13531)."""

UNUSED_W = {"low": 1_000_000, "medium": 1_000_000, "high": 10_000_000}
"""W that are unused in twelve months, from which on the same holds whatever the share: 1 MW below 110 kV, 10 MW from
there on. The same source."""

_ARTICLE = "Netcode 7.13"


@dataclass(frozen=True)
class Coming:
    """A pod that would have to come sooner."""

    pod: str
    planned_from: str


@dataclass(frozen=True)
class Unused:
    """Contracted power that is not used in the twelve months after it was contracted."""

    path: Path
    since: str
    """Date from which it is contracted."""
    at_risk_from: str
    """End of the twelve months: what is unused may be taken back from here on."""
    contract_w: int
    used_w: int
    """What the site draws under load (typical, at the meter) with every pod that comes before then."""
    why: str
    pods: tuple[Coming, ...]
    """Pods that would have to come before that date; with all of them nothing is at risk, if `enough`."""
    enough: bool

    @property
    def unused_w(self) -> int:
        """What may be taken back, in W."""
        return self.contract_w - self.used_w

    @property
    def share(self) -> float:
        """Share of the contracted power that is used."""
        return self.used_w / self.contract_w


def contract_problems(site: Site) -> list[Problem]:
    """Dates of a contract that cannot be."""
    contract, path = site.grid.contract, ("grid", "contract")
    if contract is None:
        return []
    problems = []
    if contract.congested and contract.since is None:
        message = "in a congested area it matters since when the power is contracted"
        problems.append(Problem((*path, "since"), message, "a date", "since: 2026-10-01, as the contract says"))
    problems += [
        Problem(
            (*path, "later", date),
            f"{date} is not after {contract.since}, since when the contract runs",
            "a later date",
            f"once it applies, write `firm: {kilowatts(watts)}` and remove the line",
        )
        for date, watts in contract.later.items()
        if contract.since and date <= contract.since
    ]
    return problems


def unused_power(site: Site, catalog: Catalog) -> list[Unused]:
    """Contracted power at risk, one item for each date at which more is contracted. Compared is what the plan expects
    to be drawn under load, since the grid operator goes by the meter."""
    contract = site.grid.contract
    if contract is None or not contract.congested or contract.since is None:
        return []
    caps = caps_of(site, catalog)
    comes = sorted(
        (pod.from_ or contract.since, key, int(pod_draw(pod, catalog, caps).typical_w * site.grid.pue))
        for key, pod in site.pods.items()
    )
    found, before = [], 0
    for since in sorted({contract.since, *contract.later}):
        watts = contract.firm_on(since)
        end = years_later(since)
        used = sum(draw for date, _, draw in comes if date < end)
        if watts > before and (why := _why(watts, used, contract.voltage)):
            pods, enough = _sooner([item for item in comes if item[0] >= end], used, watts, contract.voltage)
            path = ("grid", "contract", "later", since) if since in contract.later else ("grid", "contract", "firm")
            found.append(Unused(path, since, end, watts, used, why, pods, enough))
        before = watts
    return found


def _why(contract_w: int, used_w: int, voltage: str) -> str:
    """Why the unused part may be taken back; empty when it may not."""
    if used_w <= USED_SHARE * contract_w:
        return f"no more than {USED_SHARE:.0%} is used in twelve months"
    if contract_w - used_w >= UNUSED_W[voltage]:
        return f"{kilowatts(UNUSED_W[voltage])} or more is unused in twelve months"
    return ""


def _sooner(
    rest: list[tuple[str, str, int]], used: int, contract_w: int, voltage: str
) -> tuple[tuple[Coming, ...], bool]:
    """The pods, in their order, that would have to come sooner, and whether they are enough."""
    pods: list[Coming] = []
    for date, key, draw in rest:
        if not _why(contract_w, used, voltage):
            break
        pods.append(Coming(key, date))
        used += draw
    return tuple(pods), not _why(contract_w, used, voltage)


def unused_problems(site: Site, catalog: Catalog) -> Iterator[Problem]:
    """The same as a notice: what is at risk, from when on, and what would avoid it."""
    for item in unused_power(site, catalog):
        yield Problem(
            item.path,
            f"of {kilowatts(item.contract_w)} contracted from {item.since} on, {kilowatts(item.used_w)}"
            f" ({item.share:.0%}) is drawn under load by {item.at_risk_from}; {item.why}, so"
            f" {kilowatts(item.unused_w)} may be taken back from then on ({_ARTICLE})",
            f"more than {USED_SHARE:.0%}, and less than {kilowatts(UNUSED_W[_voltage(site)])} unused",
            way_out(item),
        )


def _voltage(site: Site) -> str:
    return site.grid.contract.voltage if site.grid.contract else "medium"


def way_out(item: Unused) -> str:
    """What would avoid it."""
    shown = ", ".join(f"{pod.pod} ({pod.planned_from})" for pod in item.pods)
    if item.enough:
        return f"{shown} before {item.at_risk_from}"
    less = "contract less, or later"
    return f"{less}; {shown} would not be enough" if shown else less

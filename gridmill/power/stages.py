"""The dates at which a site changes: pods that come, power that is contracted from then on."""

from __future__ import annotations

from dataclasses import dataclass

from gridmill.core.errors import Path
from gridmill.core.sections.site import Site

NOW = ""
"""What stands and is contracted, before every date."""


@dataclass(frozen=True)
class Stage:
    """A site from one date on."""

    date: str
    """`2027-04-01`, or NOW."""
    pods: frozenset[str]
    """Keys of all pods that stand by then."""
    contract_w: int | None
    """Contracted power by then; None without a contract."""
    element: str
    """The contract, for people."""
    path: Path
    """Where the contracted power stands in the stack definition."""


def stages(site: Site) -> list[Stage]:
    """Every date at which something changes, in order, from what stands on."""
    contract = site.grid.contract
    later = contract.later if contract else {}
    dates = sorted({NOW, *later, *(pod.from_ for pod in site.pods.values() if pod.from_)})
    found = []
    for date in dates:
        start = max((start for start in later if start <= date), default=NOW)
        element = f"the power contracted from {start} on" if start else "the contracted power"
        path: Path = ("grid", "contract", "later", start) if start else ("grid", "contract", "firm")
        pods = frozenset(standing(site, date))
        found.append(Stage(date, pods, contract.firm_on(date) if contract else None, element, path))
    return found


def standing(site: Site, date: str) -> list[str]:
    """Keys of the pods that stand by a date, in the stack's order."""
    return [key for key, pod in site.pods.items() if pod.from_ is None or pod.from_ <= date]


def site_at(site: Site, date: str) -> Site:
    """The site as it stands by a date, growth done: pods without dates, the contract of that day."""
    pods = {key: site.pods[key].model_copy(update={"from_": None}) for key in standing(site, date)}
    grid = site.grid
    if grid.contract:
        contract = grid.contract.model_copy(update={"firm": grid.contract.firm_on(date), "later": {}})
        grid = grid.model_copy(update={"contract": contract})
    return site.model_copy(update={"pods": pods, "grid": grid})

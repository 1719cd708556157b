"""The report of a preview for a merge request: one plain object, and the same as Markdown and HTML.

Schema: docs/reference/preview.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gridmill.core.hostlist import fold
from gridmill.core.impact import CLASSES
from gridmill.report import rendering
from gridmill.report.predicted_changes import by_reason, count, grouped, headline, host_lines, machines, reasons

SCHEMA = "gridmill.preview/v1"
FIGURES = ("before", "after", "margin")
"""Of a level of power, in W."""

Report = dict[str, Any]


@dataclass(frozen=True)
class Group:
    """Machines that change alike."""

    title: str
    why: str
    lines: list[str]


@dataclass(frozen=True)
class Remark:
    """A line about machines: what is said of them in front, or in the style of a warning."""

    what: str
    text: str
    warns: bool = False


@dataclass(frozen=True)
class Phase:
    """What a phase would do."""

    headline: str
    groups: list[Group]
    failures: list[tuple[str, str]]
    remarks: list[Remark]
    jobs: list[dict[str, Any]]
    jobs_title: str
    jobs_unknown: str


def markdown(report: Report) -> str:
    """A comment: the verdict, what the change means, and folded what would change where."""
    return rendering.comment("change.md.j2", **_values(report)).rstrip() + "\n"


def page(report: Report) -> str:
    """One HTML file that needs nothing else."""
    return rendering.page("change.html.j2", **_values(report))


def allows(allowed: str, impact: str) -> bool:
    """Whether an impact is within what needs no approval."""
    return CLASSES.index(impact) <= CLASSES.index(allowed)


def _values(report: Report) -> dict[str, Any]:
    """What both templates show."""
    resources = [f"{item['op']:8} {item['name']} ({', '.join(item['inputs']) or 'whole'})"
                 for item in report["resources"]]  # fmt: skip
    return {
        "report": report,
        "effects": [{**one, "nodes": ",".join(fold(one["nodes"]))} for one in report["effects"]],
        "power": [(row["what"], [_watts(row[key]) for key in FIGURES]) for row in report["power"]],
        "resources": resources,
        "resources_title": f"{count(len(resources), 'resource')} of Pulumi",
        "by_hand": list(_by_hand(report["drift"])),
        "phases": [_phase(phase) for phase in report["phases"]],
    }


def _by_hand(drift: Report) -> Iterable[str]:
    """What somebody changed on machines, a line each."""
    for name, phases in drift.get("hosts", {}).items():
        for scope, differences in phases.items():
            yield from (f"{name}  {scope}: {line}" for line in differences)


def _phase(phase: Report) -> Phase:
    hosts = phase["hosts"]
    return Phase(
        headline=headline(phase),
        groups=[_group(names, host, set(phase["added"])) for names, host in grouped(hosts)
                if host["changes"] or "replaced" in host],
        failures=[(name, text) for name, host in hosts.items() for text in host["failures"]],
        remarks=list(_remarks(phase)),
        jobs=phase["jobs"],
        jobs_title=f"{count(len(phase['jobs']), 'running job')} on affected nodes",
        jobs_unknown=phase["jobsUnknown"],
    )  # fmt: skip


def _group(names: list[str], host: dict[str, Any], added: set[str]) -> Group:
    new = " (new)" if set(names) <= added else ""
    return Group(
        title=f"{machines(names)}{new}: {count(len(host['changes']), 'change')}, {host['impact']}",
        why="; ".join(f"{impact}: {text}" for impact, text in reasons(host)),
        lines=host_lines(host),
    )


def _remarks(phase: Report) -> Iterable[Remark]:
    if phase["leaving"]:
        yield Remark("drained, then out of service", machines(phase["leaving"]))
    for reason, names in by_reason(phase["unreached"]):
        yield Remark("not asked", f"{machines(names)} ({reason})", warns=True)
    if phase["unfinished"]:
        yield Remark("not asked completely, the time limit was up", machines(phase["unfinished"]), warns=True)
    for reason, names in by_reason(phase["maintenance"]):
        yield Remark("skipped, maintenance", f"{machines(names)} ({reason})")


def _watts(value: float | None) -> int | None:
    return None if value is None else int(value)

"""The report of a preview for a merge request: one plain object, and the same as Markdown and HTML.

Schema: docs/reference/preview.md.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

from gridmill.core.hostlist import fold
from gridmill.core.impact import CLASSES
from gridmill.core.units import kilowatts
from gridmill.report.predicted_changes import by_reason, count, grouped, headline, host_lines, machines, reasons

SCHEMA = "gridmill.preview/v1"
MARKER = "<!-- gridmill-preview: {site} -->"
"""First line of the comment: by it a later run finds the comment that it is to replace."""
VERDICTS = {
    "ok": "Nothing beyond `{allowed}`.",
    "approval": "**Needs approval.**",
    "problem": "**Does not work as it is.**",
}
FIGURES = ("before", "after", "margin")
"""Of a level of power, in W."""

Report = dict[str, Any]


def markdown(report: Report) -> str:
    """A comment: the verdict, what the change means, and folded what would change where."""
    lines = [MARKER.format(site=report["site"]), f"## Preview of {_md(report['site'])}", ""]
    if report["simulated"]:
        lines += ["*simulated site*", ""]
    lines += [VERDICTS[report["verdict"]].format(allowed=report["allowed"]), ""]
    lines += [f"- {_md(reason)}" for reason in report["reasons"]]
    if report["problems"]:
        lines += ["", *_fence(report["problems"])]
        return "\n".join(lines) + "\n"
    lines += ["", f"Impact: **{report['impact']}**.", "", *_site(report), *_resources(report)]
    if by_hand := _by_hand(report["drift"]):
        lines += _folded("not as the last run left it, to be put back", _fence(by_hand))
    for phase in report["phases"]:
        lines += _phase(phase)
    lines += _plan(report["plan"])
    return "\n".join(lines).rstrip() + "\n"


def _by_hand(drift: Report) -> list[str]:
    """What somebody changed on machines, a line each."""
    return [
        f"{name}  {scope}: {line}"
        for name, phases in drift.get("hosts", {}).items()
        for scope, differences in phases.items()
        for line in differences
    ]


def _plan(plan: Report) -> Iterable[str]:
    if plan:
        yield f"Plan `{plan['digest']}`, to be applied until {plan['until']}."


def _site(report: Report) -> Iterable[str]:
    for effect in report["effects"]:
        consent = f" Consent: {_md(effect['given'])}." if effect["given"] else ""
        nodes = _md(",".join(fold(effect["nodes"])))
        yield f"- **{effect['impact']}**: {_md(effect['what'])} ({nodes}).{consent}"
    if report["effects"]:
        yield ""
    if report["power"]:
        yield "| power | before | after | margin |"
        yield "|---|---|---|---|"
        for row in report["power"]:
            yield f"| {_md(row['what'])} | {' | '.join(_watts(row[key]) for key in FIGURES)} |"
        yield ""


def _resources(report: Report) -> Iterable[str]:
    found = report["resources"]
    if not found:
        yield "No resource changes."
        return
    lines = [f"{item['op']:8} {item['name']} ({', '.join(item['inputs']) or 'whole'})" for item in found]
    yield from _folded(f"{count(len(found), 'resource')} of Pulumi", _fence(lines))


def _phase(phase: Report) -> Iterable[str]:
    yield f"### {_md(headline(phase))}"
    yield ""
    for names, host in grouped(phase["hosts"]):
        if not host["changes"] and "replaced" not in host:
            continue
        new = " (new)" if set(names) <= set(phase["added"]) else ""
        why = "; ".join(f"{impact}: {text}" for impact, text in reasons(host))
        title = f"{machines(names)}{new}: {count(len(host['changes']), 'change')}, {host['impact']}"
        yield from _folded(f"{title}{f' ({why})' if why else ''}", _fence(host_lines(host)))
    for name, host in phase["hosts"].items():
        yield from (f"- {_md(name)} **fails**: {_md(text)}" for text in host["failures"])
    if phase["leaving"]:
        yield f"- drained, then out of service: {_md(machines(phase['leaving']))}"
    for reason, names in by_reason(phase["unreached"]):
        yield f"- **not asked**: {_md(machines(names))} ({_md(reason)})"
    if phase["unfinished"]:
        yield f"- **not asked wholly**, the time limit was up: {_md(machines(phase['unfinished']))}"
    for reason, names in by_reason(phase["maintenance"]):
        yield f"- left out, maintenance: {_md(machines(names))} ({_md(reason)})"
    if phase["jobs"]:
        rows = [
            f"{job['job']:>8} {job['user']} {job['partition']} {job['elapsed']} {job['nodes']}" for job in phase["jobs"]
        ]
        yield from _folded(f"{count(len(rows), 'running job')} that it hits", _fence(rows))
    if phase["jobsUnknown"]:
        yield f"- running jobs that it hits are not known: {_md(phase['jobsUnknown'])}"
    yield ""


def _folded(title: str, lines: Iterable[str]) -> list[str]:
    return ["<details>", f"<summary>{_md(title)}</summary>", "", *lines, "", "</details>", ""]


def _fence(lines: Iterable[str]) -> list[str]:
    """A code block; its fence is longer than any run of backticks in it."""
    body = list(lines)
    longest = max((len(run) for line in body for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, *body, fence]


def _md(text: str) -> str:
    """Text that Markdown and HTML take as it is, and that mentions nobody."""
    escaped = re.sub(r"([\\`*_{}\[\]#|~])", r"\\\1", html.escape(" ".join(text.split()), quote=False))
    return escaped.replace("@", "&#64;")


def _watts(value: float | None) -> str:
    return "" if value is None else kilowatts(int(value))


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font: 15px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }}
pre {{ background: #8881; padding: .6em; overflow-x: auto; }} summary {{ cursor: pointer; }}
table {{ border-collapse: collapse; }} td, th {{ border: 1px solid #8886; padding: .2em .6em; }}</style></head>
<body>
{body}
</body></html>
"""


def page(report: Report) -> str:
    """One HTML file that needs nothing else."""
    text = html.escape
    body = [f"<h1>Preview of {text(report['site'])}</h1>"]
    body += ["<p><em>simulated site</em></p>"] if report["simulated"] else []
    body.append(f"<p><strong>{text(report['verdict'])}</strong>; impact: {text(report['impact'])}</p>")
    body.append(_list(report["reasons"]))
    if report["problems"]:
        body.append(_pre(report["problems"]))
    effects = [
        f"{one['impact']}: {one['what']} ({','.join(fold(one['nodes']))}) {one['given']}" for one in report["effects"]
    ]
    body.append(_list(effects))
    if report["power"]:
        rows = [
            f"<tr><td>{text(row['what'])}</td>{''.join(f'<td>{_watts(row[key])}</td>' for key in FIGURES)}</tr>"
            for row in report["power"]
        ]
        body.append(
            f"<table><tr><th>power</th><th>before</th><th>after</th><th>margin</th></tr>{''.join(rows)}</table>"
        )
    body.append(
        _list(f"{one['op']} {one['name']} ({', '.join(one['inputs']) or 'whole'})" for one in report["resources"])
    )
    if by_hand := _by_hand(report["drift"]):
        body.append(f"<h2>not as the last run left it, to be put back</h2>{_pre(by_hand)}")
    for phase in report["phases"]:
        body.append(f"<h2>{text(headline(phase))}</h2>")
        for names, host in grouped(phase["hosts"]):
            if host["changes"]:
                title = f"{machines(names)}: {count(len(host['changes']), 'change')}, {host['impact']}"
                body.append(f"<details><summary>{text(title)}</summary>{_pre(host_lines(host))}</details>")
        body.append(_list(_remarks(phase)))
    body += [f"<p>{text(line)}</p>" for line in _plan(report["plan"])]
    return PAGE.format(title=text(f"Preview of {report['site']}"), body="\n".join(filter(None, body)))


def _remarks(phase: Report) -> Iterable[str]:
    yield from (f"{name} fails: {text}" for name, host in phase["hosts"].items() for text in host["failures"])
    yield from (f"not asked: {machines(names)} ({reason})" for reason, names in by_reason(phase["unreached"]))
    yield from (f"not asked wholly: {name}" for name in phase["unfinished"])
    yield from (f"drained, then out of service: {name}" for name in phase["leaving"])
    yield from (f"hits job {job['job']} of {job['user']} on {job['nodes']}" for job in phase["jobs"])


def _list(items: Iterable[str]) -> str:
    rows = "".join(f"<li>{html.escape(item)}</li>" for item in items)
    return f"<ul>{rows}</ul>" if rows else ""


def _pre(lines: Iterable[str]) -> str:
    return f"<pre>{html.escape(chr(10).join(lines))}</pre>"


def allows(allowed: str, impact: str) -> bool:
    """Whether an impact is within what needs no approval."""
    return CLASSES.index(impact) <= CLASSES.index(allowed)

"""Pages, diagrams and comments: what they say, and that no name gets out of its place, whatever it is."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from gridmill.compare.measured import GpuReading, NodeReading
from gridmill.compare.metered import MeterReading
from gridmill.features.meters.plan import MetersPlan
from gridmill.kernel.definition import Definition
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import load_definition
from gridmill.plan import plan_site
from gridmill.power.report import PowerReport, power_report
from gridmill.report.change import markdown, page
from gridmill.report.one_line import ABREAST, GAP, one_line, one_line_svg
from gridmill.report.power_page import power_page
from tests.conftest import ROOT

EVIL = """<script>alert("x")</script> 'q' & {{ 7 * 7 }} {% raw %} --> ]]>"""
SVG = "{http://www.w3.org/2000/svg}"
MARKUP = re.compile(r"</[a-z]+[0-9]?>|<(br|td|tr|li|div|span|text|rect|path|details|summary)\b")


class Page(HTMLParser):
    """Elements, texts and attributes of a page, as a browser takes them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def lab() -> Definition:
    return load_definition(ROOT / "Pulumi.lab.yaml")


@pytest.fixture(scope="module")
def plan(lab: Definition) -> SitePlan:
    return plan_site(lab)


@pytest.fixture(scope="module")
def report(lab: Definition) -> PowerReport:
    return power_report(lab.site, lab.catalog, lab.power)


def gpus(limit: float) -> tuple[GpuReading, ...]:
    return tuple(GpuReading(number, 500.0, limit, 200.0, 700.0, 700.0) for number in range(8))


def test_a_page_of_what_is_planned(plan: SitePlan, report: PowerReport) -> None:
    found = Page(power_page(plan, report))
    assert "Power of lab" in found.text and "Not measured: no machine was asked" in found.text
    assert "Not as planned" not in found.text and "Phases" not in found.text
    assert found.tags.count("svg") == 1
    assert found.tags.count("table") == 3  # levels, losses, machines


def test_a_page_of_what_was_measured(plan: SitePlan, report: PowerReport) -> None:
    first, second, third, fourth = (host.name for host in plan.hosts)
    readings = {
        first: NodeReading(gpus(650)), second: NodeReading(gpus(700), 9000.0, "BMC"), third: NodeReading(complaint="off"),
        fourth: NodeReading(node_w=99_000.0, cpu_w=80.0),
    }  # fmt: skip
    over = MeterReading(99_000.0, (40_000.0, 30_000.0, 29_000.0), (173.9, 130.4, 126.1))
    meters = {
        meter.key: over if number == 0 else MeterReading() for number, meter in enumerate(plan.of(MetersPlan).meters)
    }
    text = power_page(plan, report, readings, "2026-11-28 10:00 UTC", meters)
    found = Page(text)
    assert "Measured 2026-11-28 10:00 UTC" in found.text
    assert '<span class="bad">65.829 kW over</span>' in text
    assert '<span class="bad">40 kW, 173.9 A</span> <span class="sim">simulated</span>' in text
    assert f'<tr><td>{third}</td><td class="bad">did not answer: off</td></tr>' in text
    assert '<span class="bad">without 1 of 4</span>' in text
    assert "8 x 700 W" in found.text and "processors 0.08 kW" in found.text
    assert text.count("not as planned, see above") == 2


def test_nothing_gets_out_of_its_place_on_the_power_page(plan: SitePlan, report: PowerReport) -> None:
    pod = plan.pods[0]
    hosts = tuple(replace(host, sku=EVIL, maintenance=EVIL) for host in pod.hosts)
    evil = replace(plan, name=EVIL, pods=(replace(pod, key=EVIL, hosts=hosts),))
    limits = tuple(replace(row, element=EVIL, situation=EVIL) for row in report.limits)
    losses = tuple(replace(row, situation=EVIL) for row in report.losses)
    report = replace(report, limits=limits, losses=losses, gpu_caps_w={EVIL: 600})
    readings = {hosts[0].name: NodeReading(complaint=EVIL), hosts[1].name: NodeReading(node_w=1.0, node_source=EVIL)}
    meters = {meter.key: MeterReading(complaint=EVIL) for meter in plan.of(MetersPlan).meters}
    found = Page(power_page(evil, report, readings, EVIL, meters))
    assert "script" not in found.tags
    assert found.attributes <= {"lang", "charset", "name", "content", "class", "title", "style", "open", "role", "rx",
                                "xmlns", "width", "height", "viewbox", "fill", "x", "y", "d", "font-weight"}  # fmt: skip
    assert found.text.count(EVIL) > 20


def test_nothing_gets_out_of_its_place_in_the_diagram(plan: SitePlan, report: PowerReport) -> None:
    limits = tuple(replace(row, element=EVIL, situation=EVIL) for row in report.limits)
    drawing = ElementTree.fromstring(one_line_svg(replace(plan, name=EVIL), replace(report, limits=limits)))  # noqa: S314 - our own text
    texts = [element.text for element in drawing.iter()]
    assert {element.tag.removeprefix(SVG) for element in drawing.iter()} <= {
        "svg",
        "title",
        "style",
        "rect",
        "text",
        "path",
        "tspan",
    }
    assert f"Site {EVIL}" in texts and f"{EVIL}, {EVIL}" in texts


def test_nothing_gets_out_of_its_place_in_a_preview() -> None:
    host = {"impact": "drain", "failures": [EVIL], "replaced": EVIL,
            "changes": [{"role": EVIL, "task": EVIL, "what": [EVIL], "impact": "drain", "why": EVIL}]}  # fmt: skip
    phase = {
        "scope": EVIL, "impact": "drain", "hosts": {"n1": host}, "added": [], "leaving": [EVIL], "unchanged": [],
        "maintenance": {"n2": EVIL}, "unreached": {"n3": EVIL}, "unfinished": [EVIL], "complaint": EVIL,
        "jobs": [{"job": EVIL, "user": EVIL, "partition": EVIL, "elapsed": EVIL, "nodes": EVIL}], "jobsUnknown": EVIL,
    }  # fmt: skip
    found = {
        "site": EVIL, "simulated": True, "verdict": "approval", "allowed": "live", "impact": "drain",
        "reasons": [EVIL], "problems": [], "effects": [{"impact": "drain", "what": EVIL, "nodes": [EVIL], "given": EVIL}],
        "power": [{"what": EVIL, "before": 1.0, "after": None, "margin": 2.0}],
        "resources": [{"op": EVIL, "name": EVIL, "inputs": [EVIL]}], "phases": [phase],
        "drift": {"hosts": {EVIL: {EVIL: [EVIL]}}}, "plan": {"digest": EVIL, "until": EVIL},
    }  # fmt: skip
    for one in (found, {**found, "problems": [EVIL, "```` fence"], "verdict": "problem"}):
        read = Page(page(one))
        assert "script" not in read.tags and EVIL in read.text
        assert read.attributes <= {"lang", "charset", "name", "content", "class", "open"}
        outside = re.sub(r"^(`{3,})$.*?^\1$", "", markdown(one), flags=re.DOTALL | re.MULTILINE)
        assert "<script" not in outside and "49" not in outside
        assert "-->" not in outside.replace("-->", "", 1)  # the marker's own end
    assert markdown({**found, "problems": ["```` fence"]}).count("`````\n") == 2


def test_wires_of_many_racks_go_around_boxes(plan: SitePlan, report: PowerReport) -> None:
    racks = [row for row in report.limits if row.path.startswith("pods.pod-a.racks")]
    more = [
        replace(row, path=row.path.replace("racks.r1", f"racks.r{number}")) for number in range(2, 10) for row in racks
    ]
    drawing = one_line(plan, replace(report, limits=(*report.limits, *more)))
    rows = sorted({box.y for box in drawing.boxes})
    assert len(rows) == 4  # the site, its feeds, the pod and its racks in two rows
    assert max(sum(box.y == y for box in drawing.boxes) for y in rows) == ABREAST
    upright = [re.fullmatch(r"M(\d+) (\d+) V(\d+)", wire) for wire in drawing.wires]
    for wire in filter(None, upright):
        x, start, end = map(int, wire.groups())
        crossed = [
            box for box in drawing.boxes if box.x < x < box.x + 250 and start < box.y + box.height and end > box.y
        ]
        assert crossed == [], wire[0]
    assert f"M{GAP // 2} {rows[2] - GAP // 2} V{rows[3] - GAP // 2}" in drawing.wires


def test_markup_stands_in_templates_only() -> None:
    for path in sorted((ROOT / "gridmill").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not MARKUP.search(node.value), f"{path.relative_to(ROOT)}:{node.lineno}: {node.value[:60]}"

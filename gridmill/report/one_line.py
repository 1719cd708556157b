"""The one-line diagram of a site's power as SVG: connection, feeds, racks and PDU phases, with loads and margins."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from gridmill.core.units import kilowatts
from gridmill.kernel.site_plan import SitePlan
from gridmill.power.report import LimitReport, PowerReport

WIDTH = 250
"""Pixels of a box; two fit side by side for feeds A and B of a rack."""
LINE = 17
"""Pixels of a line of text."""
GAP = 24
ABREAST = 6
"""Boxes side by side; more go into another row."""
TIGHT = 0.1
"""Share of a limit below which its margin is shown as tight."""
COLOURS = {"good": "#1b7f4b", "tight": "#b26a00", "over": "#b3261e"}


@dataclass(frozen=True)
class Box:
    """A titled box of limits."""

    title: str
    rows: tuple[LimitReport, ...]

    @property
    def height(self) -> int:
        """Pixels."""
        return LINE * (2 + 2 * len(self.rows))


def one_line_svg(plan: SitePlan, report: PowerReport) -> str:
    """The diagram as an SVG document. Colours are doubled by words, so that it can be read without them."""
    site, feeds, pods = _sorted(report)
    levels = [[Box(f"Site {plan.name}", tuple(site))], [Box(f"Feed {key}", tuple(rows)) for key, rows in feeds.items()]]
    levels += [[Box(key, tuple(rows)) for key, rows in boxes.items()] for boxes in pods.values()]
    levels = [level[start : start + ABREAST] for level in levels for start in range(0, len(level), ABREAST)]
    width = max(len(level) for level in levels) * (WIDTH + GAP) + GAP
    parts: list[str] = []
    top = GAP * 2
    above: tuple[int, int] | None = None
    for level in levels:
        height = max(box.height for box in level)
        left = (width - len(level) * (WIDTH + GAP) + GAP) // 2
        for number, box in enumerate(level):
            x = left + number * (WIDTH + GAP)
            if above:
                middle = x + WIDTH // 2
                parts.append(f'<path d="M{above[0]} {above[1]} V{top - GAP // 2} H{middle} V{top}" class="wire"/>')
            parts += _box(box, x, top, height)
        above = (width // 2, top + height)
        top += height + GAP
    caption = f"{plan.name}: one-line diagram" + (", simulated" if plan.simulated else "")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}"'
        f' viewBox="0 0 {width} {top}" role="img">'
        f"<title>{escape(caption)}</title>"
        "<style>text{font:11px sans-serif;fill:#1a1a1a}.t{font-weight:bold}.box{fill:#fff;stroke:#444}"
        ".wire{fill:none;stroke:#444}</style>"
        f'<rect width="{width}" height="{top}" fill="#fafafa"/>'
        f'<text x="{GAP}" y="{GAP}" class="t">{escape(caption)}</text>'
    )
    return head + "".join(parts) + "</svg>\n"


def _sorted(
    report: PowerReport,
) -> tuple[list[LimitReport], dict[str, list[LimitReport]], dict[str, dict[str, list[LimitReport]]]]:
    """Limits of the site, of each feed, and of each pod and its racks, by where they stand in the stack."""
    site: list[LimitReport] = []
    feeds: dict[str, list[LimitReport]] = {key: [] for key in report.feeds}
    pods: dict[str, dict[str, list[LimitReport]]] = {}
    for row in report.limits:
        match row.path.split("."):
            case ["power", "feeds", feed, *_]:
                feeds.setdefault(feed, []).append(row)
            case ["pods", pod, "racks", rack, *_]:
                pods.setdefault(pod, {}).setdefault(f"{pod}/{rack}", []).append(row)
            case ["pods", pod, *_]:
                pods.setdefault(pod, {}).setdefault(pod, []).append(row)
            case _:
                site.append(row)
    return site, feeds, pods


def _box(box: Box, x: int, y: int, height: int) -> list[str]:
    parts = [
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{height}" rx="4" class="box"/>',
        f'<text x="{x + 8}" y="{y + LINE}" class="t">{escape(box.title)}</text>',
    ]
    rows = sorted(box.rows, key=_name)
    for number, row in enumerate(rows):
        parts += _row(row, x + 8, y + LINE * (2 + 2 * number) + 4)
    return parts


def _row(row: LimitReport, x: int, y: int) -> list[str]:
    """A line of text over a bar, and the margin beside the bar."""
    state = "over" if row.margin_w < 0 else "tight" if row.margin_w < TIGHT * row.limit_w else "good"
    margin = f"{kilowatts(abs(row.margin_w))} {'over' if row.margin_w < 0 else 'left'}"
    bar = WIDTH - 130
    filled = int(bar * min(1.0, row.carries_w / row.limit_w)) if row.limit_w else bar
    text = f"{_name(row)}: {kilowatts(row.carries_w)} of {kilowatts(row.limit_w)}"
    note = f"{margin}, {state}" if state != "good" else margin
    return [
        f'<text x="{x}" y="{y}">{escape(text)}<title>{escape(f"{row.element}, {row.situation}")}</title></text>',
        f'<rect x="{x}" y="{y + 4}" width="{bar}" height="6" fill="#ddd"/>',
        f'<rect x="{x}" y="{y + 4}" width="{filled}" height="6" fill="{COLOURS[state]}"/>',
        f'<text x="{x + bar + 6}" y="{y + 12}">{escape(note)}</text>',
    ]


def _name(row: LimitReport) -> str:
    """Short name of a limit inside its box."""
    last = row.path.rsplit(".", 1)[-1]
    if row.element.startswith("phase "):
        return f"{last} {row.element.split(' ')[1]}"
    if row.element.startswith("the power shelves"):
        return "power shelves"
    if last == "sku":
        return f"supplies of {row.path.split('.')[3]}"
    return last

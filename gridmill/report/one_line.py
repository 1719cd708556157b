"""The one-line diagram of a site's power as SVG: connection, feeds, racks and PDU phases, with loads and margins.

Where everything stands is worked out here; how it is drawn, the template says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gridmill.core.units import kilowatts
from gridmill.kernel.site_plan import SitePlan
from gridmill.power.report import LimitReport, PowerReport
from gridmill.report.figures import margin_state, share
from gridmill.report.rendering import page

WIDTH = 250
"""Pixels of a box; two fit side by side for feeds A and B of a rack."""
LINE = 17
"""Pixels of a line of text."""
GAP = 24
ABREAST = 6
"""Boxes side by side; more go into another row."""
BAR = WIDTH - 130
"""Pixels of a full bar."""
INDENT = 8

Titled = tuple[str, Sequence[LimitReport]]
Place = tuple[int, int]


@dataclass(frozen=True)
class Row:
    """A limit: its text over a bar, and the margin beside the bar. `x` and `y` are where its text begins."""

    x: int
    y: int
    text: str
    hint: str
    filled: int
    state: str
    margin: str


@dataclass(frozen=True)
class Box:
    """A titled box of limits."""

    title: str
    x: int
    y: int
    height: int
    rows: tuple[Row, ...]

    @property
    def top(self) -> Place:
        """Where a wire comes in."""
        return self.x + WIDTH // 2, self.y

    @property
    def bottom(self) -> Place:
        """Where a wire leaves."""
        return self.x + WIDTH // 2, self.y + self.height


@dataclass(frozen=True)
class Drawing:
    """Everything that is drawn; wires as paths of SVG."""

    caption: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    wires: tuple[str, ...]
    line: int = LINE
    indent: int = INDENT
    gap: int = GAP
    box_width: int = WIDTH
    bar: int = BAR


def one_line_svg(plan: SitePlan, report: PowerReport) -> str:
    """The diagram as an SVG document. Colours are doubled by words, so that it can be read without them."""
    return page("one_line.svg.j2", drawing=one_line(plan, report))


def one_line(plan: SitePlan, report: PowerReport) -> Drawing:
    """Boxes of the site, below them its feeds, below these each pod with its racks."""
    site, feeds, pods = _sorted(report)
    site_rows: list[list[Titled]] = [[(f"Site {plan.name}", site)]]
    feed_rows = _abreast([(f"Feed {key}", rows) for key, rows in feeds.items()])
    pod_rows = [row for boxes in pods.values() for row in _abreast(list(boxes.items()))]
    rows = [*site_rows, *feed_rows, *pod_rows]
    width = max(len(row) for row in rows) * (WIDTH + GAP) + GAP
    top = GAP * 2
    placed: list[list[Box]] = []
    for row in rows:
        placed.append(_place(row, width, top))
        top += placed[-1][0].height + GAP
    feeds_end = 1 + len(feed_rows)
    wires = _wires(placed[0], placed[1:feeds_end], GAP // 4)
    wires += _wires(placed[feeds_end - 1], placed[feeds_end:], GAP // 2)
    caption = f"{plan.name}: one-line diagram" + (", simulated" if plan.simulated else "")
    return Drawing(caption, width, top, tuple(box for row in placed for box in row), tuple(wires))


def _abreast(boxes: list[Titled]) -> list[list[Titled]]:
    return [boxes[start : start + ABREAST] for start in range(0, len(boxes), ABREAST)]


def _place(row: list[Titled], width: int, top: int) -> list[Box]:
    """A row of boxes of one height, in the middle."""
    height = max(LINE * (2 + 2 * len(limits)) for _, limits in row)
    left = (width - len(row) * (WIDTH + GAP) + GAP) // 2
    return [_box(title, limits, (left + number * (WIDTH + GAP), top), height)
            for number, (title, limits) in enumerate(row)]  # fmt: skip


def _wires(above: list[Box], below: list[list[Box]], trunk: int) -> list[str]:
    """From the boxes above to every box below: a bar over each row, and left of the boxes a trunk that joins bars."""
    if not below:
        return []
    bars = [row[0].y - GAP // 2 for row in below]
    wires = [f"M{x} {y} V{bars[0]}" for x, y in (box.bottom for box in above)]
    if len(bars) > 1:
        wires.append(f"M{trunk} {bars[0]} V{bars[-1]}")
    for number, (row, bar) in enumerate(zip(below, bars, strict=True)):
        ends = [box.top[0] for box in row] + ([box.bottom[0] for box in above] if number == 0 else [])
        left = trunk if len(bars) > 1 else min(ends)
        wires.append(f"M{left} {bar} H{max(ends)}")
        wires += [f"M{x} {bar} V{y}" for x, y in (box.top for box in row)]
    return wires


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


def _box(title: str, limits: Sequence[LimitReport], corner: Place, height: int) -> Box:
    x, y = corner
    rows = tuple(
        _row(limit, x + INDENT, y + LINE * (2 + 2 * number) + 4)
        for number, limit in enumerate(sorted(limits, key=_name))
    )
    return Box(title, x, y, height, rows)


def _row(limit: LimitReport, x: int, y: int) -> Row:
    state = margin_state(limit.carries_w, limit.limit_w)
    margin = f"{kilowatts(abs(limit.margin_w))} {'over' if limit.margin_w < 0 else 'left'}"
    return Row(
        x=x,
        y=y,
        text=f"{_name(limit)}: {kilowatts(limit.carries_w)} of {kilowatts(limit.limit_w)}",
        hint=f"{limit.element}, {limit.situation}",
        filled=int(BAR * share(limit.carries_w, limit.limit_w)),
        state=state,
        margin=margin if state == "good" else f"{margin}, {state}",
    )


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

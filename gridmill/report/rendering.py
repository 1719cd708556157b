"""Pages, diagrams and comments from the templates beside this file. Whatever is put into one is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from gridmill.core.units import kilowatts

if TYPE_CHECKING:
    from jinja2 import Environment

SPECIAL = re.compile(r"([\\`*_{}\[\]#|~])")
"""What Markdown takes for more than a character."""
MENTION = ("@", "&#64;")
"""A text in a comment mentions nobody."""


def page(template: str, **values: Any) -> str:
    """An HTML or SVG document."""
    return _environment(markdown=False).get_template(template).render(values)


def comment(template: str, **values: Any) -> str:
    """Markdown."""
    return _environment(markdown=True).get_template(template).render(values)


@cache
def _environment(*, markdown: bool) -> Environment:
    # only who writes a page pays for it: loading Jinja2 takes 0.1 s
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    made = Environment(
        loader=PackageLoader("gridmill.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_markdown if markdown else None,
    )
    made.filters |= {"kilowatts": kilowatts, "inside_html": _inside_html, "block": _block, "fence": _fence}
    return made


def _markdown(value: Any) -> Markup:
    """Text that Markdown and HTML take as it is, and that mentions nobody; what a filter made stays."""
    if isinstance(value, Markup):
        return value
    text = html.escape(" ".join(str(value).split()), quote=False)
    return Markup(SPECIAL.sub(r"\\\1", text).replace(*MENTION))  # noqa: S704 - escaped just here


def _inside_html(text: str) -> Markup:
    """Text inside of an HTML element of a comment, where a backslash escapes nothing."""
    return Markup(html.escape(" ".join(text.split())).replace(*MENTION))  # noqa: S704 - escaped just here


def _block(lines: Iterable[str]) -> Markup:
    """Lines of a code block, which Markdown shows as they are."""
    return Markup("\n".join(lines))  # noqa: S704 - between fences that no line of it can be


def _fence(lines: Iterable[str]) -> Markup:
    """Backticks around a code block: more than any run of them in it."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    return Markup("`" * max(3, longest + 1))  # noqa: S704 - backticks alone

"""How a change that would affect jobs reaches the nodes that run them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gridmill.core.base import Part
from gridmill.core.errors import printable
from gridmill.core.units import Seconds
from gridmill.core.windows import PATTERN, Window

STEP = r"([1-9][0-9]{0,4})|((100|[1-9][0-9]?) ?%)"


def _refuse(value: object, what: str, expected: str, hint: str = "") -> PydanticCustomError:
    context = {"found": printable(value), "what": what, "expected": expected, "hint": hint}
    return PydanticCustomError("rollout", "{found} is not a {what}", context)


def _step(value: object) -> str:
    """`1` and `"5 %"`, both as text."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not re.fullmatch(STEP, text):
        raise _refuse(value, "size of a wave", "a number of nodes such as 1, or a share such as 25 %")
    return text


def _window(value: object) -> str:
    try:
        Window.parse(str(value))
    except ValueError:
        days = "days in English and short, times with two digits: Mon-Fri 22:00-05:00"
        raise _refuse(value, "maintenance window", "days and times such as Sat 02:00-06:00", days) from None
    return str(value)


WaveSize = Annotated[
    str,
    BeforeValidator(_step),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^({STEP})$"}]}),
]
"""Nodes in a wave, or a share of the pod's nodes that run jobs."""
WindowText = Annotated[str, BeforeValidator(_window), WithJsonSchema({"type": "string", "pattern": PATTERN})]
"""A time of the week, in the site's time zone."""


class Rollout(Part):
    """How nodes in service are changed when the change would affect jobs: drained, a wave at a time, checked before
    jobs come back. Other changes are made at once."""

    waves: Annotated[list[WaveSize], Field(min_length=1, max_length=20)] = ["1", "5 %", "25 %"]  # noqa: RUF012
    """Sizes of the waves; the last one is repeated."""
    failures: Annotated[int, Field(ge=0, le=10000)] = 0
    """Nodes of a pod that may fail before no further wave begins."""
    jobs: Literal["finish", "requeue"] = "finish"
    """What becomes of jobs on a node that is drained: they may end, or are put back into the queue."""
    wait: Seconds = 1800
    """How long a wave waits for jobs to end; nodes that are not free by then stay drained, and the same command goes
    on with them."""
    reboot: bool = True
    """Whether a node may be restarted when its change needs that; it is free of jobs then."""
    windows: Annotated[list[WindowText], Field(default_factory=list, max_length=50)]
    """When waves may begin; at any time without one."""

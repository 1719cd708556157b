"""Asks every feature's rules about a typed site: every problem at once."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from gridmill.core.errors import Problem
from gridmill.core.sections.partial import NotTypedError
from gridmill.kernel.context import Context
from gridmill.kernel.feature import Feature


def check(context: Context, features: Sequence[Feature]) -> list[Problem]:
    """All problems of the site.

    Rules that need SKUs or indexes skip what another rule already refuses. A rule about a part of the site that is
    missing, since its types are wrong, says nothing.
    """
    problems: list[Problem] = []
    for feature in features:
        for rule in feature.problems:
            with contextlib.suppress(NotTypedError):
                problems += rule(context)
    return problems

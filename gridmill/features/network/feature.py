"""Addresses: blocks of pods and racks, IPv6, VLANs, names that the stack adds."""

from __future__ import annotations

from gridmill.features.network.addressing import addressing_problems
from gridmill.features.network.problems import network_problems
from gridmill.kernel.feature import Feature

FEATURE = Feature(
    name="network",
    problems=(
        lambda context: addressing_problems(context.site),
        lambda context: network_problems(context.site),
    ),
)

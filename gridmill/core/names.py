"""Numbers of pods and racks from their keys: stable, since a key never changes with its neighbours."""

from __future__ import annotations

import re

from gridmill.core.sections.pods import Pod, Rack, Slot


def number_of_key(key: str) -> int | None:
    """The number that a key ends with (`r7` is 7, `pod-12` is 12), or a single last letter's (`pod-a` is 1)."""
    if match := re.search(r"([0-9]+)$", key):
        return int(match[1]) or None
    if match := re.search(r"-([a-z])$", key):
        return ord(match[1]) - ord("a") + 1
    return None


def pod_index(key: str, pod: Pod) -> int | None:
    """Number of a pod's address block, or None when neither stated nor in the key."""
    return pod.index if pod.index is not None else number_of_key(key)


def rack_index(key: str, rack: Rack) -> int | None:
    """Number of a rack's address block inside its pod, or None when neither stated nor in the key."""
    return rack.index if rack.index is not None else number_of_key(key)


def node_label(pod: str, slot: Slot) -> str:
    """Host name of the node in a slot: pod, rack, unit with two digits."""
    return f"{pod}-{slot.rack}-u{slot.unit:02d}"


NodeKey = tuple[str, Slot]
"""Pod and slot."""

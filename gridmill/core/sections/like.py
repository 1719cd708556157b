"""`like`: a pod that repeats another one says only what differs. Worked out on plain data, before anything is typed."""

from __future__ import annotations

import difflib
from typing import Any

from gridmill.core.errors import Problem, printable

OWN = frozenset({"from", "index", "like", "machines", "maintenance", "nodes"})
"""Keys that belong to one pod alone; everything else comes from the other where the pod says nothing."""


def resolve_likes(data: Any) -> tuple[Any, list[Problem]]:
    """The site's data with every `like` filled in, and what is wrong with them. `data` itself stays as it is."""
    pods = data.get("pods") if isinstance(data, dict) else None
    if not isinstance(pods, dict):
        return data, []
    problems: list[Problem] = []
    return {**data, "pods": {key: _resolved(key, pods, (), problems) for key in pods}}, problems


def _resolved(key: str, pods: dict[str, Any], before: tuple[str, ...], problems: list[Problem]) -> Any:
    pod = pods[key]
    if not isinstance(pod, dict) or pod.get("like") is None:
        return pod
    other = pod["like"]
    place = ("pods", key, "like")
    if not isinstance(other, str) or not isinstance(pods.get(other), dict):
        near = difflib.get_close_matches(str(other), [name for name in pods if name != key], n=1)
        hint = f"did you mean {near[0]}?" if near else ""
        problems.append(Problem(place, f"{printable(other)} is not a pod", "the key of another pod", hint))
        return pod
    if other == key or other in before:
        way = " -> ".join((*before, key, other))
        problems.append(Problem(place, f"the pods are like each other: {way}", "one of them says it all"))
        return pod
    return _joined(pod, _resolved(other, pods, (*before, key), problems))


def _joined(pod: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    joined = {**{key: value for key, value in other.items() if key not in OWN}, **pod}
    for section in ("nodes", "equipment"):
        groups, others = pod.get(section), other.get(section)
        if isinstance(groups, dict) and isinstance(others, dict):
            joined[section] = {key: _group(group, others.get(key)) for key, group in groups.items()}
    return joined


def _group(group: Any, other: Any) -> Any:
    if not isinstance(group, dict) or not isinstance(other, dict):
        return group
    return {**{key: value for key, value in other.items() if key != "at"}, **group}

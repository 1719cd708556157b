"""MooseFS: storage classes and quotas as its tools print and set them, and the difference to the plan. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

BATCH = 200
"""Directories per call of a tool: far below the longest command line."""


def class_name(replicas: int) -> str:
    """Name of our storage class with so many copies on any servers."""
    return f"gridmill-{replicas}"


def class_command(mount: str, replicas: int) -> list[str]:
    """Makes the class; `2*` means two copies, each on a server of any label."""
    return ["mfscreatesclass", "-M", mount, "-K", f"{replicas}*", class_name(replicas)]


def parse_classes(output: str) -> dict[str, str]:
    """`mfsgetsclass DIRECTORY...`: class by directory."""
    pairs = (line.rsplit(": ", 1) for line in output.splitlines() if ": " in line)
    return {path: name.strip() for path, name in pairs}


def parse_quotas(output: str) -> dict[str, int]:
    """`mfsgetquota -n DIRECTORY...`: hard limit on the length of files in bytes by directory; 0 for none."""
    found: dict[str, int] = {}
    path = ""
    for line in output.splitlines():
        if line.startswith("/") and line.endswith(":"):
            path = line[:-1]
            found[path] = 0
        elif path and line.startswith(" length "):
            _, _current, _soft, _percent, hard, *_ = (field.strip() for field in line.split("|"))
            found[path] = 0 if hard == "-" else int(hard)
    return found


def wanted_quotas(root: str, volumes: Mapping[str, Mapping[str, Any]], people: Iterable[str]) -> dict[str, int]:
    """Limit in bytes of every volume, and of every user's directory in it; 0 for none."""
    names = list(people)
    wanted = {}
    for name, volume in volumes.items():
        wanted[f"{root}/{name}"] = int(volume["size"])
        if volume["holds"] != "shared":
            for one in names:
                wanted[f"{root}/{name}/{one}"] = int(volume["quotas"].get(one, volume["quota"]))
    return wanted


def quota_commands(wanted: Mapping[str, int], found: Mapping[str, int]) -> list[list[str]]:
    """Commands that set what differs; directories with the same limit share one."""
    by_limit: dict[int, list[str]] = defaultdict(list)
    for path, limit in wanted.items():
        if found.get(path, 0) != limit:
            by_limit[limit].append(path)
    return [
        [*(["mfssetquota", "-n", "-L", str(limit)] if limit else ["mfsdelquota", "-n", "-L"]), *batch]
        for limit, paths in sorted(by_limit.items())
        for batch in batches(paths)
    ]


def batches(paths: list[str]) -> list[list[str]]:
    """Paths in portions that fit a command line."""
    return [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]


def parse_servers(output: str) -> dict[str, bool]:
    """`mfscli -SCS -j`: whether each chunk server is connected, by address. ValueError when it is something else."""
    data = json.loads(output)
    try:
        return {str(one["ip"]): one["connected"] is True for one in data["dataset"]["chunkservers"]}
    except (KeyError, TypeError) as error:
        raise ValueError(f"no list of chunk servers: {error!r}") from error

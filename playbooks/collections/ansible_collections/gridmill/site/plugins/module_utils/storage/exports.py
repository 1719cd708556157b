"""Who may mount which volume: what a server's exports say, and what they become. Pure.

Clients work with what they mounted until they are changed themselves, a wave of nodes after the other. So a server
grants first and withdraws last: see `granted` and `withdrawn`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

MARK = "# Written by Gridmill."
HEADS = {
    "moosefs": f"{MARK} Root of a client is nobody here; whole trees are for the master itself.",
    "nfs": f"{MARK} sec=sys trusts the users' numbers that machines of these networks send; root is nobody.",
}
ONE_MOOSEFS = re.compile(r"(\S+) (/\S+) (ro|rw),maproot=65534:65534")
ONE_NFS = re.compile(r"(\S+)\((ro|rw),sync,no_subtree_check,root_squash,sec=sys\)")

Exports = dict[tuple[str, str], str]
"""`ro` or `rw` by path and network."""


def planned(volumes: Mapping[str, Mapping[str, Any]], networks: Iterable[str]) -> Exports:
    """What volumes (by name: read_only and, unless it is the name, path) are to be to networks."""
    return {
        (str(volume.get("path") or f"/{name}"), network): "ro" if volume["read_only"] else "rw"
        for name, volume in volumes.items()
        for network in networks
    }


def parse(kind: str, text: str) -> Exports:
    """What a file of ours grants; nothing for one that somebody else wrote."""
    if not text.startswith(MARK):
        return {}
    lines = [line.strip() for line in text.splitlines()]
    if kind == "moosefs":
        found = [one for one in map(ONE_MOOSEFS.fullmatch, lines) if one]
        return {(one[2], one[1]): one[3] for one in found}
    split = [line.split() for line in lines if line.startswith("/")]
    return {(line[0], one[1]): one[2] for line in split for one in map(ONE_NFS.fullmatch, line[1:]) if one}


def granted(wanted: Exports, now: Exports) -> Exports:
    """As planned, and whatever is there already: nothing is taken from clients that still work with it."""
    return {key: "rw" if "rw" in (wanted.get(key), now.get(key)) else "ro" for key in {*wanted, *now}}


def withdrawn(wanted: Exports, now: Exports) -> Exports:
    """What is there already, as far as it is planned; nothing is added."""
    return {key: "ro" if "ro" in (wanted[key], mode) else "rw" for key, mode in now.items() if key in wanted}


def text(kind: str, exports: Exports, master: str = "") -> str:
    """The file; a MooseFS master grants itself the whole tree."""
    lines = [HEADS[kind]]
    if kind == "moosefs":
        lines.append(f"{master} / rw,admin,maproot=0:0")
        lines += [f"{network} {path} {mode},maproot=65534:65534" for (path, network), mode in sorted(exports.items())]
        return "\n".join(lines) + "\n"
    for path in sorted({path for path, _ in exports}):
        networks = sorted((network, mode) for (its, network), mode in exports.items() if its == path)
        clients = [f"{network}({mode},sync,no_subtree_check,root_squash,sec=sys)" for network, mode in networks]
        lines.append(" ".join([path, *clients]))
    return "\n".join(lines) + "\n"


def told(before: Exports, after: Exports) -> list[str]:
    """The difference, for people."""
    gone = [f"withdraw {path} from {network}" for path, network in sorted({*before} - {*after})]
    return gone + [
        f"{path} {mode} for {network}"
        for (path, network), mode in sorted(after.items())
        if before.get((path, network)) != mode
    ]

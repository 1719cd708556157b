"""Which packages are installed, which are offered, and what to hand to apt: pure functions over their output."""

from __future__ import annotations

from fnmatch import fnmatchcase

from ansible.module_utils.gridmill_node.commands import Run

SHOW = "${Package}\t${db:Status-Status}\t${Version}\n"


def parse_installed(output: str) -> dict[str, str]:
    """Version per installed package, from dpkg-query with the format SHOW."""
    rows = [line.split("\t") for line in output.splitlines()]
    return {row[0]: row[2] for row in rows if len(row) == 3 and row[1] == "installed"}


def parse_offered(output: str) -> dict[str, list[str]]:
    """Versions per package, best first, from `apt-cache madison`."""
    offered: dict[str, list[str]] = {}
    for line in output.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 3 and cells[1] not in offered.setdefault(cells[0], []):
            offered[cells[0]].append(cells[1])
    return offered


def matches(version: str, pattern: str) -> bool:
    """True when a version fits a pattern such as 550.163.01* (epoch not counted); an empty pattern fits every one."""
    return not pattern or fnmatchcase(version.partition(":")[2] or version, pattern)


def installed(names: list[str], run: Run) -> dict[str, str]:
    """Version per installed package among `names`; dpkg's complaint about unknown names is expected."""
    return parse_installed(run(["dpkg-query", "--show", f"--showformat={SHOW}", *names]).output) if names else {}


def offered(names: list[str], run: Run) -> dict[str, list[str]]:
    """Versions that the package lists hold for `names`."""
    return parse_offered(run(["apt-cache", "madison", *names]).output) if names else {}


def choose(wanted: dict[str, str], have: dict[str, str], on_offer: dict[str, list[str]]) -> tuple[list[str], list[str]]:
    """Specifications to install (name=version) and problems, for the wanted patterns that are not installed."""
    specifications, problems = [], []
    for name, pattern in wanted.items():
        if name in have and matches(have[name], pattern):
            continue
        versions = on_offer.get(name, [])
        fitting = [version for version in versions if matches(version, pattern)]
        if fitting:
            specifications.append(f"{name}={fitting[0]}")
        else:
            seen = f"apt offers {', '.join(versions)}" if versions else "apt offers none"
            problems.append(f"{name} {pattern or '(any version)'}: {seen}")
    return specifications, problems


def simulated(output: str) -> str:
    """What `apt-get --simulate` would do, as lines of a difference: + installed, ~ replaced, - removed."""
    lines = []
    for line in output.splitlines():
        words = line.split()
        if len(words) > 2 and words[0] == "Inst":
            replaced = words[2].startswith("[")
            version = words[3 if replaced else 2].lstrip("(")
            lines.append(f"~{words[1]} {words[2]} -> {version}" if replaced else f"+{words[1]} {version}")
        elif len(words) > 1 and words[0] == "Remv":
            lines.append(f"-{words[1]}")
    return "".join(f"{line}\n" for line in sorted(lines))

"""Which packages are installed, which are offered, and what to hand to apt: pure functions over their output."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run

SHOW = "${Package}\t${db:Status-Status}\t${Version}\n"
SHOW_WANT = "${Package}\t${db:Status-Want}\n"
LOCKED = re.compile(r"lock was locked by another process|unable to lock|status database area is locked", re.IGNORECASE)
HALFWAY = frozenset({"unpacked", "half-configured", "triggers-awaited", "triggers-pending"})


def parse_installed(output: str) -> dict[str, str]:
    """Version per installed package, from dpkg-query with the format SHOW."""
    found: dict[str, str] = {}
    for line in output.splitlines():
        match line.split("\t"):
            case [name, "installed", version]:
                found[name] = version
    return found


def interrupted(output: str) -> list[str]:
    """Packages that are unpacked and not configured, from dpkg-query with the format SHOW over all packages."""
    rows = [line.split("\t") for line in output.splitlines()]
    return [row[0] for row in rows if len(row) > 1 and row[1] in HALFWAY]


def parse_offered(output: str) -> dict[str, list[str]]:
    """Versions per package, best first, from `apt-cache madison`."""
    found: dict[str, list[str]] = {}
    for line in output.splitlines():
        match [cell.strip() for cell in line.split("|")]:
            case [name, version, _] if version not in found.get(name, []):
                found.setdefault(name, []).append(version)
    return found


def matches(version: str, pattern: str) -> bool:
    """True when a version fits a pattern such as 550.163.01* (epoch not counted); an empty pattern fits every one."""
    return not pattern or fnmatchcase(version.partition(":")[2] or version, pattern)


def installed(names: list[str], run: Run) -> dict[str, str]:
    """Version per installed package among `names`; dpkg's complaint about unknown names is expected."""
    return parse_installed(run(["dpkg-query", "--show", f"--showformat={SHOW}", *names]).output) if names else {}


def not_held(names: list[str], run: Run) -> list[str]:
    """Those of `names` that dpkg may move; a package that is not installed is not held either."""
    output = run(["dpkg-query", "--show", f"--showformat={SHOW_WANT}", *names]).output if names else ""
    held = {name for name, _, want in (line.partition("\t") for line in output.splitlines()) if want == "hold"}
    return [name for name in names if name not in held]


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
        match line.split():
            case ["Inst", name, old, new, *_] if old.startswith("["):
                lines.append(f"~{name} {old.strip('[]')} -> {new.lstrip('(')}")
            case ["Inst", name, new, *_]:
                lines.append(f"+{name} {new.lstrip('(')}")
            case ["Remv", name, *_]:
                lines.append(f"-{name}")
    return "".join(f"{line}\n" for line in sorted(lines))


def removals(output: str) -> list[str]:
    """Packages that `apt-get --simulate` would remove."""
    rows = [line.split() for line in output.splitlines()]
    return [row[1] for row in rows if len(row) > 1 and row[0] in {"Remv", "Purg"}]

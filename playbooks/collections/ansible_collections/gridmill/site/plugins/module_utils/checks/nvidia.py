"""Checks of GPUs, by what nvidia-smi says. No answer from nvidia-smi is a failed check, never a passed one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.nvidia.loaded_driver import MARKER
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result, Run

_HINT = "nvidia-smi on this host says more; a missing GPU is in the kernel log too"


def query(run: Run, fields: list[str]) -> tuple[list[list[str]], str]:
    """One row per GPU with the named fields, and what went wrong (empty when nothing did)."""
    answer = run(["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"])
    return parse_rows(answer, len(fields))


def parse_rows(answer: Result, width: int) -> tuple[list[list[str]], str]:
    """Rows of a CSV answer; an answer with another number of columns is an error, not a shorter row."""
    if not answer.ok:
        return [], answer.complaint()
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.output.splitlines() if line.strip()]
    if not rows:
        return [], "nvidia-smi lists no GPU"
    if any(len(row) != width for row in rows):
        return [], f"nvidia-smi gave an unexpected answer: {answer.output.splitlines()[0]!r}"
    return rows, ""


def driver(wanted: dict[str, Any], run: Run, marker: Path = MARKER) -> Check:
    """Every GPU runs under the driver `version`. What waits for a restart is told, as it is the usual reason."""
    version = str(wanted["version"])
    rows, problem = query(run, ["driver_version"])
    found = problem or ", ".join(sorted({row[0] for row in rows}))
    waiting = "; ".join(marker.read_text(encoding="utf-8").splitlines()) if marker.exists() else ""
    hint = f"the machine must be restarted: {waiting}" if waiting else _HINT
    return result("nvidia_driver", ok=found == version, expected=version, found=found, hint=hint)


def gpus(wanted: dict[str, Any], run: Run) -> Check:
    """`count` GPUs answer, each with `name_contains` in its name."""
    count, part = int(wanted["count"]), str(wanted.get("name_contains", ""))
    rows, problem = query(run, ["index", "name"])
    names = [row[1] for row in rows]
    counted = ", ".join(f"{names.count(name)} x {name}" for name in sorted(set(names)))
    return result(
        "gpus",
        ok=not problem and len(names) == count and all(part in name for name in names),
        expected=f"{count} x {part or 'GPU'}",
        found=problem or counted,
        hint=_HINT,
    )


def power_range(wanted: dict[str, Any], run: Run) -> Check:
    """Every GPU can be capped from `min_w` to `max_w` watts, starts at `default_w`, and its limit lies within.

    `entry` is the catalogue's file that says so, and is to be mended when the machine is right.
    """
    low, high, default = (float(wanted[key]) for key in ("min_w", "max_w", "default_w"))
    fields = ["index", "power.min_limit", "power.max_limit", "power.default_limit", "power.limit"]
    rows, problem = query(run, fields)
    wrong = [
        f"GPU {index}: {least}-{most} W, default {start} W, limit {limit} W"
        for index, least, most, start, limit in rows
        if not _in_range((least, most, start, limit), low, high, default)
    ]
    entry = str(wanted.get("entry", "the catalogue's entry of this GPU"))
    return result(
        "gpu_power_range",
        ok=not problem and not wrong,
        expected=f"{low:g}-{high:g} W, default {default:g} W",
        found=problem or "; ".join(wrong) or f"{low:g}-{high:g} W on {len(rows)} GPUs",
        hint=f"mend {entry}, or the machine: a power plan made from a wrong range would be wrong",
    )


def _in_range(cells: tuple[str, ...], low: float, high: float, default: float) -> bool:
    try:
        least, most, start, limit = (float(cell) for cell in cells)
    except ValueError:  # "[N/A]", "[Unknown Error]"
        return False
    return least == low and most == high and start == default and low <= limit <= high


def power_limit(wanted: dict[str, Any], run: Run) -> Check:
    """Every GPU's limit is `watts`."""
    watts = int(wanted["watts"])
    rows, problem = query(run, ["index", "power.limit", "power.default_limit"])
    apart = limits_apart(rows, watts)
    wrong = [f"GPU {row[0]}: {row[1]} W" for row in rows if row[0] in apart]
    return result(
        "gpu_power_limit",
        ok=not problem and not wrong,
        expected=f"{watts} W",
        found=problem or "; ".join(wrong) or f"{watts} W on {len(rows)} GPUs",
        hint="somebody or a restart of the driver changed it: run `pulumi up`, and see gridmill-gpu-power.service",
    )


def limits_apart(rows: list[list[str]], watts: int) -> dict[str, str]:
    """Limit in W to be set, by the index of each GPU that has another; rows are index, limit, default limit.

    0 watts stand for the default. A cell that is no number ("[N/A]") counts as another limit.
    """
    found = {}
    for index, limit, default in rows:
        wanted = str(watts) if watts else default
        try:
            same = float(limit) == float(wanted)
        except ValueError:
            same = False
        if not same:
            found[index] = wanted
    return found


def nvlinks(wanted: dict[str, Any], run: Run) -> Check:
    """Every GPU has `count` NVLinks up."""
    count = int(wanted["count"])
    answer = run(["nvidia-smi", "nvlink", "--status"])
    active = parse_nvlinks(answer.output) if answer.ok else {}
    wrong = [f"GPU {index}: {links}" for index, links in active.items() if links != count]
    missing = "" if active else (answer.complaint() if not answer.ok else "nvidia-smi lists no NVLink")
    return result(
        "nvlinks",
        ok=not missing and not wrong,
        expected=f"{count} active on each GPU",
        found=missing or "; ".join(wrong) or f"{count} on each of {len(active)} GPUs",
        hint=_HINT,
    )


def parse_nvlinks(output: str) -> dict[int, int]:
    """Active links per GPU index; an inactive link doesn't count."""
    active: dict[int, int] = {}
    current = -1
    for line in output.splitlines():
        if found := re.match(r"GPU (\d+):", line.strip()):
            current = int(found[1])
            active[current] = 0
        elif current >= 0 and re.match(r"Link \d+: [\d.]+ GB/s", line.strip()):
            active[current] += 1
    return active

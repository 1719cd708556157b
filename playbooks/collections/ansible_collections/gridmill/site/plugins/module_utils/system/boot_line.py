"""Kernel parameters on the boot line, by GRUB's own drop-ins: pure, over texts."""

from __future__ import annotations

import shlex

HEAD = "# Written by Gridmill.\n"


def drop_in(parameters: list[str]) -> str:
    """Text of /etc/default/grub.d/90-gridmill.cfg, a piece of shell that update-grub reads."""
    added = shlex.quote(" ".join(parameters))
    return f'{HEAD}GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX "{added}\n'


def parameters_of(text: str) -> list[str]:
    """The parameters in such a text; none in any other."""
    for line in text.splitlines():
        if line.startswith("GRUB_CMDLINE_LINUX="):
            words = shlex.split(line.partition("=")[2])
            return words[0].removeprefix("$GRUB_CMDLINE_LINUX").split() if words else []
    return []


def difference(wanted: list[str], former: list[str], running: str) -> str:
    """What the running kernel's boot line lacks, or has too much, of what the plan has or had; empty when nothing."""
    present = running.split()
    missing = [f"+{one}" for one in wanted if one not in present]
    left = [f"-{one}" for one in sorted(set(former)) if one not in wanted and one in present]
    return " ".join(missing + left)

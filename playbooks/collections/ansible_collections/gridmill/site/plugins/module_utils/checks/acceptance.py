"""An acceptance job: how it is submitted, and what its output and its record in accounting must say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result

RUNNING = frozenset(
    {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED", "RESIZING", "SUSPENDED", "STAGE_OUT"}
)
RECORD_FIELDS = ("JobIDRaw", "State", "ExitCode", "AllocTRES", "ElapsedRaw", "NodeList", "Account", "User", "Partition")
# As `nvidia-smi --list-gpus` prints a GPU, and as `nvidia-smi --query-gpu=index,name --format=csv,noheader` does.
_GPU_LINE = "^(GPU [0-9]+: |[0-9]+, )."
WRONG_COUNT = 100
"""The job itself counts: with another number of GPUs than it asked for it exits with this plus what it counted."""
_MOST_COUNTED = 25  # 126 and more are the shell's own
# Reasons for which a job waits on a cluster that works: for what others use, or for a limit on what is used at once.
_FULL = re.compile(r"^(Resources|Priority|QOS\w*|Assoc\w*|Grp\w*|\w*Limit)$")
_SECONDS = 2


@dataclass(frozen=True)
class Job:
    """What is submitted."""

    name: str
    partition: str
    gres: str
    user: str
    account: str
    command: str

    @property
    def gpus(self) -> int:
        """GPUs that the job asks for: gpu:h100:2 and gpu:2 -> 2, gpu -> 1."""
        total = 0
        for part in self.gres.split(","):
            pieces = part.split(":")
            if pieces[0] == "gpu":
                total += int(pieces[-1]) if len(pieces) > 1 and pieces[-1].isdigit() else 1
        return total


def job(raw: dict[str, Any]) -> Job:
    """A job from the plan. Raises KeyError for what the plan left out."""
    return Job(**{field: str(raw[field]) for field in ("name", "partition", "gres", "user", "account", "command")})


def as_user(user: str, argv: list[str]) -> list[str]:
    """The command, run by that user."""
    return ["runuser", "--user", user, "--", *argv]


def submission(one: Job, minutes: int) -> list[str]:
    """Arguments of sbatch; the script comes on standard input."""
    options = {
        "job-name": one.name,
        "partition": one.partition,
        "gres": one.gres,
        "account": one.account,
        "nodes": "1",
        "time": str(minutes),
        "chdir": "/",
        "output": "/dev/null",
    }
    return ["sbatch", "--parsable", "--no-requeue", *(f"--{key}={value}" for key, value in options.items())]


def script(one: Job) -> str:
    """The batch script, which COMPLETES only when the command listed as many GPUs as the job asked for.

    So nothing has to be fetched from the node, and no second job has to find a place. Accounting counts whole seconds,
    so that it must take some to be seen there.
    """
    return f"""#!/bin/sh
set -eu
listing=$({one.command})
counted=$(printf '%s\\n' "$listing" | grep -cE '{_GPU_LINE}' || :)
sleep {_SECONDS}
[ "$counted" -ne {one.gpus} ] || exit 0
[ "$counted" -le {_MOST_COUNTED} ] || counted={_MOST_COUNTED}
exit $(({WRONG_COUNT} + counted))
"""


def unfinished(one: Job, identifier: str, queue: str, running: int) -> Check:
    """A job that is not over in time: on a cluster that is merely full, or for another reason.

    `queue` is `state|reason` from squeue; `running` counts the other jobs that run.
    """
    state, _, reason = queue.strip().partition("|")
    full = state == "PENDING" and running > 0 and bool(_FULL.match(reason))
    hint = f"scontrol show job {identifier} and sinfo --list-reasons on the controller"
    if full:
        hint = (
            f"the cluster is full: other jobs run ({running}), and this one waited for what they use ({reason});"
            " nothing was found broken, and nothing was proven; run again when GPUs are free"
        )
    found = f"{state or 'unknown'}{f' ({reason})' if reason else ''}; cancelled"
    return result(f"job {one.name} ({identifier}) in time", ok=False, expected="over", found=found, hint=hint)


def parse_record(output: str) -> dict[str, str]:
    """One job's record from `sacct --parsable2 --noheader --allocations`; empty while there is none."""
    for line in output.splitlines():
        cells = line.split("|")
        if len(cells) == len(RECORD_FIELDS):
            return dict(zip(RECORD_FIELDS, cells, strict=True))
    return {}


def told(record: dict[str, str]) -> dict[str, str]:
    """What a person wants to know of a job's record."""
    gpus = tres(record.get("AllocTRES", "")).get("gres/gpu", "none")
    return {
        "state": record.get("State", "unknown"),
        "node": record.get("NodeList", ""),
        "gpus": gpus,
        "seconds": record.get("ElapsedRaw", ""),
    }


def over(record: dict[str, str]) -> bool:
    """True when the job has ended and accounting knows it."""
    state = record.get("State", "")
    return bool(state) and state.split()[0] not in RUNNING


def tres(text: str) -> dict[str, str]:
    """cpu=2,gres/gpu=2,gres/gpu:h100=2 -> {cpu: 2, ...}."""
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def counted(record: dict[str, str], asked: int) -> str:
    """GPUs that the job listed, from its exit code; `none counted` when its command failed or it never got there."""
    if record.get("State") == "COMPLETED":
        return str(asked)
    code = record.get("ExitCode", "").split(":")[0]
    found = int(code) - WRONG_COUNT if code.isdigit() else -1
    return str(found) if 0 <= found <= _MOST_COUNTED and found != asked else "none counted"


def checks_of(one: Job, identifier: str, record: dict[str, str]) -> list[Check]:
    """Every check of a job that has ended."""
    prefix = f"job {one.name} ({identifier})"
    state, gpus = record.get("State", "unknown"), tres(record.get("AllocTRES", "")).get("gres/gpu", "none")
    elapsed = record.get("ElapsedRaw", "")
    seen = counted(record, one.gpus)
    booked = f"gres/gpu={gpus}, {elapsed or 'no'} s, account {record.get('Account', 'none')}"
    right = gpus == str(one.gpus) and elapsed.isdigit() and int(elapsed) > 0 and record.get("Account") == one.account
    log = (
        f"sacct --jobs {identifier} on the controller, journalctl --unit slurmd on {record.get('NodeList', 'the node')}"
    )
    return [
        result(
            f"{prefix} state",
            ok=state == "COMPLETED",
            expected="COMPLETED",
            found=f"{state}, exit code {record.get('ExitCode', 'unknown')}",
            hint=log,
        ),
        result(f"{prefix} GPUs", ok=seen == str(one.gpus), expected=one.gpus, found=seen, hint=log),
        result(
            f"{prefix} accounting",
            ok=right,
            expected=f"gres/gpu={one.gpus}, some seconds, account {one.account}",
            found=booked,
            hint="are AccountingStorageTRES and the association right?",
        ),
    ]

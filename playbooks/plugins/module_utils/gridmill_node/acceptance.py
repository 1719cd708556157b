"""An acceptance job: how it is submitted, and what its output and its record in accounting must say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.gridmill_node.checks import Check, result

# On the node itself. A private /tmp of the job would hide the file from the job that reads it.
OUTPUT_DIRECTORY = "/var/tmp"  # noqa: S108
RUNNING = frozenset(
    {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED", "RESIZING", "SUSPENDED", "STAGE_OUT"}
)
RECORD_FIELDS = ("JobIDRaw", "State", "ExitCode", "AllocTRES", "ElapsedRaw", "NodeList", "Account", "User", "Partition")
# As `nvidia-smi --list-gpus` prints a GPU, and as `nvidia-smi --query-gpu=index,name --format=csv,noheader` does.
_GPU_LINE = re.compile(r"^(?:GPU \d+: |\d+, )(?P<name>.+?)(?: \(UUID: .*\))?$", re.MULTILINE)
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
        "output": output_file(one, "%j"),
    }
    return ["sbatch", "--parsable", "--no-requeue", *(f"--{key}={value}" for key, value in options.items())]


def script(one: Job) -> str:
    """The batch script. Accounting counts whole seconds, so that it must take some to be seen there."""
    return f"#!/bin/sh\nset -eu\n{one.command}\nsleep {_SECONDS}\n"


def output_file(one: Job, identifier: str) -> str:
    """Where the job's output is written, on the node that runs it."""
    return f"{OUTPUT_DIRECTORY}/gridmill-{re.sub(r'[^A-Za-z0-9_.-]', '_', one.name)}-{identifier}.out"


def collection(one: Job, identifier: str, node: str) -> list[str]:
    """Arguments of a small job on the same node that prints the output and removes it, without a shared file system."""
    file = output_file(one, identifier)
    options = {"job-name": f"{one.name}-output", "partition": one.partition, "account": one.account, "nodelist": node}
    limits = [
        "--nodes=1",
        "--ntasks=1",
        "--cpus-per-task=1",
        "--mem=64",
        "--overcommit",
        "--time=2",
        "--chdir=/",
        "--quiet",
    ]
    return [
        "srun",
        *(f"--{key}={value}" for key, value in options.items()),
        *limits,
        "sh",
        "-c",
        f"cat {file}; rm -f {file}",
    ]


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


def judge(one: Job, identifier: str, record: dict[str, str], output: str) -> list[Check]:
    """Every check of a job that has ended."""
    prefix = f"job {one.name} ({identifier})"
    names = _GPU_LINE.findall(output)
    state, gpus = record.get("State", "unknown"), tres(record.get("AllocTRES", "")).get("gres/gpu", "none")
    elapsed = record.get("ElapsedRaw", "")
    seen = f"{len(names)} ({', '.join(sorted(set(names)))})" if names else f"none in {output.strip()[-200:]!r}"
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
        result(f"{prefix} GPUs", ok=len(names) == one.gpus, expected=one.gpus, found=seen, hint=log),
        result(
            f"{prefix} accounting",
            ok=right,
            expected=f"gres/gpu={one.gpus}, some seconds, account {one.account}",
            found=booked,
            hint="are AccountingStorageTRES and the association right?",
        ),
    ]

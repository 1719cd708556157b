"""What users of Slurm see: partitions and accounts."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from gridmill.core.base import PLAIN_SENTENCE, PLAIN_TEXT, GroupKey, Part, PartitionName, UserName, text

Duration = Annotated[
    str,
    text(
        r"^(([0-9]{1,3}-[0-9]{2}|[0-9]{1,3}):[0-5][0-9]:[0-5][0-9]|UNLIMITED)$",
        "a time in quotes as hours:minutes:seconds or days-hours:minutes:seconds, such as '4:00:00' for 4 hours or"
        " '2-00:00:00' for 2 days; or UNLIMITED",
    ),
]
"""Slurm's time format `days-hours:minutes:seconds` or `hours:minutes:seconds`."""

WholeMinutes = Annotated[
    str,
    text(
        r"^([0-9]{1,3}-[0-9]{2}|[0-9]{1,3}):[0-5][0-9]:00$",
        "whole minutes in quotes as hours:minutes:00 or days-hours:minutes:00, such as '12:00:00'",
    ),
]
"""The same without seconds, since accounting keeps minutes."""

Count = Annotated[int, Field(ge=0, le=10_000_000)]
"""A number of things in use; 0 allows none."""


def seconds_of(duration: str) -> float:
    """A duration in s; UNLIMITED is infinite."""
    if duration == "UNLIMITED":
        return math.inf
    days, _, clock = duration.rpartition("-")
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


class Partition(Part):
    """A Slurm partition over groups of nodes."""

    node_groups: Annotated[list[GroupKey], Field(min_length=1, max_length=64)]
    """Groups of nodes (of all pods) that it spans, such as `[gpu]`."""
    default: bool = False
    """Whether jobs without `--partition` land here."""
    max_time: Duration = "UNLIMITED"
    """Longest run time of a job, such as `2-00:00:00`."""
    default_time: Duration | None = None
    """Run time of a job that doesn't say; by default the longest."""
    max_nodes: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Most nodes of one job."""
    priority: Annotated[int, Field(ge=1, le=65_533)] = 1
    """Jobs of a partition with a higher number start before those of others that want the same nodes."""
    allow_accounts: Annotated[list[PartitionName], Field(min_length=1)] | None = None
    """Accounts whose jobs may run here; by default all."""
    allow_groups: Annotated[list[UserName], Field(min_length=1)] | None = None
    """Groups (of access.groups) whose people may run jobs here; by default all."""


class Limits(Part):
    """What the jobs of an account may use at once, all together. More waits in the queue."""

    gpus: Count | None = None
    """GPUs in use."""
    cpus: Count | None = None
    """CPUs (hardware threads) in use."""
    nodes: Count | None = None
    """Nodes in use."""
    jobs: Count | None = None
    """Running jobs."""
    max_wall: WholeMinutes | None = None
    """Longest run time of any one job, such as `12:00:00`."""


class Account(Part):
    """A Slurm account: who pays for jobs."""

    description: Annotated[str, text(PLAIN_TEXT, PLAIN_SENTENCE)]
    """What it is for."""
    users: Annotated[list[UserName], Field(default_factory=list)]
    """Users or administrators who may charge it; one who is no longer listed starts no more jobs with it."""
    limits: Limits = Limits()
    """What its jobs may use."""


class Scheduler(Part):
    """Partitions and accounts."""

    partitions: Annotated[dict[PartitionName, Partition], Field(min_length=1)]
    """Partitions by name."""
    accounts: Annotated[dict[PartitionName, Account], Field(default_factory=dict)]
    """Accounts by name."""
    key_epoch: Annotated[int, Field(ge=1, le=9999)] = 1
    """Which of the cluster's keys is in use. Raise it by one, and `pulumi up` rotates: a new random key is made,
    every daemon learns to accept it, then signs with it, then forgets the old one. Jobs go on."""
    key_overlap_seconds: Annotated[int, Field(ge=0, le=3600)] = 120
    """Seconds for which the old key is still accepted once nobody signs with it any more. Slurm's credentials for
    the start of a job live for 120 s."""

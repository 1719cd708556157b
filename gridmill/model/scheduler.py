"""What users of Slurm see: partitions and accounts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from gridmill.model.base import GroupKey, Part, PartitionName, UserName

Duration = Annotated[
    str, StringConstraints(pattern=r"^(([0-9]{1,3}-[0-9]{2}|[0-9]{1,3}):[0-5][0-9]:[0-5][0-9]|UNLIMITED)$")
]
"""Slurm's time format `days-hours:minutes:seconds` or `hours:minutes:seconds`."""


class Partition(Part):
    """A Slurm partition over groups of nodes."""

    of: GroupKey
    """Group of nodes (of all pods) that it spans."""
    default: bool = False
    """Whether jobs without `--partition` land here."""
    max_time: Duration = "UNLIMITED"
    """Longest run time of a job, such as `2-00:00:00`."""


class Account(Part):
    """A Slurm account: who pays for jobs."""

    description: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 .,:;()/+_@#-]{1,100}$")]
    """What it is for."""
    users: Annotated[list[UserName], Field(default_factory=list)]
    """Logins that may charge it."""


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

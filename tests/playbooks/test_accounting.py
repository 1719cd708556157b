"""What the module `slurm_accounting` tells sacctmgr: limits follow the plan both ways, and nothing is removed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.slurm import accounting

RESEARCH: dict[str, Any] = {"name": "research", "description": "Research", "users": ["anna"]}
LIMITS = {"gpus": 3, "jobs": 10, "max_wall_minutes": 2160}
ACCOUNTS = "root|root|default root account\nresearch|gridmill|research\n"
ASSOCIATIONS = "root||||||||\nroot|root||||||\nresearch|||||||\nresearch|anna||||||\n"
LIMITED = ASSOCIATIONS.replace(
    "research|||||||", "research||cpu=64,gres/gpu=3,mem=1G|10||1-12:00:00||"
)  # a limit of CPUs by hand, one of memory that no plan sets


def books(
    accounts: str = ACCOUNTS, associations: str = ASSOCIATIONS, users: str = "anna|research\n"
) -> accounting.Books:
    return accounting.parse("lab\n", accounts, associations, users)


def told(accounts: list[dict[str, Any]], found: accounting.Books) -> list[str]:
    return [" ".join(arguments) for arguments in accounting.plan("lab", accounts, found)]


def test_what_is_missing_is_added() -> None:
    empty = accounting.parse("", "", "", "")
    assert told([{**RESEARCH, "limits": LIMITS}], empty) == [
        "add cluster lab",
        "add account research Cluster=lab Description=Research Organization=gridmill",
        "modify account where name=research cluster=lab set GrpTRES=gres/gpu=3 GrpJobs=10 MaxWall=2160",
        "add user anna Account=research Cluster=lab",
    ]


def test_what_is_there_is_left() -> None:
    assert told([RESEARCH], books()) == []
    renamed = told([{**RESEARCH, "description": "Other"}], books())
    assert renamed == ["modify account where name=research set Description=Other"]


def test_limits_are_changed_and_taken_away() -> None:
    found = books(associations=LIMITED)
    assert told([{**RESEARCH, "limits": {**LIMITS, "cpus": 64}}], found) == []
    assert told([{**RESEARCH, "limits": {**LIMITS, "gpus": 8}}], found) == [
        "modify account where name=research cluster=lab set GrpTRES=cpu=-1,gres/gpu=8"
    ]
    assert told([RESEARCH], found) == [
        "modify account where name=research cluster=lab set GrpTRES=cpu=-1,gres/gpu=-1 GrpJobs=-1 MaxWall=-1"
    ]
    assert told([{**RESEARCH, "limits": {"gpus": 0}}], books()) == [
        "modify account where name=research cluster=lab set GrpTRES=gres/gpu=0"
    ]


def test_a_user_who_leaves_an_account_starts_no_more_jobs_with_it() -> None:
    associations = ASSOCIATIONS + "research|ben||||||\n"
    assert told([RESEARCH], books(associations=associations)) == [
        "modify user where name=ben account=research cluster=lab set MaxJobs=0 MaxSubmitJobs=0"
    ]
    closed = ASSOCIATIONS + "research|ben|||||0|0\n"
    assert told([RESEARCH], books(associations=closed)) == []
    back = {**RESEARCH, "users": ["anna", "ben"]}
    assert told([back], books(associations=closed)) == [
        "modify user where name=ben account=research cluster=lab set MaxJobs=-1 MaxSubmitJobs=-1"
    ]
    by_hand = ASSOCIATIONS + "research|ben|||||5|\n"
    assert told([back], books(associations=by_hand)) == [], "a limit that somebody gave a user stays"


def test_jobs_without_an_account_go_where_they_may() -> None:
    accounts = ACCOUNTS + "teaching|gridmill|teaching\n"
    associations = ASSOCIATIONS + "teaching|||||||\nteaching|anna||||||\n"
    found = books(accounts, associations)
    moved = [{**RESEARCH, "users": []}, {"name": "teaching", "description": "Teaching", "users": ["anna"]}]
    assert told(moved, found) == [
        "modify user where name=anna account=research cluster=lab set MaxJobs=0 MaxSubmitJobs=0",
        "modify user where name=anna cluster=lab set DefaultAccount=teaching",
    ]
    foreign = books(accounts, associations, "anna|elsewhere\n")
    assert "DefaultAccount" not in " ".join(told(moved, foreign)), "an account of others is theirs to choose"


def test_an_account_that_leaves_the_plan_runs_no_more_jobs() -> None:
    accounts = ACCOUNTS + "old|gridmill|old\nfriends|friends|by hand\n"
    associations = ASSOCIATIONS + "old|||||||\nold|ben||||||\nfriends|||||||\nfriends|zoe||||||\n"
    assert told([RESEARCH], books(accounts, associations)) == [
        "modify account where name=old cluster=lab set GrpJobs=0 GrpSubmitJobs=0"
    ]
    shut = associations.replace("old|||||||", "old|||0|0|||")
    assert told([RESEARCH], books(accounts, shut)) == []
    old = {"name": "old", "description": "old", "users": ["ben"]}
    assert told([RESEARCH, old], books(accounts, shut)) == [
        "modify account where name=old cluster=lab set GrpJobs=-1 GrpSubmitJobs=-1"
    ]


def test_an_account_of_others_becomes_ours_by_being_planned() -> None:
    assert told([RESEARCH], books("research|research|research\n")) == [
        "modify account where name=research set Organization=gridmill"
    ]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("", ""),
        ("1-12:00:00", "2160"),
        ("12:00:00", "720"),
        ("00:45:00", "45"),
        ("45:00", "45"),
        ("10-00:00:00", "14400"),
    ],
)
def test_times_of_sacctmgr(text: str, minutes: str) -> None:
    assert accounting.minutes(text) == minutes


def test_a_description_that_slurm_kept_is_never_written_again() -> None:
    planned = [{"name": "Research", "description": "Größe ÄÖÜ|Team A", "users": ["Anna"]}]
    found = books("research|gridmill|größe ÄÖÜ|team a\n")
    assert told(planned, found) == []
    assert accounting.problems(planned) == []


@pytest.mark.parametrize("description", ["it's", 'say "hi"', "two\nlines", "tab\there"])
def test_what_slurm_would_not_keep_is_refused(description: str) -> None:
    (problem,) = accounting.problems([{"name": "research", "description": description}])
    assert "research" in problem and "can't keep" in problem

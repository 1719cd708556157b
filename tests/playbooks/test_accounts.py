"""What the module `accounts` decides for a machine: nobody is renumbered or deleted, and nobody stays by accident."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.accounts.plan import (
    ADMIN_GROUP,
    USER_GROUP,
    Machine,
    Wanted,
    Work,
    plan,
)

ANNA = {"name": "anna", "uid": 3001, "keys": ["ssh-ed25519 AAAA anna"]}
BEN = {"name": "ben", "uid": 3002, "keys": ["ssh-ed25519 AAAA ben", "ssh-ed25519 BBBB ben"]}
DAEMON = {"name": "tests", "uid": 64100, "home": "/nonexistent"}
WANTED = Wanted(
    admins=[ANNA],
    people=[BEN],
    users=[DAEMON],
    groups=[{"name": "chemistry", "gid": 4000, "members": ["anna", "ben"]}],
    logins=True,
)
BARE = Machine(uids={"root": 0}, homeless=frozenset({"anna", "ben"}))
DONE = Machine(
    uids={"root": 0, "anna": 3001, "ben": 3002, "tests": 64100},
    members={
        ADMIN_GROUP: frozenset({"anna"}),
        USER_GROUP: frozenset({"ben"}),
        "chemistry": frozenset({"anna", "ben"}),
    },
    gids={ADMIN_GROUP: 998, USER_GROUP: 997, "anna": 3001, "ben": 3002, "tests": 64100, "chemistry": 4000},
    keys={"anna": "ssh-ed25519 AAAA anna\n", "ben": "ssh-ed25519 AAAA ben\nssh-ed25519 BBBB ben\n"},
    managed=frozenset({"chemistry"}),
)


def decide(machine: Machine, **changes: Any) -> Work:
    return plan(replace(WANTED, **changes), machine)


def test_a_bare_machine_gets_everybody_once() -> None:
    work = decide(BARE)
    assert ["groupadd", "--gid", "64100", "tests"] in work.commands, "the same number on every machine"
    assert ["groupadd", "--gid", "4000", "chemistry"] in work.commands
    assert [command[-3:] for command in work.commands if command[0] == "useradd"] == [
        ["--shell", "/usr/sbin/nologin", "tests"],
        ["--groups", USER_GROUP, "ben"],
        ["--groups", ADMIN_GROUP, "anna"],
    ]
    assert [command[1:] for command in work.commands if command[0] == "mkhomedir_helper"] == [
        ["ben", "0077"],
        ["anna", "0077"],
    ]
    assert ["gpasswd", "--add", "ben", "chemistry"] in work.commands
    assert work.write_keys == DONE.keys
    assert work.managed == {"chemistry"} and not work.notes and not work.problems
    done = decide(DONE)
    assert not done.changed and not done.commands and not done.notes


def test_no_home_is_made_where_homes_come_from_elsewhere() -> None:
    assert not [command for command in decide(BARE, homes=False).commands if command[0] == "mkhomedir_helper"]


def test_people_have_no_keys_where_they_may_not_log_in() -> None:
    work = decide(DONE, logins=False)
    assert work.remove_keys == ["ben"] and not work.commands and not work.write_keys
    assert "ben" not in decide(BARE, logins=False).write_keys


def test_a_person_who_leaves_is_shut_out_and_may_come_back() -> None:
    work = decide(DONE, people=[], groups=[{"name": "chemistry", "gid": 4000, "members": ["anna"]}])
    assert work.commands == [
        ["usermod", "--lock", "--expiredate", "1", "ben"],
        ["gpasswd", "--delete", "ben", USER_GROUP],
        ["gpasswd", "--delete", "ben", "chemistry"],
    ]
    assert work.remove_keys == ["ben"] and not work.write_keys
    gone = replace(
        DONE,
        members={**DONE.members, USER_GROUP: frozenset(), "chemistry": frozenset({"anna"})},
        keys={"anna": DONE.keys["anna"]},
        expired=frozenset({"ben"}),
    )
    assert not decide(gone, people=[], groups=[{"name": "chemistry", "gid": 4000, "members": ["anna"]}]).changed
    back = decide(gone)
    assert back.commands == [
        ["usermod", "--expiredate", "", "ben"],
        ["gpasswd", "--add", "ben", USER_GROUP],
        ["gpasswd", "--add", "ben", "chemistry"],
    ]
    assert set(back.write_keys) == {"ben"} and not back.notes


def test_an_admin_who_leaves_is_shut_out_too() -> None:
    work = decide(DONE, admins=[], groups=[])
    assert ["usermod", "--lock", "--expiredate", "1", "anna"] in work.commands
    assert ["gpasswd", "--delete", "anna", ADMIN_GROUP] in work.commands
    assert work.remove_keys == ["anna"]


def test_an_admin_who_becomes_a_user_loses_sudo_and_nothing_else() -> None:
    work = decide(DONE, admins=[], people=[ANNA, BEN])
    assert work.commands == [["gpasswd", "--add", "anna", USER_GROUP], ["gpasswd", "--delete", "anna", ADMIN_GROUP]]
    assert not work.remove_keys and not work.write_keys


def test_a_changed_key_replaces_the_file() -> None:
    work = decide(DONE, people=[{**BEN, "keys": ["ssh-ed25519 CCCC ben"]}])
    assert work.write_keys == {"ben": "ssh-ed25519 CCCC ben\n"} and not work.commands


def test_a_group_that_leaves_the_plan_stays_without_our_people() -> None:
    machine = replace(DONE, members={**DONE.members, "chemistry": frozenset({"anna", "ben", "zoe"})})
    work = decide(machine, groups=[])
    assert work.commands == [
        ["gpasswd", "--delete", "anna", "chemistry"],
        ["gpasswd", "--delete", "ben", "chemistry"],
    ]
    assert work.managed == frozenset() and work.changed
    after = replace(machine, members={**DONE.members, "chemistry": frozenset({"zoe"})}, managed=frozenset())
    assert not decide(after, groups=[]).changed


def test_what_was_here_before_is_taken_over_and_told() -> None:
    machine = replace(
        BARE,
        uids={"root": 0, "ben": 3002, "zoe": 1777},
        gids={"ben": 3002, "chemistry": 4000},
        members={"chemistry": frozenset({"zoe"})},
        homeless=frozenset({"anna"}),
        keys={"zoe": "ssh-ed25519 ZZZZ zoe\n"},
    )
    work = decide(machine)
    assert not work.problems
    assert work.notes == [
        "account ben was here before and is taken over; keys in its home directory no longer count",
        "group chemistry was here before and is taken over; members that are not planned stay: zoe",
    ]
    assert not [command for command in work.commands if "zoe" in command] and "zoe" not in work.remove_keys


def test_only_keys_of_those_who_are_shut_out_are_removed() -> None:
    keys = {"gridmill": "ssh-ed25519 AAAA boot\n", "bob": "ssh-ed25519 AAAA bob\n", "gone": "x\n", "nobody": "y\n"}
    uids = {"gridmill": 1000, "bob": 3002, "gone": 3003}
    here = Machine(uids, frozenset({"gone"}), members={ADMIN_GROUP: frozenset({"bob"})}, keys=keys)
    work = plan(Wanted(), here)
    assert work.remove_keys == ["bob", "gone"], "gone was expired by a run that ended before it removed the keys"
    assert not any("gridmill" in command for command in work.commands)


def test_numbers_are_never_changed() -> None:
    problems = decide(Machine({}, gids={"someone": 64100, "chemistry": 4001})).problems
    assert problems == [
        "group tests, gid 64100 in the plan, is that of someone here. Plan another number, or change it: groupmod --gid",
        "group chemistry, gid 4000 in the plan, has gid 4001 here. Plan another number, or change it: groupmod --gid",
    ]
    other = decide(Machine({"anna": 1005, "someone": 64100})).problems
    assert len(other) == 2
    assert "uid 64100, planned for tests, belongs to someone here" in other[0]
    assert "anna has uid 1005 here, the plan says 3001" in other[1] and "usermod --uid 3001 anna" in other[1]


def test_homes_on_a_volume_are_named_and_never_made_here() -> None:
    person = {"name": "ben", "uid": 3002, "keys": [], "home": "/shared/home/ben"}
    made = plan(Wanted(people=[person]), BARE).commands
    assert next(c for c in made if c[0] == "useradd" and c[-1] == "ben")[6:8] == ["--home-dir", "/shared/home/ben"]
    assert not [command for command in made if command[0] == "mkhomedir_helper"]
    there = Machine(uids={"ben": 3002}, gids={"ben": 3002}, homes={"ben": "/home/ben"}, homeless=frozenset({"ben"}))
    commands = plan(Wanted(people=[person]), there).commands
    assert ["usermod", "--home", "/shared/home/ben", "ben"] in commands
    moved = Machine(**{**there.__dict__, "homes": {"ben": "/shared/home/ben"}})
    assert not [command for command in plan(Wanted(people=[person]), moved).commands if command[0] == "usermod"]

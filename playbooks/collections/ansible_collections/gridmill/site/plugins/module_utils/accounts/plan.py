"""What must be done so that the machine's own accounts are those of the plan: pure, over what the machine has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ADMIN_GROUP = "gridmill-admins"
USER_GROUP = "gridmill-users"
HOMES = "/home"
"""Where this machine's own home directories lie; others are on volumes, and made on their servers."""


@dataclass(frozen=True)
class Wanted:
    """The plan: administrators, people who run jobs, system users, and groups with their members."""

    admins: list[dict[str, Any]] = field(default_factory=list)
    people: list[dict[str, Any]] = field(default_factory=list)
    users: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    logins: bool = False
    """Whether people may log in on this machine."""
    homes: bool = True
    """Whether this machine makes missing home directories."""

    @property
    def persons(self) -> dict[str, str]:
        """Group of ours by name of a planned person."""
        return {str(one["name"]): USER_GROUP for one in self.people} | {
            str(one["name"]): ADMIN_GROUP for one in self.admins
        }


@dataclass(frozen=True)
class Machine:
    """What the machine has: uids, expired accounts, members and gid per group, key files, names with their home
    directories, those whose home is missing, and groups that earlier runs made (or took over) for the plan."""

    uids: dict[str, int]
    expired: frozenset[str] = frozenset()
    members: dict[str, frozenset[str]] = field(default_factory=dict)
    gids: dict[str, int] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    homeless: frozenset[str] = frozenset()
    managed: frozenset[str] = frozenset()

    @property
    def ours(self) -> frozenset[str]:
        """People who are or were in a plan."""
        return self.members.get(ADMIN_GROUP, frozenset()) | self.members.get(USER_GROUP, frozenset())


@dataclass(frozen=True)
class Work:
    """Commands to run in order, key files to write and to remove, groups to remember, what people should know, and
    problems that forbid all of it."""

    commands: list[list[str]]
    write_keys: dict[str, str]
    remove_keys: list[str]
    managed: frozenset[str]
    notes: list[str]
    problems: list[str]
    changed: bool


def plan(wanted: Wanted, machine: Machine) -> Work:
    """Compare. No account is ever renumbered or deleted: a person who is no longer planned is shut out."""
    commands = [
        *_make_groups(wanted, machine),
        *(_add_user(user) for user in wanted.users if user["name"] not in machine.uids),
        *(command for one in [*wanted.people, *wanted.admins] for command in _person(one, wanted, machine)),
        *_shut_out(wanted, machine),
        *_memberships(wanted, machine),
    ]
    with_keys = [*wanted.admins, *(wanted.people if wanted.logins else [])]
    texts = {str(one["name"]): key_file(one) for one in with_keys}
    write_keys = {name: text for name, text in texts.items() if machine.keys.get(name) != text}
    # of people of ours, and of those that a run shut out which was cut short; others' files are none of ours
    known = machine.ours | machine.expired | set(wanted.persons)
    remove_keys = sorted((known & set(machine.keys)) - set(texts))
    managed = frozenset(str(group["name"]) for group in wanted.groups)
    return Work(
        commands=commands,
        write_keys=write_keys,
        remove_keys=remove_keys,
        managed=managed,
        notes=_notes(wanted, machine),
        problems=_problems(wanted, machine),
        changed=bool(commands or write_keys or remove_keys) or managed != machine.managed,
    )


def key_file(person: dict[str, Any]) -> str:
    """Text of a person's authorized_keys file."""
    return "".join(f"{str(key).strip()}\n" for key in person["keys"])


def _make_groups(wanted: Wanted, machine: Machine) -> list[list[str]]:
    ours = [name for name, needed in ((ADMIN_GROUP, wanted.admins), (USER_GROUP, wanted.people)) if needed]
    numbered = {str(one["name"]): int(one["uid"]) for one in [*wanted.users, *wanted.people, *wanted.admins]}
    numbered |= {str(group["name"]): int(group["gid"]) for group in wanted.groups}
    return [
        *(["groupadd", "--system", name] for name in ours if name not in machine.gids),
        *(
            ["groupadd", "--gid", str(number), name]
            for name, number in numbered.items()
            if name not in machine.gids and (name not in machine.uids or name in _names(wanted.groups))
        ),
    ]


def _names(items: list[dict[str, Any]]) -> set[str]:
    return {str(one["name"]) for one in items}


def _add_user(user: dict[str, Any]) -> list[str]:
    home = str(user["home"])
    create = "--no-create-home" if home == "/nonexistent" else "--create-home"
    numbered = ["useradd", "--system", "--uid", str(user["uid"]), "--gid", str(user["name"])]
    return [*numbered, "--home-dir", home, create, "--shell", "/usr/sbin/nologin", str(user["name"])]


def _person(person: dict[str, Any], wanted: Wanted, machine: Machine) -> list[list[str]]:
    name = str(person["name"])
    group = wanted.persons[name]
    other = ADMIN_GROUP if group == USER_GROUP else USER_GROUP
    home = person.get("home") or f"{HOMES}/{name}"
    commands = []
    if name not in machine.uids:
        numbered = ["useradd", "--uid", str(person["uid"]), "--gid", name, "--no-create-home", "--home-dir", home]
        commands.append([*numbered, "--shell", "/bin/bash", "--groups", group, name])
    else:
        if person.get("home") and machine.homes.get(name, home) != home:
            commands.append(["usermod", "--home", home, name])
        if name in machine.expired:
            commands.append(["usermod", "--expiredate", "", name])
        if name not in machine.members.get(group, ()):
            commands.append(["gpasswd", "--add", name, group])
        if name in machine.members.get(other, ()):
            commands.append(["gpasswd", "--delete", name, other])
    if wanted.homes and name in machine.homeless and home.startswith(f"{HOMES}/"):
        commands.append(["mkhomedir_helper", name, "0077"])
    return commands


def _shut_out(wanted: Wanted, machine: Machine) -> list[list[str]]:
    """Locked, expired and out of our groups: files stay, and so do processes that run."""
    commands = []
    for name in sorted(machine.ours - set(wanted.persons)):
        if name in machine.uids:
            commands.append(["usermod", "--lock", "--expiredate", "1", name])
        commands += [
            ["gpasswd", "--delete", name, group]
            for group in (ADMIN_GROUP, USER_GROUP)
            if name in machine.members.get(group, ())
        ]
    return commands


def _memberships(wanted: Wanted, machine: Machine) -> list[list[str]]:
    """Members of the planned groups; of groups that left the plan, our people leave too. Others' members stay."""
    members = {str(group["name"]): {str(name) for name in group["members"]} for group in wanted.groups}
    members |= {name: set() for name in machine.managed - set(members)}
    ours = machine.ours | set(wanted.persons)
    commands = []
    for group, planned in sorted(members.items()):
        present = machine.members.get(group, frozenset())
        commands += [["gpasswd", "--add", name, group] for name in sorted(planned - present)]
        commands += [["gpasswd", "--delete", name, group] for name in sorted((present & ours) - planned)]
    return commands


def _notes(wanted: Wanted, machine: Machine) -> list[str]:
    """Accounts and groups that were there before, told when they are taken over."""
    notes = [
        f"account {name} was here before and is taken over; keys in its home directory no longer count"
        for name in wanted.persons
        if name in machine.uids and name not in machine.ours and name not in machine.expired
    ]
    ours = machine.ours | set(wanted.persons)
    for name in sorted(_names(wanted.groups) & set(machine.gids) - machine.managed):
        others = sorted(machine.members.get(name, frozenset()) - ours)
        kept = f"; members that are not planned stay: {', '.join(others)}" if others else ""
        notes.append(f"group {name} was here before and is taken over{kept}")
    return notes


def _problems(wanted: Wanted, machine: Machine) -> list[str]:
    owners = {uid: name for name, uid in machine.uids.items()}
    groups = {gid: name for name, gid in machine.gids.items()}
    problems = []
    for one in [*wanted.users, *wanted.people, *wanted.admins]:
        name, number = str(one["name"]), int(one["uid"])
        if machine.uids.get(name, number) != number:
            problems.append(
                f"{name} has uid {machine.uids[name]} here, the plan says {number}. Plan that number, or change the "
                f"account: usermod --uid {number} {name}, groupmod --gid {number} {name}, then chown its files"
            )
        elif owners.get(number, name) != name:
            problems.append(f"uid {number}, planned for {name}, belongs to {owners[number]} here. Plan another number")
        elif problem := _group_problem(name, number, groups, machine):
            problems.append(problem)
    for group in wanted.groups:
        if problem := _group_problem(str(group["name"]), int(group["gid"]), groups, machine):
            problems.append(problem)
    return problems


def _group_problem(name: str, number: int, groups: dict[int, str], machine: Machine) -> str:
    if groups.get(number, name) == name and machine.gids.get(name, number) == number:
        return ""
    found = f"has gid {machine.gids[name]} here" if name in machine.gids else f"is that of {groups[number]} here"
    return f"group {name}, gid {number} in the plan, {found}. Plan another number, or change it: groupmod --gid"

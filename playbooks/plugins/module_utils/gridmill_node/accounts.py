"""What must be done so that the machine's own accounts are those of the plan: pure, over what the machine has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ADMIN_GROUP = "gridmill-admins"


@dataclass(frozen=True)
class Machine:
    """What the machine has now: uids, expired accounts, members of the admin group (None: no group), keys, gids."""

    uids: dict[str, int]
    expired: frozenset[str] = frozenset()
    admin_members: frozenset[str] | None = None
    keys: dict[str, str] = field(default_factory=dict)
    gids: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """Commands to run in order, key files to write and to remove, and problems that forbid all of it."""

    commands: list[list[str]]
    write_keys: dict[str, str]
    remove_keys: list[str]
    problems: list[str]

    @property
    def changed(self) -> bool:
        """True when there is anything to do."""
        return bool(self.commands or self.write_keys or self.remove_keys)


def plan(admins: list[dict[str, Any]], users: list[dict[str, Any]], machine: Machine) -> Work:
    """Compare. An account is never renumbered and never deleted: an admin who is no longer planned is shut out."""
    names = {str(admin["name"]): admin for admin in admins}
    commands: list[list[str]] = []
    if admins and machine.admin_members is None:
        commands.append(["groupadd", "--system", ADMIN_GROUP])
    for one in [*users, *admins]:
        if one["name"] not in machine.uids and one["name"] not in machine.gids:
            commands.append(["groupadd", "--gid", str(one["uid"]), str(one["name"])])
    commands += [_add_user(user) for user in users if user["name"] not in machine.uids]
    for name, admin in names.items():
        commands += _admin_commands(name, admin, machine)
    members = machine.admin_members or frozenset()
    gone = sorted(members - set(names))
    for name in gone:
        if name in machine.uids:
            commands.append(["usermod", "--lock", "--expiredate", "1", name])
            commands.append(["gpasswd", "--delete", name, ADMIN_GROUP])
    wanted_keys = {name: key_file(admin) for name, admin in names.items()}
    return Work(
        commands=commands,
        write_keys={name: text for name, text in wanted_keys.items() if machine.keys.get(name) != text},
        # of those who are shut out, now or by a run that was cut short; others' files are none of ours
        remove_keys=[name for name in sorted((members | machine.expired) - set(names)) if name in machine.keys],
        problems=_problems([*users, *admins], machine),
    )


def key_file(admin: dict[str, Any]) -> str:
    """Text of an admin's authorized_keys file."""
    return "".join(f"{str(key).strip()}\n" for key in admin["keys"])


def _add_user(user: dict[str, Any]) -> list[str]:
    home = str(user["home"])
    create = "--no-create-home" if home == "/nonexistent" else "--create-home"
    numbered = ["useradd", "--system", "--uid", str(user["uid"]), "--gid", str(user["name"])]
    return [*numbered, "--home-dir", home, create, "--shell", "/usr/sbin/nologin", str(user["name"])]


def _admin_commands(name: str, admin: dict[str, Any], machine: Machine) -> list[list[str]]:
    if name not in machine.uids:
        numbered = ["useradd", "--uid", str(admin["uid"]), "--gid", name, "--create-home"]
        return [[*numbered, "--shell", "/bin/bash", "--groups", ADMIN_GROUP, name]]
    commands = []
    if name in machine.expired:
        commands.append(["usermod", "--expiredate", "", name])
    if name not in (machine.admin_members or frozenset()):
        commands.append(["gpasswd", "--add", name, ADMIN_GROUP])
    return commands


def _problems(planned: list[dict[str, Any]], machine: Machine) -> list[str]:
    owners = {uid: name for name, uid in machine.uids.items()}
    groups = {gid: name for name, gid in machine.gids.items()}
    problems = []
    for one in planned:
        name, number = str(one["name"]), int(one["uid"])
        if machine.uids.get(name, number) != number:
            problems.append(
                f"{name} has uid {machine.uids[name]} here, the plan says {number}; files would change owner"
            )
        elif owners.get(number, name) != name:
            problems.append(f"uid {number}, planned for {name}, belongs to {owners[number]} here")
        elif groups.get(number, name) != name or machine.gids.get(name, number) != number:
            taken = groups.get(number, "nobody")
            problems.append(f"{name} needs gid {number}, which belongs to {taken} here, or has another gid already")
    return problems

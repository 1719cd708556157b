"""Who may enter the machines, and how the first connection is made."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from gridmill.core.base import FilePath, Part, UserName
from gridmill.core.errors import printable

FIRST_NUMBER, LAST_NUMBER = 2000, 59999
"""User and group IDs of a site's own: above those that distributions give out, below those of systemd."""


_KEY_TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)


def parse_public_key(value: Any) -> str:
    """An OpenSSH public key on one line, without options; a private key is refused without showing it."""
    expected = "an OpenSSH public key on one line, such as `ssh-ed25519 AAAA… anna`"
    if isinstance(value, str) and "PRIVATE KEY" in value:
        raise PydanticCustomError(
            "public_key",
            "this is a private key",
            {"expected": expected, "hint": "remove it, make a new pair, and put the .pub file's line here"},
        )
    pattern = (
        rf"({'|'.join(re.escape(kind) for kind in _KEY_TYPES)}) [A-Za-z0-9+/]{{40,1200}}={{0,2}}( [ -~]{{0,120}})?"
    )
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
        raise PydanticCustomError(
            "public_key",
            "{found} is not a public key",
            {"found": printable(value, 24), "expected": expected, "hint": "paste the line of the .pub file"},
        )
    return value


PublicKey = Annotated[str, BeforeValidator(parse_public_key)]


Number = Annotated[int, Field(ge=FIRST_NUMBER, le=LAST_NUMBER)]
"""A user or group ID of the site's own: above those that distributions give out, below those of systemd."""


class Group(Part):
    """People who share files. Everybody also has a group of their own, with the number of the user."""

    gid: Number
    """Numeric group ID, the same on every machine."""


class Person(Part):
    """Somebody with an account on the site's machines."""

    uid: Number
    """Numeric user ID, the same on every machine."""
    keys: Annotated[list[PublicKey], Field(min_length=1)]
    """Public keys that may log in; no others count, not even those in the home directory."""
    groups: Annotated[list[UserName], Field(default_factory=list)]
    """Groups of access.groups that the person is in."""


class Admin(Person):
    """A person who administers the site's machines: logs in everywhere, with sudo."""


class User(Person):
    """A person who runs jobs: logs in on login nodes, without sudo."""


class Bootstrap(Part):
    """How Ansible reaches a machine: the bootstrap user, with sudo, and host keys known beforehand."""

    user: UserName = "gridmill"
    """Login on every machine; `root` needs no sudo."""
    identity_file: FilePath
    """Private key of that login, on the machine that runs Pulumi."""
    known_hosts_file: FilePath
    """Host keys of the machines (or a `@cert-authority` line); a host that is not in it is refused."""


class Access(Part):
    """People and the bootstrap login."""

    admins: Annotated[dict[UserName, Admin], Field(min_length=1)]
    """Administrators by login name."""
    users: Annotated[dict[UserName, User], Field(default_factory=dict)]
    """People who run jobs, by login name."""
    groups: Annotated[dict[UserName, Group], Field(default_factory=dict)]
    """Groups of people by name."""
    bootstrap: Bootstrap
    """The login that Ansible uses."""

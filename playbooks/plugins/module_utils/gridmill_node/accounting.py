"""What sacctmgr has to be told so that the planned accounts and users are there: pure, over its parsable output."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase
from typing import Any

_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
_LOST = "\"'"  # sacctmgr makes backticks of them


@dataclass(frozen=True)
class Books:
    """What the accounting database has: clusters, description per account, and (account, user) pairs of the cluster."""

    clusters: frozenset[str]
    accounts: dict[str, str]
    members: frozenset[tuple[str, str]]


def parse(clusters: str, accounts: str, associations: str) -> Books:
    """From `sacctmgr --parsable2 --noheader show cluster | account | association` with the formats used below."""
    described: dict[str, str] = {}
    for line in accounts.splitlines():
        match line.split("|", 1):  # a description may hold the separator
            case [name, description]:
                described[name] = description
    members: set[tuple[str, str]] = set()
    for line in associations.splitlines():
        match line.split("|"):
            case [account, user]:
                members.add((account, user))
    return Books(
        clusters=frozenset(line.split("|")[0] for line in clusters.splitlines() if line),
        accounts=described,
        members=frozenset(members),
    )


def stored(text: str) -> str:
    """As sacctmgr keeps names and descriptions: A to Z become small, and no other letter does."""
    return text.translate(_SMALL)


def problems(accounts: list[dict[str, Any]]) -> list[str]:
    """What sacctmgr would keep differently than it is planned, or not at all."""
    found = []
    for account in accounts:
        description = str(account.get("description") or "")
        if bad := sorted({character for character in description if not character.isprintable() or character in _LOST}):
            listed = " and ".join(ascii(character) for character in bad)
            found.append(f"Slurm can't keep {listed} in the description of account {account['name']}: {description!r}")
    return found


def plan(cluster: str, accounts: list[dict[str, Any]], books: Books) -> list[list[str]]:
    """Arguments for sacctmgr, in order. What is not planned is left alone: jobs were booked on it."""
    work = []
    if cluster not in books.clusters:
        work.append(["add", "cluster", cluster])
    for account in accounts:
        name = stored(str(account["name"]))
        description = str(account.get("description") or name)
        if (name, "") not in books.members:
            work.append(["add", "account", name, f"Cluster={cluster}", f"Description={description}"])
        elif books.accounts.get(name) not in (description, stored(description)):
            work.append(["modify", "account", "where", f"name={name}", "set", f"Description={description}"])
        for user in account.get("users") or []:
            if (name, stored(str(user))) not in books.members:
                work.append(["add", "user", str(user), f"Account={name}", f"Cluster={cluster}"])
    return work

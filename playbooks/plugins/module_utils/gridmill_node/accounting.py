"""What sacctmgr has to be told so that the planned accounts and users are there: pure, over its parsable output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
        match line.split("|"):
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


def plan(cluster: str, accounts: list[dict[str, Any]], books: Books) -> list[list[str]]:
    """Arguments for sacctmgr, in order. What is not planned is left alone: jobs were booked on it."""
    work = []
    if cluster not in books.clusters:
        work.append(["add", "cluster", cluster])
    for account in accounts:
        name = str(account["name"])
        description = str(account.get("description") or name)
        if (name, "") not in books.members:
            work.append(["add", "account", name, f"Cluster={cluster}", f"Description={description}"])
        elif books.accounts.get(name) != description.lower() and books.accounts.get(name) != description:
            work.append(["modify", "account", "where", f"name={name}", "set", f"Description={description}"])
        for user in account.get("users") or []:
            if (name, str(user)) not in books.members:
                work.append(["add", "user", str(user), f"Account={name}", f"Cluster={cluster}"])
    return work

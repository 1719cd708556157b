"""What sacctmgr has to be told so that accounts, their users and their limits are those of the plan: pure, over its
parsable output."""

from __future__ import annotations

from dataclasses import dataclass, field
from string import ascii_lowercase, ascii_uppercase
from typing import Any

OURS = "gridmill"
"""Organization of the accounts that the plan has or had; others are left alone."""
ACCOUNT_FIELDS = "account,organization,description"  # a description may hold the separator, so it comes last
ASSOCIATION_FIELDS = "account,user,grptres,grpjobs,grpsubmit,maxwall,maxjobs,maxsubmit"
USER_FIELDS = "user,defaultaccount"

_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
_LOST = "\"'"  # sacctmgr makes backticks of them
GPUS = "gres/gpu"
_TRES = {"cpus": "cpu", "gpus": GPUS, "nodes": "node"}
_NONE = "-1"


@dataclass(frozen=True)
class Association:
    """Limits of an account, or of a user in it; what has none is empty. Only those that a plan can set."""

    tres: dict[str, str] = field(default_factory=dict)
    jobs: str = ""
    submit: str = ""
    wall: str = ""
    own_jobs: str = ""
    """Jobs of one user: sacctmgr's MaxJobs."""
    own_submit: str = ""

    @property
    def closed(self) -> bool:
        """Whether a user may neither start nor submit jobs."""
        return self.own_jobs == self.own_submit == "0"


@dataclass(frozen=True)
class Account:
    """What the books say of an account, whatever cluster it is used on."""

    organization: str
    description: str


@dataclass(frozen=True)
class Books:
    """What the accounting database has: clusters, accounts, associations of the cluster by (account, user), and the
    account that a user's jobs are booked on when they name none."""

    clusters: frozenset[str]
    accounts: dict[str, Account]
    associations: dict[tuple[str, str], Association]
    defaults: dict[str, str] = field(default_factory=dict)


def parse(clusters: str, accounts: str, associations: str, users: str = "") -> Books:
    """From `sacctmgr --parsable2 --noheader show cluster | account | association | user` with the fields above."""
    described: dict[str, Account] = {}
    for line in accounts.splitlines():
        match line.split("|", 2):
            case [name, organization, description]:
                described[name] = Account(organization, description)
    found: dict[tuple[str, str], Association] = {}
    for line in associations.splitlines():
        match line.split("|"):
            case [account, user, tres, jobs, submit, wall, own_jobs, own_submit]:
                found[account, user] = Association(_tres(tres), jobs, submit, wall, own_jobs, own_submit)
    rows = [line.split("|") for line in users.splitlines()]
    return Books(
        clusters=frozenset(line.split("|")[0] for line in clusters.splitlines() if line),
        accounts=described,
        associations=found,
        defaults={row[0]: row[1] for row in rows if len(row) > 1},
    )


def _tres(text: str) -> dict[str, str]:
    """cpu=64,gres/gpu=8 by name, without what the plan does not set (memory, licenses)."""
    pairs = (part.split("=", 1) for part in text.split(",") if "=" in part)
    return {name: value for name, value in pairs if name in _TRES.values()}


def stored(text: str) -> str:
    """As sacctmgr keeps names and descriptions: A to Z become small, and no other letter does."""
    return text.translate(_SMALL)


def minutes(text: str) -> str:
    """sacctmgr's 1-12:00:00 or 45:00 in minutes; empty stays empty."""
    days, _, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")] if clock else []
    if not parts:
        return ""
    *hours, minute, _ = parts if len(parts) > 1 else [parts[0], 0]
    return str((int(days or 0) * 24 + (hours[0] if hours else 0)) * 60 + minute)


def problems(accounts: list[dict[str, Any]]) -> list[str]:
    """What sacctmgr would keep differently than it is planned, or not at all."""
    found = []
    for account in accounts:
        description = str(account.get("description") or "")
        if bad := sorted({character for character in description if not character.isprintable() or character in _LOST}):
            listed = " and ".join(ascii(character) for character in bad)
            found.append(f"Slurm can't keep {listed} in the description of account {account['name']}: {description!r}")
    return found


def add_cluster(cluster: str, books: Books) -> list[list[str]]:
    """Arguments for sacctmgr that add the cluster, when it isn't there."""
    return [] if cluster in books.clusters else [["add", "cluster", cluster]]


def plan(cluster: str, accounts: list[dict[str, Any]], books: Books) -> list[list[str]]:
    """Arguments for sacctmgr, in order.

    Nothing is removed, since jobs were booked on it: an account that the plan no longer has, and a user that a planned
    account no longer has, can start no more jobs. Accounts that no plan ever had are left alone.
    """
    work = add_cluster(cluster, books)
    names = {stored(str(account["name"])) for account in accounts}
    for account in accounts:
        work += _account(cluster, account, books)
    for account in accounts:
        work += _users(cluster, account, books)
    work += _default_accounts(cluster, accounts, books)
    for name in sorted(books.accounts):
        association = books.associations.get((name, ""))
        gone = books.accounts[name].organization == OURS and name not in names and association is not None
        if gone and association and (association.jobs, association.submit) != ("0", "0"):
            work.append([*_where(cluster, "account", name), "GrpJobs=0", "GrpSubmitJobs=0"])
    return work


def _account(cluster: str, account: dict[str, Any], books: Books) -> list[list[str]]:
    name = stored(str(account["name"]))
    description = str(account.get("description") or name)
    present = books.associations.get((name, ""))
    work = []
    if present is None:
        about = [f"Description={description}", f"Organization={OURS}"]
        work.append(["add", "account", name, f"Cluster={cluster}", *about])
    else:
        kept = books.accounts.get(name, Account("", ""))
        about = [] if kept.description in (description, stored(description)) else [f"Description={description}"]
        about += [] if kept.organization == OURS else [f"Organization={OURS}"]
        if about:
            work.append(["modify", "account", "where", f"name={name}", "set", *about])
    if limits := _limits(account.get("limits") or {}, present or Association()):
        work.append([*_where(cluster, "account", name), *limits])
    return work


def _limits(wanted: dict[str, Any], present: Association) -> list[str]:
    """Limits to set, those to take away as -1."""
    tres = {key: str(wanted[name]) for name, key in _TRES.items() if wanted.get(name) is not None}
    changed = {key: tres.get(key, _NONE) for key in _TRES.values() if tres.get(key, "") != present.tres.get(key, "")}
    settings = [f"GrpTRES={','.join(f'{key}={value}' for key, value in sorted(changed.items()))}"] if changed else []
    for option, value, found in (
        ("GrpJobs", wanted.get("jobs"), present.jobs),
        ("GrpSubmitJobs", None, present.submit),
        ("MaxWall", wanted.get("max_wall_minutes"), minutes(present.wall)),
    ):
        text = "" if value is None else str(value)
        if text != found:
            settings.append(f"{option}={text or _NONE}")
    return settings


def _users(cluster: str, account: dict[str, Any], books: Books) -> list[list[str]]:
    name = stored(str(account["name"]))
    planned = {stored(str(user)): str(user) for user in account.get("users") or []}
    work = []
    for user, written in planned.items():
        present = books.associations.get((name, user))
        if present is None:
            work.append(["add", "user", written, f"Account={name}", f"Cluster={cluster}"])
        elif present.closed:
            work.append([*_where(cluster, "user", user, name), f"MaxJobs={_NONE}", f"MaxSubmitJobs={_NONE}"])
    for (of, user), present in sorted(books.associations.items()):
        if of == name and user and user not in planned and not present.closed:
            work.append([*_where(cluster, "user", user, name), "MaxJobs=0", "MaxSubmitJobs=0"])
    return work


def _default_accounts(cluster: str, accounts: list[dict[str, Any]], books: Books) -> list[list[str]]:
    """Users whose jobs would go to an account that is closed to them get the first that isn't."""
    planned: dict[str, list[str]] = {}
    for account in accounts:
        for user in account.get("users") or []:
            planned.setdefault(stored(str(user)), []).append(stored(str(account["name"])))
    ours = {name for name, account in books.accounts.items() if account.organization == OURS}
    ours |= {stored(str(account["name"])) for account in accounts}
    return [
        ["modify", "user", "where", f"name={user}", f"cluster={cluster}", "set", f"DefaultAccount={names[0]}"]
        for user, names in sorted(planned.items())
        if (default := books.defaults.get(user)) and default in ours and default not in names
    ]


def _where(cluster: str, kind: str, name: str, account: str = "") -> list[str]:
    of = [f"account={account}"] if account else []
    return ["modify", kind, "where", f"name={name}", *of, f"cluster={cluster}", "set"]

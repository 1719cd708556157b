"""Slurm: a controller, partitions over groups that exist, accounts of people who exist."""

from __future__ import annotations

from collections.abc import Iterator

from gridmill.catalog import Catalog
from gridmill.catalog.services import services_of, undetermined
from gridmill.core.errors import Problem
from gridmill.core.people import nearest
from gridmill.core.sections.pods import Service
from gridmill.core.sections.site import Site
from gridmill.features.ldap.logins import numbers
from gridmill.features.slurm.section import Scheduler, seconds_of


def slurm_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """Nothing installed, no or several controllers, groups that differ between pods, bad partitions and accounts."""
    return [
        *_controller_problems(site, catalog),
        *_group_problems(site),
        *_partition_problems(site, catalog),
        *_account_problems(site),
    ]


def _controller_problems(site: Site, catalog: Catalog) -> list[Problem]:
    mixed = [
        Problem(
            ("pods", pod_key, "nodes", group_key, "services"),
            f"a controller that also does {', '.join(extra)}",
            "controller, and login if you like",
            "other nodes for the rest",
        )
        for pod_key, pod in site.pods.items()
        for group_key, group in pod.nodes.items()
        if "controller" in services_of(group, catalog)
        and (extra := [name for name in services_of(group, catalog) if name not in {"controller", "login"}])
    ]
    places = [
        (pod_key, group_key, position, pod.from_)
        for pod_key, pod in site.pods.items()
        for group_key, group in pod.nodes.items()
        if "controller" in services_of(group, catalog)
        for position in range(len(group.at))
    ]
    if all(pod.from_ for pod in site.pods.values()):
        message = f"{', '.join(site.pods)}: planned (`from`), and no pod is installed"
        hint = "remove `from` from the pod that stands; it is there for growth"
        return [*mixed, Problem(("pods", next(iter(site.pods)), "from"), message, "a pod with the controller", hint)]
    if all(planned_from for *_, planned_from in places):
        if undetermined(site, catalog):
            return mixed
        hint = "a group of a management SKU, or `services: [controller]` on one"
        return [*mixed, Problem(("pods",), "no node runs the controller", "exactly one installed controller", hint)]
    return mixed + [
        Problem(
            ("pods", pod, "nodes", group, "at", position),
            "a second controller",
            "exactly one controller for now: slurmctld's state needs storage that both can write",
            "`services: [login]` on the others",
        )
        for pod, group, position, _ in places[1:]
    ]


def _group_problems(site: Site) -> list[Problem]:
    """The same group key in two pods must mean the same services, or partitions could not be told apart."""
    problems = []
    first: dict[str, tuple[str, list[Service] | None]] = {}
    for pod_key, pod in site.pods.items():
        for group_key, group in pod.nodes.items():
            pod_of_first, services = first.setdefault(group_key, (pod_key, group.services))
            if services != group.services:
                message = f"group {group_key} has other services than in {pod_of_first}"
                path = ("pods", pod_key, "nodes", group_key, "services")
                problems.append(Problem(path, message, "the same in every pod", "another group key"))
    return problems


def _partition_problems(site: Site, catalog: Catalog) -> list[Problem]:
    problems = []
    defaults = []
    for name, partition in site.of(Scheduler).partitions.items():
        path = ("scheduler", "partitions", name)
        if name == "default":
            problems.append(Problem(path, "Slurm keeps this name for itself", "another name", "gpu, batch, ..."))
        if partition.default:
            defaults.append(name)
        problems += [*_partition_groups(site, catalog, name), *_partition_limits(site, name)]
    problems += [
        Problem(
            ("scheduler", "partitions", name, "default"),
            f"{defaults[0]} is the default already",
            "one default partition",
            "remove `default: true` from the others",
        )
        for name in defaults[1:]
    ]
    return problems


def _partition_groups(site: Site, catalog: Catalog, name: str) -> Iterator[Problem]:
    partition = site.of(Scheduler).partitions[name]
    path = ("scheduler", "partitions", name, "nodeGroups")
    groups = {key: group for pod in site.pods.values() for key, group in pod.nodes.items()}
    compute = sorted(key for key, group in groups.items() if "compute" in services_of(group, catalog))
    unclear = undetermined(site, catalog)
    for position, group in enumerate(partition.node_groups):
        if group in partition.node_groups[:position]:
            yield Problem((*path, position), f"{group} stands twice", "each group once", "remove one")
        elif group not in compute and group not in unclear:
            what = "has no compute nodes" if group in groups else "is not a group of any pod"
            expected = f"one of {', '.join(compute)}" if compute else "a group of compute nodes"
            yield Problem((*path, position), f"{group} {what}", expected, "name a group with compute nodes")
    standing = {key for pod in site.pods.values() if pod.from_ is None for key in pod.nodes}
    known = [group for group in partition.node_groups if group in compute]
    planned = standing and known and not standing & {*partition.node_groups}
    if planned and (partition.default or not standing & _spanned(site)):
        message = f"{', '.join(known)} {'are' if known[1:] else 'is'} in no installed pod"
        hint = "remove `from` from its pod, or let another partition be the default"
        yield Problem(path, message, "a partition with nodes", hint)


def _partition_limits(site: Site, name: str) -> list[Problem]:
    partition = site.of(Scheduler).partitions[name]
    path = ("scheduler", "partitions", name)
    known = sorted(site.of(Scheduler).accounts)
    problems = [
        Problem(
            (*path, "allowAccounts", position),
            f"unknown account {account}",
            f"one of {', '.join(known)}" if known else "an account of scheduler.accounts",
            nearest(account, known, "add it to scheduler.accounts"),
        )
        for position, account in enumerate(partition.allow_accounts or [])
        if account not in known
    ]
    longest, usual = seconds_of(partition.max_time), seconds_of(partition.default_time or partition.max_time)
    if usual > longest:
        message = f"{partition.default_time} is longer than maxTime"
        problems.append(Problem((*path, "defaultTime"), message, f"at most {partition.max_time}", "a shorter time"))
    return problems


def _spanned(site: Site) -> set[str]:
    return {group for partition in site.of(Scheduler).partitions.values() for group in partition.node_groups}


def _account_problems(site: Site) -> list[Problem]:
    known = sorted(numbers(site))
    return [
        Problem(
            ("scheduler", "accounts", account_name, "users", position),
            f"unknown user {user}",
            f"one of {', '.join(known)}",
            nearest(user, known, "add the person under access.users or access.admins"),
        )
        for account_name, account in site.of(Scheduler).accounts.items()
        for position, user in enumerate(account.users)
        if user not in known
    ]

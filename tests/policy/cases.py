"""Sites that rules are asked about: the lab's stack and a real one, with whatever is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gridmill.kernel.context import Case, Facts
from gridmill.load import examine_definition
from gridmill.plan import plan_site
from gridmill.registry import policies
from tests.conftest import ROOT

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJGd41lXzdougWj52V4d4JqdrNABLVdjYs52g2k6oLJ+"


def known_hosts(stack: str = "lab", without: str = "") -> str:
    """A known_hosts file with made-up keys of all machines but one."""
    hosts = plan_site(examine_definition(ROOT / f"Pulumi.{stack}.yaml")[0]).hosts
    return "".join(f"{host.address} ssh-ed25519 {KEY}\n" for host in hosts if host.name != without)


def case(stack: Path = ROOT / "Pulumi.lab.yaml", **facts: Any) -> Case:
    """A site with facts that are all well, but for those that are given."""
    definition, _ = examine_definition(stack)
    hosts = plan_site(definition).hosts
    well = {"known_hosts": known_hosts(), "public_passphrase": False, "backend": "file:///x"}
    return Case(definition.site, definition.catalog, definition.keys, hosts, Facts(**{**well, **facts}))


def ask(name: str, one: Case, **options: Any) -> list[str]:
    """What one rule says."""
    policy = next(policy for policy in policies() if policy.name == name)
    return [str(problem) for problem in policy.ask(one, options)]

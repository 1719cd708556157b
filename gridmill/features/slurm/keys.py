"""The phase that rotates the cluster's keys: once every machine accepts the new one, all sign with it, then forget the
old one. The phases before it make the new key and bring it to the machines."""

from __future__ import annotations

from gridmill.features.slurm.plan import SlurmPlan
from gridmill.kernel.document import Document, HostKeys, Values, document, entries, maintenance
from gridmill.kernel.site_plan import HostPlan, SitePlan

DAEMONS: dict[str, tuple[str, ...]] = {
    "controllers": ("slurmdbd", "slurmctld"),
    "compute": ("slurmd",),
    "login": ("sackd",),
}
"""Who reads the keys on which machines; a machine of several kinds is of the first."""


def keys_document(plan: SitePlan, host_keys: HostKeys) -> Document:
    """Every machine that holds the keys. The ledger on the controller says which of them have come to this epoch."""
    members: dict[str, list[HostPlan]] = {}
    for host in (host for host in plan.hosts if host.maintenance is None):
        services = {"controllers" if service == "controller" else service for service in host.services}
        if kind := next((kind for kind in DAEMONS if kind in services), None):
            members.setdefault(kind, []).append(host)
    groups = {
        kind: {"hosts": [host.name for host in members[kind]], "vars": _variables(plan, DAEMONS[kind])}
        for kind in DAEMONS
        if kind in members
    }
    slurm = plan.of(SlurmPlan)
    variables = {"slurm_keys_epoch": slurm.key_epoch, "slurm_keys_overlap": slurm.key_overlap_s}
    hosts = [host for kind in DAEMONS for host in members.get(kind, [])]
    made = document(plan, "keys", entries(hosts, host_keys), groups, variables, {"playbook": "keys.yml"})
    made["controllers"] = entries(plan.with_service("controller"), host_keys)
    return made | maintenance(plan.hosts)


def _variables(plan: SitePlan, daemons: tuple[str, ...]) -> Values:
    epoch = plan.of(SlurmPlan).key_epoch
    checks = [{"check": "slurm_keys", "unit": unit, "epoch": epoch, "signing": True} for unit in daemons]
    return {"slurm_keys_daemons": list(daemons), "verify_checks": checks}

"""The site: everything that one stack brings up, and the summary that it exports."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, Optional, TypedDict

import pulumi
from pulumi_command import local

from gridmill.compare.change import Holdings
from gridmill.documents import documents, phase_of
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.digests import phase_digests

from .ansible_run import PhaseRun, document_digest
from .composed import Composed
from .drift import HandChanges
from .host_preview import HostPreview
from .outputs import site_outputs
from .phase import SitePhase
from .pod import Pod
from .power import SitePower

SUMMARY_VERSION = 1
"""Version of the exported summary; it grows, it does not change."""


class PlannedSiteArgs(TypedDict):
    domain: pulumi.Input[str]
    """DNS domain."""
    supernet: pulumi.Input[str]
    """All addresses, in CIDR form."""
    grid_limit_w: pulumi.Input[int]
    """What may be drawn at the meter, in W."""
    meter_w: pulumi.Input[int]
    """Nameplate of all machines at the meter, in W."""
    machines: pulumi.Input[Mapping[str, Any]]
    """Machines by pod and SKU, as host list expressions."""
    workers: pulumi.Input[Sequence[str]]
    """Nodes in service that run jobs, as host list expressions."""
    data: pulumi.Input[Mapping[str, Any]]
    """Machines that keep data, by `the controller` or the name of a volume."""
    largest_loss: pulumi.Input[int]
    """Share of the workers that may go without consent, in percent."""
    consent: pulumi.Input[Mapping[str, str]]
    """Reason by name of a change that puts data at risk or takes many nodes."""
    definition: NotRequired[pulumi.Input[Mapping[str, Any]]]
    """The definition, of a site whose definition is not the stack's own."""
    directory: NotRequired[pulumi.Input[str]]
    """Where that site has its own SKUs, keys and machines, from the project's directory."""


class PlannedSite(pulumi.ComponentResource):
    """What a plan brings up: control plane, pods, and their acceptance. `Site` makes the plan."""

    accepted: pulumi.Output[bool]
    """Whether every acceptance job went well."""
    summary: pulumi.Output[dict[str, Any]]
    """One versioned object that other stacks may read."""

    def __init__(
        self,
        name: str,
        plan: SitePlan,
        secrets: dict[str, pulumi.Output[str]],
        host_keys: Mapping[str, str],
        opts: Optional[pulumi.ResourceOptions] = None,
        composed: Composed | None = None,
    ) -> None:
        held = Holdings.of(plan)
        args: PlannedSiteArgs = {
            "domain": plan.domain,
            "supernet": plan.supernet,
            "grid_limit_w": plan.grid_limit_w,
            "meter_w": plan.meter_w,
            "machines": held.machines,
            "workers": held.workers,
            "data": held.data,
            "largest_loss": held.largest_loss,
            "consent": held.consent,
        }
        if composed:
            args["definition"], args["directory"] = composed.definition, composed.directory
        super().__init__("gridmill:index:Site", name, dict(args), opts)
        inside = pulumi.ResourceOptions(parent=self)
        before = f"{name}: " if composed else ""
        SitePower(f"{name}-power", plan.levels, inside, before)
        phases = documents(plan, host_keys)
        asking = HostPreview.of(plan.changes, plan.access, before)
        by_hand = HandChanges.of(plan.name, plan.changes, composed)
        runs: dict[str, list[pulumi.Resource]] = {}
        done: dict[str, str] = {}
        acceptance: local.Command | None = None
        for scope, document in phases.items():
            row = phase_of(scope)
            digests = phase_digests(document) if row.follows_roles else {}
            digests |= {"site": document_digest(done)} if row.sums_up else {}
            run = PhaseRun(
                document,
                digests,
                secrets if row.secrets else {},
                [one for before in row.after for one in runs.get(before, [])],
                asking if row.asks else None,
                by_hand.input_of(scope) if row.finds_drift else None,
            )
            if row.per_pod:
                pod = next(pod for pod in plan.pods if pod.key == scope)
                made = Pod(f"{name}-{scope}", pod, plan.domain, run, inside).run
            else:
                made = SitePhase(f"{name}-{scope}", row, row.inputs(plan), run, inside).run
            runs.setdefault(row.name, []).append(made)
            done[scope] = document_digest(document)
            acceptance = made if row.sums_up else acceptance
        if acceptance is None:
            raise pulumi.RunError("no phase sums the site up")
        self.summary = acceptance.stdout.apply(lambda text: site_summary(plan, text))
        self.accepted = acceptance.stdout.apply(lambda text: bool(json.loads(text)["ok"]))
        self.planned = site_outputs(plan)
        self.register_outputs({**self.planned, "accepted": self.accepted, "summary": self.summary})


def site_summary(plan: SitePlan, acceptance: str) -> dict[str, Any]:
    """What a site is, in plain data: nodes, GPUs, power, and what its acceptance said."""
    result = json.loads(acceptance)
    return {
        "schemaVersion": SUMMARY_VERSION,
        "site": plan.name,
        "simulated": plan.simulated,
        "domain": plan.domain,
        "controller": plan.with_service("controller")[0].fqdn,
        "pods": {
            pod.key: {
                "nodes": len(pod.hosts),
                "gpus": sum(host.gpu.count for host in pod.hosts if host.gpu),
                "power": {
                    "budgetW": pod.power.budget_w,
                    "nameplateW": pod.power.nameplate_w,
                    "marginW": pod.power.margin_w,
                },
            }
            for pod in plan.pods
        },
        "planned": {
            pod.key: {
                "from": pod.planned_from,
                "nodes": len(pod.hosts),
                "gpus": sum(host.gpu.count for host in pod.hosts if host.gpu),
                "nameplateW": pod.power.nameplate_w,
            }
            for pod in plan.future
        },
        "maintenance": {host.name: host.maintenance for host in plan.hosts if host.maintenance is not None},
        "power": {
            "nameplateW": plan.power.nameplate_w,
            "meterW": plan.meter_w,
            "gridLimitW": plan.grid_limit_w,
        },
        "acceptance": {"ok": result["ok"], "jobs": result.get("data", {})},
    }

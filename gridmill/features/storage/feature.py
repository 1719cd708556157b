"""Storage: the nodes that serve volumes, and every node that mounts them."""

from __future__ import annotations

from gridmill.features.storage.plan import StoragePlan, plan_storage
from gridmill.features.storage.problems import storage_problems
from gridmill.features.storage.section import Storage
from gridmill.features.storage.variables import (
    mount_checks,
    mount_variables,
    server_checks,
    server_variables,
    withdrawn_variables,
)
from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="storage",
    needs=("ldap", "software"),
    section=Storage,
    summary="Shared file systems; without it storage nodes are brought up and nothing is mounted.",
    consents=("moosefs",),
    problems=(lambda context: storage_problems(context.site, context.catalog),),
    plan=plan_storage,
    groups={
        "moosefs": lambda plan, host: "moosefs" in plan.of(StoragePlan).served_by(host),
        "moosefs_master": lambda plan, host: "moosefs-master" in plan.of(StoragePlan).served_by(host),
        "nfs": lambda plan, host: "nfs" in plan.of(StoragePlan).served_by(host),
    },
    placements=(
        Placement(
            role="storage_moosefs",
            phases={"storage": "moosefs"},
            stage=Stage.STORAGE,
            class_variables=server_variables,
            checks=server_checks,
        ),
        Placement(role="storage_nfs", phases={"storage": "nfs"}, stage=Stage.STORAGE),
        Placement(
            role="storage_withdraw",
            phases={"exports": "all"},
            stage=Stage.STORAGE,
            class_variables=withdrawn_variables,
            checks=server_checks,
        ),
        Placement(
            role="storage_mounts",
            phases={"control": "all", "pod": "all"},
            stage=Stage.STORAGE,
            class_variables=mount_variables,
            checks=mount_checks,
        ),
    ),
)

"""Slurm: controllers, machines that run jobs, machines on which users submit them."""

from __future__ import annotations

from gridmill.features.slurm.plan import plan_slurm
from gridmill.features.slurm.problems import slurm_problems
from gridmill.features.slurm.section import Scheduler
from gridmill.features.slurm.variables import (
    AUTH_KEYS_PATH,
    compute_checks,
    compute_gpu_variables,
    compute_variables,
    controller_checks,
    controller_variables,
    login_checks,
    login_variables,
)
from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="slurm",
    needs=("ldap", "software"),
    section=Scheduler,
    key="scheduler",
    summary="Partitions and accounts.",
    required=True,
    consents=("accounting", "slurm"),
    problems=(lambda context: slurm_problems(context.site, context.catalog),),
    plan=plan_slurm,
    placements=(
        Placement(
            role="slurm_controller",
            phases={"control": "all"},
            stage=Stage.SERVICES,
            group_variables={"controllers": controller_variables},
            checks=controller_checks,
        ),
        Placement(
            role="slurm_login",
            phases={"pod": "login:!compute"},
            stage=Stage.SERVICES,
            group_variables={"login": login_variables},
            checks=login_checks,
            secret_files={"login": {"slurm_login_auth_keys": AUTH_KEYS_PATH}},
        ),
        Placement(
            role="slurm_compute",
            phases={"pod": "compute"},
            stage=Stage.SERVICES,
            group_variables={"compute": compute_variables, "gpu": compute_gpu_variables},
            checks=compute_checks,
            secret_files={"compute": {"slurm_compute_auth_keys": AUTH_KEYS_PATH}},
        ),
    ),
)

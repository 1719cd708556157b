"""CUDA toolkits: as packages on the machines that get them, or once on a volume, with links to it."""

from __future__ import annotations

from gridmill.features.cuda.problems import toolkit_problems
from gridmill.features.cuda.variables import checks, class_variables, controller_variables
from gridmill.features.nvidia.problems import compatibility_problems
from gridmill.features.software.problems import software_problems
from gridmill.kernel.feature import Feature, Placement, Policy, Stage

FEATURE = Feature(
    name="cuda",
    needs=("nvidia", "software", "storage"),
    problems=(lambda context: toolkit_problems(context.site, context.catalog),),
    policies=(
        Policy(
            "supported-versions",
            "Driver, toolkit, Slurm and GPUs are versions that are offered, fit together, and have a known signer.",
            "mandatory",
            lambda case, _: [
                *software_problems(case.site, case.catalog, case.keys),
                *toolkit_problems(case.site, case.catalog),
                *compatibility_problems(case.site, case.catalog),
            ],
        ),
    ),
    placements=(
        Placement(
            role="cuda",
            phases={"control": "all", "pod": "compute:login"},
            stage=Stage.TOOLS,
            group_variables={"controllers": controller_variables},
            class_variables=class_variables,
            checks=checks,
        ),
    ),
)

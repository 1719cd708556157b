"""Power: every limit of the grid, the feeds and the pods holds, in time and after a loss."""

from __future__ import annotations

from gridmill.features.power.problems import margin_problems, redundancy_problems
from gridmill.kernel.feature import Feature, Policy
from gridmill.power import analyse, power_problems
from gridmill.power.contract import contract_problems, unused_problems
from gridmill.power.liquid import liquid_problems
from gridmill.power.ramp import load_problems, ramp_problems

FEATURE = Feature(
    name="power",
    problems=(
        lambda context: power_problems(context.site, context.catalog, context.power),
        lambda context: contract_problems(context.site),
        lambda context: ramp_problems(context.site, context.catalog),
        lambda context: liquid_problems(context.site, context.catalog),
    ),
    policies=(
        Policy(
            "power-within-limits",
            "Every limit of the site's power holds: budgets, connection, contract, feeds, phases, supplies, cooling.",
            "mandatory",
            lambda case, _: power_problems(case.site, case.catalog, analyse(case.site, case.catalog)),
        ),
        Policy(
            "margin-at-meter",
            "Some of the connection and of the contracted power is left with everything on.",
            "advisory",
            lambda case, options: margin_problems(case.site, case.catalog, options["share"]),
            {
                "share": {
                    "type": "number",
                    "minimum": 0,
                    "maximum": 1,
                    "default": 0.05,
                    "description": "Share of each limit at the meter that must be left.",
                }
            },
        ),
        Policy(
            "contract-in-use",
            "Power that is contracted in a congested area is used before it may be taken back.",
            "advisory",
            lambda case, _: unused_problems(case.site, case.catalog),
        ),
        Policy(
            "ramp-under-load",
            "A job that starts on one machine stays within the ramp of the grid connection.",
            "advisory",
            lambda case, _: load_problems(case.site, case.catalog),
        ),
        Policy(
            "survives-a-loss",
            "A site with real machines is planned for the loss of any one part (N-1).",
            "advisory",
            lambda case, _: redundancy_problems(case.site, case.catalog),
        ),
    ),
)

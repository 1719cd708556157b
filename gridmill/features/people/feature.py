"""People: names, numbers and groups, the same on every machine."""

from __future__ import annotations

from gridmill.features.people.plan import plan_people
from gridmill.features.people.problems import people_problems
from gridmill.kernel.feature import Feature

FEATURE = Feature(
    name="people",
    needs=("ldap", "slurm", "storage"),
    problems=(lambda context: people_problems(context.site),),
    plan=plan_people,
)

"""The Pulumi program: stack definition -> typed site -> plan -> components."""

from pathlib import Path

import pulumi

from components import Site
from components.stack import stack_definition, stack_secrets
from gridmill.plan import plan_site

plan = plan_site(stack_definition(Path(__file__).resolve().parent))
site = Site(plan.name, plan, stack_secrets())
pulumi.export("site", site.summary)

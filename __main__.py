"""The Pulumi program: stack definition -> typed site -> plan -> components."""

from pathlib import Path

import pulumi

from components import Site
from components.consent import consent_hook
from components.stack import keep_state, stack_definition, stack_host_keys, stack_secrets
from gridmill.plan import plan_site

root = Path(__file__).resolve().parent
definition = stack_definition(root)
keep_state(root)
plan = plan_site(definition)
site = Site(plan.name, plan, stack_secrets(definition), stack_host_keys(definition), consent_hook(plan.name))
pulumi.export("site", site.summary)

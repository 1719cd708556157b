"""The Pulumi program: the site that this stack defines, planned and brought up."""

from pathlib import Path

import pulumi

from components import Site
from components.stack import keep_state

keep_state(Path(__file__).resolve().parent)
site = Site(pulumi.get_stack(), {})
pulumi.export("site", site.summary)

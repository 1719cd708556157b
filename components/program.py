"""The Pulumi program of a project with sites, which has nothing else to declare."""

import pulumi

from gridmill.operations.places import project

from .public import Site
from .stack import keep_state


def declare_site() -> Site:
    """Declare the site that the stack defines, and export its summary as `site`."""
    keep_state(project())
    site = Site(pulumi.get_stack(), {})
    pulumi.export("site", site.summary)
    return site

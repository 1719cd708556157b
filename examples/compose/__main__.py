"""Pulumi's program: a site for every row, and what others want to know of all of them."""

import pulumi
from fleet import FLEET, definition
from gridmill.components import Site

sites = {row.name: Site(row.name, {"definition": definition(row)}) for row in FLEET}

pulumi.export("logins", {name: site.slurm["logins"] for name, site in sites.items()})
pulumi.export("atTheMetersW", pulumi.Output.all(*(site.power["meterW"] for site in sites.values())).apply(sum))
pulumi.export("sites", {name: site.summary for name, site in sites.items()})

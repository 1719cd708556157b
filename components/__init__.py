"""Pulumi components: resources and outputs from a plan. Nothing is decided here; `gridmill` decides.

In a wheel this package is `gridmill.components`, so its modules import each other relatively.
"""

from .program import declare_site
from .public import Site, SiteArgs

__all__ = ["Site", "SiteArgs", "declare_site"]

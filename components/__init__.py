"""Pulumi components: resources and outputs from a plan. Nothing is decided here; `gridmill` decides."""

from .public import Site, SiteArgs

__all__ = ["Site", "SiteArgs"]

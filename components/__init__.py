"""Pulumi components: resources and outputs from a plan. Nothing is decided here; `gridmill` decides."""

from components.site import Site

__all__ = ["Site"]

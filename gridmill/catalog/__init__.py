"""Hardware and software as data: one YAML a SKU, a source and a confidence for every number."""

from gridmill.catalog.loader import Catalog, load_catalog
from gridmill.catalog.schema import Compatibility, Equipment, Gpu, Node, NodeGpu, SoftwareSet

__all__ = ["Catalog", "Compatibility", "Equipment", "Gpu", "Node", "NodeGpu", "SoftwareSet", "load_catalog"]

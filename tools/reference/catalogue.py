"""docs/reference/catalogue.md: the built-in hardware and software, with where each number comes from."""

from __future__ import annotations

from collections.abc import Iterable

from gridmill.catalog import Catalog, Gpu, Node, SoftwareSet, load_catalog
from gridmill.catalog.sources import Source
from gridmill.core.units import kilowatts
from tools.reference.markdown import code, page, table

INTRODUCTION = """\
What `sku` may name, beside the files of a site's own in `inventories/<site>/skus/`. A number's confidence is
`data-sheet` or `documented` (its maker says so), `measured`, `simulated`, or `unverified`: from memory, to be checked
before a site is built on it."""

_MEBIBYTE = 2**20


def catalogue_page() -> str:
    """The page."""
    catalog = load_catalog()
    return page("Catalogue", INTRODUCTION, [_nodes(catalog), _gpus(catalog.gpus.values()), _software(catalog)])


def _nodes(catalog: Catalog) -> str:
    rows = [
        (
            code(node.id),
            node.model,
            node.kind,
            f"{node.units} U",
            f"{node.gpu.count} × {code(node.gpu.type)}" if node.gpu else "",
            f"{node.cpu.sockets} × {node.cpu.cores_per_socket} cores × {node.cpu.threads_per_core}",
            f"{node.memory / 10**9:.0f} GB",
            _power(node),
        )
        for node in sorted(catalog.nodes.values(), key=lambda node: node.id)
    ]
    head = ("SKU", "model", "kind", "height", "GPUs", "processors", "memory", "nameplate / typical / idle")
    return "\n\n".join(["## Nodes", table(head, rows), _sources(sorted(catalog.nodes.items()))])


def _power(node: Node) -> str:
    power = node.power
    return " / ".join(kilowatts(watts) for watts in (power.nameplate, power.typical, power.idle))


def _gpus(gpus: Iterable[Gpu]) -> str:
    ordered = sorted(gpus, key=lambda gpu: gpu.id)
    rows = [
        (
            code(gpu.id),
            gpu.model,
            code(gpu.gres_type),
            f"{gpu.memory // _MEBIBYTE} MiB",
            str(gpu.nvlinks),
            f"{gpu.power.min} to {gpu.power.max} W",
            f"{gpu.power.idle} W",
        )
        for gpu in ordered
    ]
    head = ("type", "name in NVML", "gres", "memory", "NVLinks", "power limit", "idle")
    return "\n\n".join(["## GPUs", table(head, rows), _sources((gpu.id, gpu) for gpu in ordered)])


def _software(catalog: Catalog) -> str:
    ordered = sorted(catalog.software.items())
    rows = [
        (
            code(key),
            *(", ".join(versions) for versions in (one.drivers, one.nccl, one.cuda, one.slurm)),
            one.repository.url if one.repository else "what the machine has from the start",
        )
        for key, one in ordered
    ]
    head = ("system and source", "drivers", "NCCL", "CUDA", "Slurm", "packages from")
    return "\n\n".join(["## Software", table(head, rows), _sources(ordered)])


def _sources(entries: Iterable[tuple[str, Gpu | Node | SoftwareSet]]) -> str:
    rows = [(code(key), *_source(source)) for key, entry in entries for source in entry.sources]
    return table(("entry", "numbers", "from", "confidence"), rows)


def _source(source: Source) -> tuple[str, str, str]:
    return source.of, source.from_, source.confidence

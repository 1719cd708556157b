"""Every file of the built-in catalogue: of its schema, consistent, and every number traceable."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # comes with ansible-lint
import pytest
import yaml

from gridmill.catalog import load_catalog
from gridmill.catalog.consistency import named, numbers, sourced
from gridmill.catalog.json_schema import SKUS, sku_schemas
from gridmill.catalog.loader import BUILT_IN
from gridmill.catalog.schema import Equipment, Gpu, Node
from gridmill.catalog.sources import Source
from gridmill.power.sizing import Question, size
from tests.conftest import ROOT

KINDS = {
    "gpus": "gpu",
    "nodes": "node",
    "switches": "equipment",
    "shelves": "equipment",
    "cooling": "cooling",
    "pdus": "pdu",
    "ups": "ups",
    "meters": "meter",
}
FILES = [path for kind in KINDS for path in sorted((BUILT_IN / kind).glob("*.yaml"))]
CATALOG = load_catalog()

WANTED = {
    "gpus": "h100-sxm h200-sxm b200-sxm b300-sxm gb200 gb300 h100-pcie h100-nvl h200-nvl l40s rtx-pro-6000 l4 a100-sxm"
    " a100-pcie",
    "nodes": "dgx-h100 dgx-h200 dgx-b200 dgx-b300 hgx-h100 hgx-h200 hgx-b200 hgx-b300 gb200-nvl72-tray gb300-nvl72-tray"
    " srv-4xl40s srv-8xl40s srv-8xrtxpro6000 srv-4xl4 srv-4xa100 srv-8xa100 srv-4xh100nvl srv-cpu srv-login srv-mgmt"
    " srv-nvme srv-hdd",
    "switches": "qm9700 q3400 sn5400 sn5600 sn4600c sn2201 gb200-nvl72-switch gb300-nvl72-switch",
    "shelves": "nvl72-power-shelf",
    "pdus": "pdu-1x16a pdu-1x32a pdu-3x16a pdu-3x32a pdu-3x63a pdu-3x125a",
}


def ident(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def raw(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return data


def entry(path: Path) -> Any:
    return SKUS[KINDS[path.parent.name]].model_validate(raw(path))


def test_what_the_catalogue_must_know_is_there() -> None:
    missing = [
        f"{kind}/{sku}" for kind, skus in WANTED.items() for sku in skus.split() if sku not in getattr(CATALOG, kind)
    ]
    assert missing == []
    assert len(FILES) == sum(len(getattr(CATALOG, kind)) for kind in KINDS)


@pytest.mark.parametrize("path", FILES, ids=ident)
def test_a_file_holds_its_schema_and_names_it(path: Path) -> None:
    kind = KINDS[path.parent.name]
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema=../../../docs/reference/sku-{kind}.schema.json"
    assert (path.parent / first.split("=")[1]).resolve() == ROOT / "docs" / "reference" / f"sku-{kind}.schema.json"
    jsonschema.Draft202012Validator(sku_schemas()[f"sku-{kind}.schema.json"]).validate(raw(path))
    assert raw(path)["id"] == path.stem


@pytest.mark.parametrize("path", FILES, ids=ident)
def test_every_number_has_a_source(path: Path) -> None:
    found = entry(path)
    items = named(found)
    assert "all" not in items
    assert numbers(found)
    uncovered = [name for name in numbers(found) if not any(sourced(item, name) for item in items)]
    assert uncovered == []
    twice = [name for name in numbers(found) if sum(sourced(item, name) for item in items) > 1]
    assert twice == [], "which of the two sources does the number come from?"


@pytest.mark.parametrize("path", FILES, ids=ident)
def test_a_confidence_is_as_good_as_its_source(path: Path) -> None:
    sources: list[Source] = entry(path).sources
    for source in sources:
        if source.confidence == "data-sheet":
            assert re.search(r"\w+ .*data sheet", source.from_), source.from_
        if source.confidence != "unverified":
            assert not re.search("memory|planning|guess|assum", source.from_), source.from_
        assert source.confidence != "simulated"


@pytest.mark.parametrize("path", [path for path in FILES if KINDS[path.parent.name] == "gpu"], ids=ident)
def test_a_gpu_is_plausible(path: Path) -> None:
    gpu: Gpu = entry(path)
    assert gpu.power.min <= gpu.power.default_w <= gpu.power.max
    assert gpu.power.idle < gpu.power.max / 4
    assert gpu.gres_type in gpu.model.lower().replace(" ", "_"), "Slurm's AutoDetect looks for it in NVML's name"
    assert gpu.architecture in CATALOG.compatibility["nvidia"].architectures


@pytest.mark.parametrize(
    "path", [path for path in FILES if KINDS[path.parent.name] not in ("gpu", "pdu", "ups", "meter")], ids=ident
)
def test_power_adds_up(path: Path) -> None:
    found: Node | Equipment = entry(path)
    power, supplies = found.power, found.supplies
    assert power.idle <= power.typical <= power.nameplate
    if supplies:
        assert (supplies.count - supplies.redundant) * supplies.each >= power.nameplate
        assert supplies.redundant > 0
        assert supplies.needed <= supplies.count - supplies.redundant
    if isinstance(found, Node) and found.gpu:
        gpu = CATALOG.gpus[found.gpu.type]
        assert found.gpu.count * gpu.power.max < power.nameplate
        assert found.gpu.count * gpu.power.idle < power.idle
        assert found.kind == "gpu"


@pytest.mark.parametrize("sku", sorted(CATALOG.nodes))
def test_every_system_can_be_sized(sku: str) -> None:
    answer = size(Question(sku, 4), CATALOG)
    assert answer["power"]["it_kw"] == pytest.approx(4 * CATALOG.nodes[sku].power.nameplate / 1000)
    assert answer["racks"]["nodes_per_rack"] >= 1


@pytest.mark.parametrize("generation", ["gb200", "gb300"])
def test_the_parts_of_an_nvl72_rack_come_to_what_vendors_provision(generation: str) -> None:
    """132 to 150 kW: eighteen compute trays, nine switch trays, eight shelves and two management switches."""
    total = (
        18 * CATALOG.nodes[f"{generation}-nvl72-tray"].power.nameplate
        + 9 * CATALOG.switches[f"{generation}-nvl72-switch"].power.nameplate
        + 8 * CATALOG.shelves["nvl72-power-shelf"].power.nameplate
        + 2 * CATALOG.switches["sn2201"].power.nameplate
    )
    assert 132_000 <= total <= 150_000

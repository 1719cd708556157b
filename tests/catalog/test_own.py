"""A site's own SKU files: what is wrong with one is said with its file and line."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from gridmill.catalog import load_catalog
from gridmill.catalog.loader import BUILT_IN
from gridmill.core.errors import ProblemsError
from tests.conftest import ROOT

GPU = (BUILT_IN / "gpus" / "h100-nvl.yaml").read_text(encoding="utf-8")
NODE = (BUILT_IN / "nodes" / "dgx-h100.yaml").read_text(encoding="utf-8")
SWITCH = (BUILT_IN / "switches" / "qm9700.yaml").read_text(encoding="utf-8")


def own(root: Path, kind: str, text: str, name: str = "mine") -> Path:
    (root / kind).mkdir(exist_ok=True)
    head, _, rest = text.partition("\nid: ")
    changed = f"{head}\nid: {name}\n{rest.partition(chr(10))[2]}"
    (root / kind / f"{name}.yaml").write_text(changed, encoding="utf-8")
    return root


def test_own_skus_of_every_kind_join_the_catalogue(tmp_path: Path) -> None:
    for kind in ("gpus", "nodes", "switches", "shelves", "cooling", "pdus", "ups"):
        text = next(iter(sorted((BUILT_IN / kind).glob("*.yaml")))).read_text(encoding="utf-8")
        own(tmp_path, kind, text)
    catalog = load_catalog(tmp_path)
    assert all("mine" in getattr(catalog, kind) for kind in ("gpus", "nodes", "shelves", "cooling", "pdus", "ups"))
    assert catalog.own_gpus == {"mine"}
    assert load_catalog().own_gpus == frozenset()


@pytest.mark.parametrize(
    ("kind", "text", "old", "new", "message"),
    [
        ("nodes", NODE, "typical: 8.4 kW", "typical: 10.4 kW", "idle, typical, nameplate are 2 kW, 10.4 kW, 10.2 kW"),
        ("nodes", NODE, "each: 3.3 kW", "each: 2.5 kW", "4 of 6 give 10 kW"),
        ("nodes", NODE, "redundant: 2", "redundant: 6", "more supplies are redundant or needed than there are"),
        ("nodes", NODE, "supplies, units, gpu", "supplies, gpu", "no source of units"),
        ("nodes", NODE, "supplies, units, gpu", "supplies, units, gpus", "no field gpus"),
        ("nodes", NODE, "gpu: {type: h100-sxm", "gpu: {type: h100-smx", "node mine: unknown GPU h100-smx"),
        ("nodes", NODE, "{nameplate: 10.2 kW, typical: 8.4 kW", "{nameplate: 5.5 kW, typical: 5 kW",
         "node mine: 8 h100-sxm alone draw 5.6 kW"),
        ("switches", SWITCH, "idle: 600 W", "idle: 800 W", "idle, typical, nameplate are 0.8 kW, 0.75 kW, 1.72 kW"),
        ("switches", SWITCH, "each: 2 kW", "each: 1.5 kW", "1 of 2 give 1.5 kW"),
        ("gpus", GPU, "min: 200 W", "min: 500 W", "min, default, max are 500, 400, 400 W"),
        ("gpus", GPU, "idle: 64 W", "idle: 64 W, default: 410 W", "min, default, max are 200, 410, 400 W"),
        ("gpus", GPU, "idle: 64 W", "idle: 640 W", "640 W without work"),
    ],
)  # fmt: skip
def test_what_does_not_fit_in_a_file_is_refused(
    kind: str, text: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    assert old in text
    with pytest.raises(ProblemsError) as caught:
        load_catalog(own(tmp_path, kind, text.replace(old, new)))
    assert message in [problem.message for problem in caught.value.problems]


def test_file_and_line_are_named_and_the_missing_source_is_dictated(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError) as caught:
        load_catalog(own(tmp_path, "nodes", NODE.replace("supplies, units, gpu", "supplies")))
    problem = caught.value.problems[0]
    assert problem.file.endswith("nodes/mine.yaml")
    assert problem.line == NODE.splitlines().index("sources:") + 1
    assert problem.hint == '{of: "units, gpu.count", from: <document, log or measurement>, confidence: unverified}'


def test_a_default_limit_of_its_own_is_known(tmp_path: Path) -> None:
    own(tmp_path, "gpus", GPU.replace("idle: 64 W", "idle: 64 W, default: 310 W"))
    gpus = load_catalog(tmp_path).gpus
    assert (gpus["mine"].power.default_w, gpus["h100-nvl"].power.default_w) == (310, 400)


def test_the_guide_shows_files_that_load(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "own-hardware.md").read_text(encoding="utf-8")
    blocks = [textwrap.dedent(block) for block in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)]
    sku = next(block for block in blocks if "id: acme-8xh200" in block)
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes" / "acme-8xh200.yaml").write_text(sku, encoding="utf-8")
    catalog = load_catalog(tmp_path)
    assert "acme-8xh200" in catalog.nodes
    shown = [yaml.safe_load(block) for block in blocks if block is not sku]
    groups = [
        *shown[0]["pods"]["pod-a"]["equipment"].values(),
        *shown[1]["nodes"].values(),
        *shown[1]["equipment"].values(),
    ]
    assert all(group["sku"] in catalog.nodes or group["sku"] in catalog.equipment for group in groups)

"""Makes sites of any size from the sample site: pods of equal size, two kinds of GPU nodes, storage, a controller."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = "ems1"
GPU_UNITS = 8
NODES_PER_RACK = 6
"""Five GPU nodes and one storage server."""
NODES_PER_POD = 500
POD_PREFIX = 19
"""A pod's block: 127 racks of 64 addresses."""
KILOWATTS_PER_NODE = 10.3
PDU = "pdu-3x125a"
"""One of them carries a rack of five GPU nodes and a storage server."""
PUE = 1.2


def site(nodes: int, name: str) -> dict[str, Any]:
    """The site object for `nodes` machines (one of them the controller, in the first pod); at least 20."""
    text = (ROOT / f"Pulumi.{SAMPLE}.yaml").read_text(encoding="utf-8")
    sample: dict[str, Any] = yaml.safe_load(text)["config"]["gridmill:site"]
    del sample["software"]["nvidia"]["cuda"]  # lies on a volume there
    pods = -(-nodes // NODES_PER_POD)
    supernet = 32 - (2 ** (32 - POD_PREFIX) * (pods + 1) - 1).bit_length()
    sizes = [min(NODES_PER_POD, nodes - NODES_PER_POD * number) for number in range(pods)]
    megavolts = nodes * KILOWATTS_PER_NODE * PUE * 1.1 / 1000 + 1
    return {
        **{key: sample[key] for key in ("schemaVersion", "location", "operator", "access", "software")},
        "name": name,
        "grid": {"connection": f"{megavolts:.0f} MVA", "pue": PUE},
        "network": {"supernet": f"10.0.0.0/{supernet}", "podPrefix": POD_PREFIX, "domain": f"{name}.example"},
        "scheduler": {
            "partitions": {"h100": {"nodeGroups": ["h100"], "default": True}, "h200": {"nodeGroups": ["h200"]}}
        },
        "pods": {f"pod-{number}": pod(number, size) for number, size in enumerate(sizes, 1)},
    }


def pod(number: int, nodes: int) -> dict[str, Any]:
    """Racks of five GPU nodes and one storage server; H100 in the first half, H200 in the second."""
    racks, rest = divmod(nodes - (number == 1), NODES_PER_RACK)
    half, gpus = racks // 2, ",".join(str(1 + GPU_UNITS * position) for position in range(NODES_PER_RACK - 1))
    more = [f"r1/u{43 + 2 * place}" for place in range(rest)]
    groups = {
        "h100": {"sku": "dgx-h100", "at": [f"r[1-{half}]/u[{gpus}]"]},
        "h200": {"sku": "dgx-h200", "at": [f"r[{half + 1}-{racks}]/u[{gpus}]"]},
        "store": {"sku": "srv-nvme", "at": [f"r[1-{racks}]/u41", *more]},
        **({"control": {"sku": "srv-mgmt", "at": ["r2/u43"]}} if number == 1 else {}),
    }
    names = {f"r{rack}": {"height": 63} for rack in range(1, racks + 1)}
    return {"budget": f"{nodes * KILOWATTS_PER_NODE:.0f} kW", "racks": names, "nodes": groups}


def with_feeds(made: dict[str, Any]) -> dict[str, Any]:
    """The site with two feeds that each carry all of it, PDUs of both in every rack, N-1 and planned caps."""
    megavolts = made["grid"]["connection"]
    feeds = {"A": {"breaker": megavolts}, "B": {"breaker": megavolts}}
    first, *others = made["pods"]
    for rack in made["pods"][first]["racks"].values():
        rack["pdus"] = {"A": PDU, "B": PDU}
    for key in others:  # the same racks; written once, they are few enough bytes for Pulumi
        made["pods"][key] = {**made["pods"][key], "like": first}
        del made["pods"][key]["racks"]
    return {**made, "power": {"feeds": feeds, "plan": "n-1", "caps": "auto", "designMargin": 0.9}}


def write_site(directory: Path, nodes: int, name: str = "bench", more: str = "", *, feeds: bool = False) -> Path:
    """Write the stack file of such a site into a directory, and the keys that it needs; `more` ends the file."""
    path = directory / f"Pulumi.{name}.yaml"
    made = with_feeds(site(nodes, name)) if feeds else site(nodes, name)
    text = yaml.safe_dump({"config": {"gridmill:site": made}}, sort_keys=False, width=120)
    path.write_text(text + more, encoding="utf-8")
    beside = Path("inventories")
    shutil.copytree(ROOT / beside / SAMPLE / "keys", directory / beside / name / "keys", dirs_exist_ok=True)
    return path

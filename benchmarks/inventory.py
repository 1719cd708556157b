"""The inventory plugin through Ansible's own loader: from a converge document to hosts, groups and variables."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import PYTHON, ROOT, Row, run
from benchmarks.sites import write_site

NODES = 10_000
LARGEST_S = 1.0
RUNS = 5


def benchmark() -> list[Row]:
    """Seconds that Ansible takes to load 10,000 hosts from one document."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        write_site(place, NODES)
        document = place / "gridmill.json"
        document.write_text(json.dumps(one_document(place / "Pulumi.bench.yaml")), encoding="utf-8")
        command = [PYTHON, "-m", "benchmarks.inventory", str(document)]
        environment = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_INVENTORY_UNPARSED_FAILED": "1"}
        found = [json.loads(run(command, environment=environment).output) for _ in range(RUNS)]
    assert all(one["hosts"] == NODES - 1 for one in found)  # noqa: S101 - a benchmark of nothing is none
    best = min(found, key=lambda one: float(one["seconds"]))
    note = f"{best['groups']} groups, {best['cpu']:.2f} s of CPU; Ansible's InventoryManager, without Ansible's start"
    return [Row("inventory", f"{NODES} hosts, load", best["seconds"], "s", LARGEST_S, note)]


def one_document(path: Path) -> dict[str, object]:
    """The pods' documents of a site joined to one, as if all machines stood in one pod."""
    from gridmill.documents import documents  # noqa: PLC0415 - the measured process needs none of it
    from gridmill.load import load_definition  # noqa: PLC0415 - the measured process needs none of it
    from gridmill.plan import plan_site  # noqa: PLC0415 - the measured process needs none of it

    pods = [one for one in documents(plan_site(load_definition(path))).values() if "controllers" in one]
    joined = pods[0]
    for pod in pods[1:]:
        joined["hosts"] |= pod["hosts"]
        for key, group in pod["groups"].items():
            joined["groups"].setdefault(key, {**group, "hosts": []})["hosts"].extend(group["hosts"])
    joined["connection"] |= {"identityFile": "/id", "knownHostsFile": "/known_hosts"}
    return joined


def load(document: str) -> None:
    """Load one document, and print how long it took."""
    import time  # noqa: PLC0415

    from ansible.inventory.manager import InventoryManager  # noqa: PLC0415
    from ansible.parsing.dataloader import DataLoader  # noqa: PLC0415
    from ansible.plugins.loader import init_plugin_loader  # noqa: PLC0415

    init_plugin_loader()
    started, cpu = time.monotonic(), time.process_time()
    inventory = InventoryManager(loader=DataLoader(), sources=[document])
    figures = {"seconds": time.monotonic() - started, "cpu": time.process_time() - cpu}
    hosts = inventory.get_hosts("all:!controllers")
    print(json.dumps({**figures, "hosts": len(hosts), "groups": len(inventory.groups)}))


if __name__ == "__main__":
    load(sys.argv[1])

"""Two sites as an organisation keeps them: one row each, and what all of them share. A program may as well read this
from a spreadsheet or an asset database.

`python fleet.py` writes a file per site, for `gridmill validate ems1.yaml`, `gridmill status ems1.yaml` and the others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """What differs from site to site."""

    name: str
    municipality: str
    supernet: str
    connection: str
    budget: str
    racks: int
    """GPU racks; each holds four servers with four L40S."""


FLEET = (
    Row("ems1", "Emmen", "10.40.0.0/16", "3x63A", "25 kW", racks=2),
    Row("hgl1", "Hengelo", "10.41.0.0/16", "3x40A", "15 kW", racks=1),
)

ADMINS = {
    "anna": {
        "uid": 2001,
        # The private half of this key was thrown away; put your own here.
        "keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMMqTf4YALmseGp5qTQjiEg0ZwerkQWTSdqge0Z0Kvzq anna"],
    }
}


def definition(row: Row) -> dict[str, Any]:
    """The whole site, with the keys of a stack file."""
    domain = f"{row.name}.example"
    return {
        "schemaVersion": 2,
        "location": {"country": "NL", "municipality": row.municipality, "timezone": "Europe/Amsterdam"},
        "operator": {"name": "Example Mills B.V.", "contact": f"noc@{domain}"},
        "grid": {"connection": row.connection, "pue": 1.25},
        "network": {"supernet": row.supernet, "domain": domain},
        "access": {
            "admins": ADMINS,
            "bootstrap": {
                "user": "gridmill",
                "identityFile": "~/.ssh/id_ed25519",
                "knownHostsFile": f"~/.config/gridmill/{row.name}/known_hosts",
            },
        },
        "software": {
            "os": "debian-13",
            "nvidia": {"source": "distro", "driver": "550.163.01", "nccl": "2.22.3"},
            "slurm": {"version": "24.11"},
        },
        "scheduler": {
            "partitions": {"gpu": {"nodeGroups": ["gpu"], "default": True, "maxTime": "2-00:00:00"}},
            "accounts": {"research": {"description": "Research group", "users": sorted(ADMINS)}},
        },
        "pods": {
            "pod-a": {
                "budget": row.budget,
                "racks": {f"r{number}": {} for number in range(1, row.racks + 1)},
                "nodes": {
                    "control": {"sku": "srv-mgmt", "at": ["r1/u40"]},
                    "gpu": {"sku": "srv-4xl40s", "at": [f"r[1-{row.racks}]/u[1,3,5,7]"]},
                },
            }
        },
    }


def write_files(directory: Path) -> None:
    """The definitions as files, as the `gridmill` command reads them: JSON is YAML, too."""
    for row in FLEET:
        site = {"name": row.name, **definition(row)}
        text = json.dumps({"config": {"gridmill:site": site}}, indent=2)
        (directory / f"{row.name}.yaml").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_files(Path())

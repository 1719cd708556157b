"""Makes sites of any size: pods of equal size with two kinds of GPU nodes and storage, as a stack definition."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

GPU_UNITS = 8
NODES_PER_RACK = 6
"""Five GPU nodes and one storage server."""
NODES_PER_POD = 500
POD_PREFIX = 19
"""A pod's block: 127 racks of 64 addresses."""

_HEAD = """\
config:
  gridmill:site:
    schemaVersion: 1
    name: {name}
    location: {{country: NL, municipality: Emmen, timezone: Europe/Amsterdam}}
    operator: {{name: Benchmark, contact: noc@bench.example}}
    grid: {{connection: {connection} MVA, pue: 1.2}}
    network: {{supernet: 10.0.0.0/{supernet}, podPrefix: {prefix}, domain: bench.example}}
    access:
      admins:
        anna: {{uid: 2001, keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJGd41lXzdougWj52V4d4JqdrNABLVdjYs52g2k6oLJ+ anna"]}}
      bootstrap: {{user: gridmill, identityFile: ~/.ssh/id_ed25519, knownHostsFile: ~/.config/gridmill/known_hosts}}
    software:
      os: debian-13
      nvidia: {{source: distro, driver: 550.163.01, nccl: 2.22.3}}
      slurm: {{version: "24.11"}}
    scheduler:
      partitions:
        h100: {{of: h100, default: true}}
        h200: {{of: h200}}
      accounts:
        research: {{description: Research, users: [anna]}}
    pods:
"""  # noqa: E501 - one line a key


def site_text(nodes: int, name: str = "bench") -> str:
    """The stack definition of a site of `nodes` machines (one of them the controller, in the first pod)."""
    pods = -(-nodes // NODES_PER_POD)
    supernet = 32 - (2 ** (32 - POD_PREFIX) * (pods + 1) - 1).bit_length()
    connection = nodes * 11 * 12 // 10 // 1000 + 1
    head = _HEAD.format(name=name, connection=connection, supernet=supernet, prefix=POD_PREFIX)
    sizes = [min(NODES_PER_POD, nodes - NODES_PER_POD * number) for number in range(pods)]
    return head + "".join(line for number, size in enumerate(sizes, 1) for line in _pod(number, size))


def _pod(number: int, nodes: int) -> Iterator[str]:
    """A pod: racks of five GPU nodes and one storage server; H100 in the first half, H200 in the second."""
    racks, rest = divmod(nodes - (number == 1), NODES_PER_RACK)
    half, gpus = racks // 2, ",".join(str(1 + GPU_UNITS * position) for position in range(NODES_PER_RACK - 1))
    slots = {
        **({"control": ("srv-mgmt", ["r2/u43"])} if number == 1 else {}),
        "h100": ("dgx-h100", [f"r[1-{half}]/u[{gpus}]"]),
        "h200": ("dgx-h200", [f"r[{half + 1}-{racks}]/u[{gpus}]"]),
        "store": ("srv-nvme", [f"r[1-{racks}]/u41", *(f"r1/u{43 + 2 * place}" for place in range(rest))]),
    }
    yield f"      pod-{number}:\n        budget: {nodes * 10.3:.0f} kW\n"
    yield f"        racks: {{{', '.join(f'r{rack}: {{}}' for rack in range(1, racks + 1))}}}\n        nodes:\n"
    for group, (sku, places) in slots.items():
        yield f"          {group}: {{sku: {sku}, at: {places}}}\n"


def write_site(directory: Path, nodes: int, name: str = "bench") -> Path:
    """Write the stack file of such a site into a directory."""
    path = directory / f"Pulumi.{name}.yaml"
    path.write_text(site_text(nodes, name), encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.stdout.write(site_text(int(sys.argv[1])))

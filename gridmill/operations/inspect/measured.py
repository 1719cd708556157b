"""Asks machines what they draw and which power limits apply. It changes nothing.

One SSH connection and one command per machine, in parallel, within a time limit; who does not answer is named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from gridmill.compare.measured import GpuReading, NodeReading, findings
from gridmill.kernel.site_plan import HostPlan, SitePlan
from gridmill.operations.document import plan_connection
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts.ssh import run_as_root

PARALLEL = 32
"""Connections at once."""
LIMIT_S = 120
"""Seconds after which no further machine is asked; 10,000 machines that answer take less."""
TIMEOUT_S = 45
"""Seconds that one machine may take: nvidia-smi waits for GPUs that hang."""

FIELDS = ("power.draw", "power.limit", "power.min_limit", "power.max_limit", "power.default_limit")
SCRIPT = f"""
LC_ALL=C; export LC_ALL
if command -v nvidia-smi >/dev/null; then
  timeout 20 nvidia-smi --query-gpu=index,{",".join(FIELDS)} --format=csv,noheader,nounits | sed 's/^/gpu=/'
fi
# a container's sensors are those of the machine underneath
if systemd-detect-virt --quiet --container; then exit 0; fi
for file in /sys/class/hwmon/hwmon*/power1_average; do
  [ -e "$file" ] && [ "$(cat "${{file%/*}}/name")" = power_meter ] && echo "acpi_uw=$(cat "$file")"
done
if [ -e /dev/ipmi0 ] && command -v ipmitool >/dev/null; then
  timeout 20 ipmitool dcmi power reading | sed -n 's/.*Instantaneous power reading: *\\([0-9]*\\) Watts.*/dcmi_w=\\1/p'
fi
rapl() {{
  for zone in /sys/class/powercap/intel-rapl:*; do
    case "$(cat "$zone/name" 2>/dev/null)" in package-*)
      echo "rapl=${{zone##*/}} $(date +%s%N) $(cat "$zone/energy_uj") $(cat "$zone/max_energy_range_uj")";;
    esac
  done
}}
rapl; [ -e /sys/class/powercap/intel-rapl:0 ] && sleep 1; rapl
exit 0
"""

Ask = Callable[[HostPlan], str]


def measure(plan: SitePlan, hosts: Iterable[HostPlan], ask: Ask | None = None) -> dict[str, NodeReading]:
    """What the machines say, by name; those in maintenance are left alone. `ask` reaches one; by default over SSH."""
    reach = ask or over_ssh(plan)
    asked = [host for host in hosts if host.maintenance is None]
    end = time.monotonic() + LIMIT_S

    def one(host: HostPlan) -> NodeReading:
        if time.monotonic() > end:
            return NodeReading(complaint=f"not asked: the {LIMIT_S} s for all machines were over")
        try:
            return parse(reach(host))
        except OperationError as error:
            return NodeReading(complaint=str(error).removeprefix(f"{host.name}: power: "))

    with ThreadPoolExecutor(PARALLEL) as pool:
        return dict(zip((host.name for host in asked), pool.map(one, asked), strict=True))


def over_ssh(plan: SitePlan) -> Ask:
    """Asks a machine over SSH with the plan's bootstrap login; host keys are checked."""
    connection = plan_connection(plan)

    def ask(host: HostPlan) -> str:
        words = ["sh", "-s"]
        return run_as_root(connection, host.name, host.address, words, what="power", stdin=SCRIPT, timeout_s=TIMEOUT_S)

    return ask


def parse(output: str) -> NodeReading:
    """What SCRIPT printed. OperationError for any other output."""
    values: dict[str, list[str]] = {}
    for line in output.splitlines():
        key, _, value = line.partition("=")
        values.setdefault(key, []).append(value)
    try:
        gpus = tuple(_gpu(line) for line in values.get("gpu", ()))
        dcmi = [float(text) for text in values.get("dcmi_w", ())]
        acpi = [float(text) / 1e6 for text in values.get("acpi_uw", ())]
        cpu_w = _rapl(values.get("rapl", []))
    except (ValueError, ZeroDivisionError) as error:
        raise OperationError(f"power: unexpected output ({error})") from error
    node_w, source = (sum(dcmi), "BMC (DCMI)") if dcmi else (sum(acpi), "ACPI power meter") if acpi else (None, "")
    return NodeReading(gpus, node_w, source, cpu_w)


def _gpu(line: str) -> GpuReading:
    index, *cells = (cell.strip() for cell in line.split(","))
    if len(cells) != len(FIELDS):
        raise ValueError(line)
    return GpuReading(int(index), *(_watts(cell) for cell in cells))


def _watts(cell: str) -> float | None:
    """A number of W; None for `[N/A]` and the like."""
    return None if cell.startswith("[") else float(cell)


def _rapl(lines: list[str]) -> float | None:
    """W of all processor packages from two looks at their counters of µJ, which start anew at their end."""
    looks: dict[str, list[tuple[int, int, int]]] = {}
    for line in lines:
        zone, *numbers = line.split()
        nanoseconds, energy, end = map(int, numbers)
        looks.setdefault(zone, []).append((nanoseconds, energy, end))
    pairs = [pair for pair in looks.values() if len(pair) == 2]  # noqa: PLR2004
    if not pairs or len(pairs) != len(looks):
        return None
    return sum(((e2 - e1) % (end + 1)) / (t2 - t1) * 1000 for (t1, e1, end), (t2, e2, _) in pairs)


def measured_data(plan: SitePlan, readings: dict[str, NodeReading]) -> dict[str, Any]:
    """Readings and findings for machines, by name."""
    hosts = {host.name: host for host in plan.hosts}
    return {
        name: {
            "simulated": hosts[name].simulated,
            "allocated_w": hosts[name].draw.allocated_w,
            "gpus_w": reading.gpus_w,
            **asdict(reading),
            **asdict(findings(hosts[name], reading)),
        }
        for name, reading in readings.items()
    }

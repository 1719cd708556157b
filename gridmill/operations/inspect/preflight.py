"""Preflight: reaches every machine of a plan and checks what Gridmill requires of it. It changes nothing.

One SSH connection and one command per machine, in parallel; what is wrong is named for every machine at once.
"""

from __future__ import annotations

import ipaddress
import re
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from gridmill.features.software.plan import SoftwarePlan
from gridmill.kernel.site_plan import HostPlan, SitePlan
from gridmill.operations.document import plan_connection
from gridmill.operations.hosts.ssh import CONNECT_TIMEOUT_S, connection_fix, ssh_command
from gridmill.operations.inspect import directory_probe
from gridmill.report.tables import columns

PARALLEL = 32
"""Connections at once."""

LARGEST_SKEW_S = 60
"""Seconds between a machine's clock and ours; auth/slurm refuses credentials older than 5 minutes, and logs that
disagree by a minute cannot be read together."""

SMALLEST_DISK_MIB = 10 * 1024
"""MiB free below /var; driver, CUDA libraries and Slurm take 2.5 GB (measured on Debian 13), logs the rest."""

HERE = "this machine"
"""The host of a finding about the machine that Gridmill runs on."""

NVIDIA_PCI_VENDOR = "0x10de"

PROBE = f"""
# $1: the file in which the machine tells its serial number
. /etc/os-release; echo "os=$ID-$VERSION_ID"
echo "python3=$(command -v python3 || :)"
root=
if [ "$(id -u)" = 0 ]; then echo sudo=yes; elif sudo -n true 2>/dev/null; then root='sudo -n'; echo sudo=yes
else echo sudo=no; fi
echo "serial=$($root cat "$1" 2>/dev/null || :)"
echo "macs="$(cat /sys/class/net/*/address /sys/class/net/*/bonding_slave/perm_hwaddr 2>/dev/null)
echo "inet6="$(awk '$4 == "00" {{print $1}}' /proc/net/if_inet6 2>/dev/null)
echo "clock=$(date +%s)"
echo "disk_mib=$(df -Pm /var | awk 'NR == 2 {{print $4}}')"
pci=0
for device in /sys/bus/pci/devices/*; do
  [ -e "$device/vendor" ] || continue
  case "$(cat "$device/vendor") $(cat "$device/class")" in "{NVIDIA_PCI_VENDOR} 0x03"*) pci=$((pci + 1));; esac
done
nodes=$(find /dev -maxdepth 1 -name 'nvidia[0-9]*' | wc -l)
if [ "$pci" -gt "$nodes" ]; then echo "gpus=$pci"; else echo "gpus=$nodes"; fi
{directory_probe.PROBE}"""


@dataclass(frozen=True)
class Found:
    """What a machine said; `complaint` when it could not be asked."""

    facts: dict[str, str]
    complaint: str = ""
    skew_s: float = 0


@dataclass(frozen=True)
class Finding:
    """One requirement that a machine does not meet."""

    host: str
    what: str
    expected: str
    found: str
    fix: str


Ask = Callable[[HostPlan], Found]


def preflight(plan: SitePlan, ask: Ask | None = None) -> list[Finding]:
    """Every finding of every machine, in the plan's order. `ask` reaches one machine; by default over SSH."""
    reach = ask or over_ssh(plan)
    hosts = asked(plan)
    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = list(pool.map(reach, hosts))
    return [
        finding
        for host, found in zip(hosts, answers, strict=True)
        for finding in findings_of(host, found, plan.of(SoftwarePlan).os)
    ]


def asked(plan: SitePlan) -> list[HostPlan]:
    """Installed machines that are in service."""
    return [host for host in plan.hosts if host.maintenance is None]


def skipped(plan: SitePlan) -> dict[str, str]:
    """Why a machine is not asked, by its name."""
    away = {host.name: f"maintenance: {host.maintenance}" for host in plan.hosts if host.maintenance is not None}
    return away | {host.name: f"planned, from {pod.planned_from}" for pod in plan.future for host in pod.hosts}


def findings_of(host: HostPlan, found: Found, system: str) -> Iterable[Finding]:
    """The requirements that this machine does not meet."""
    if found.complaint:
        yield Finding(
            host.name, "connection", f"SSH to {host.address}", found.complaint, connection_fix(found.complaint)
        )
        return
    facts = found.facts
    if facts.get("os") != system:
        yield Finding(host.name, "operating system", system, facts.get("os", "unknown"), "install it")
    if not facts.get("python3"):
        yield Finding(host.name, "python3", "installed", "missing", "apt-get install python3")
    if facts.get("sudo") != "yes":
        yield Finding(host.name, "sudo", "without a password", "refused", "a NOPASSWD rule for the bootstrap user")
    if abs(found.skew_s) > LARGEST_SKEW_S:
        shown = f"{found.skew_s:+.0f} s"
        yield Finding(host.name, "clock", f"within {LARGEST_SKEW_S} s of this machine's", shown, "set up time sync")
    disk = facts.get("disk_mib", "")
    if not disk.isdigit() or int(disk) < SMALLEST_DISK_MIB:
        yield Finding(host.name, "free space below /var", f"{SMALLEST_DISK_MIB} MiB", f"{disk or '?'} MiB", "free some")
    yield from _address6(host, facts.get("inet6", ""))
    yield from _identity(host, facts)
    if (reached := facts.get("directory", directory_probe.OK)) not in {directory_probe.OK, directory_probe.UNRESOLVED}:
        hint = "is it on, is port 636 open, and is ldap.caFile its authority's?"
        yield Finding(host.name, "directory", "answers, with a certificate of caFile", reached, hint)
    planned = host.gpu.count if host.gpu else 0
    if host.gpu and facts.get("gpus") != str(planned):
        hint = "reseat or replace, or plan what is there"
        yield Finding(host.name, "GPUs", str(planned), facts.get("gpus", "unknown"), hint)


def _address6(host: HostPlan, digits: str) -> Iterable[Finding]:
    """Whether the machine has its planned IPv6 address; `digits` as in /proc/net/if_inet6."""
    found = [str(ipaddress.IPv6Address(int(word, 16))) for word in digits.split() if re.fullmatch("[0-9a-f]{32}", word)]
    if host.address6 and host.address6 not in found:
        hint = "configure it where the machine's interfaces are configured, or plan no supernet6"
        yield Finding(host.name, "IPv6 address", host.address6, " ".join(found) or "none", hint)


def _identity(host: HostPlan, facts: dict[str, str]) -> Iterable[Finding]:
    """Whether it is the machine that the stack or the vendor's list says."""
    hint = "correct the stack or the vendor's list, or put the right machine there"
    serial, macs = facts.get("serial", "").strip(), facts.get("macs", "").lower().split()
    if host.serial and serial.casefold() != host.serial.casefold():
        yield Finding(host.name, "serial number", host.serial, serial or "unknown", hint)
    if host.mac and host.mac not in macs:
        yield Finding(host.name, "MAC address", host.mac, " ".join(mac for mac in macs if mac.strip("0:")), hint)


def over_ssh(plan: SitePlan) -> Ask:
    """Asks a machine over SSH with the plan's bootstrap login; host keys are checked."""
    connection, directory = plan_connection(plan), directory_probe.words(plan)

    def ask(host: HostPlan) -> Found:
        started = time.time()
        try:
            done = subprocess.run(
                ssh_command(connection, host.address, ["sh", "-s", "--", host.serial_file, *directory]),
                input=PROBE,
                capture_output=True,
                text=True,
                check=False,
                timeout=CONNECT_TIMEOUT_S * 3,
            )
        except subprocess.TimeoutExpired:
            return Found({}, f"no answer within {CONNECT_TIMEOUT_S * 3} s")
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            return Found({}, lines[-1].strip() if lines else f"ssh ended with status {done.returncode}")
        return answer(done.stdout, started, time.time())

    return ask


def answer(output: str, started: float, ended: float) -> Found:
    """The facts that the probe printed; its clock against the middle of the connection."""
    facts = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    clock = facts.get("clock", "")
    skew = int(clock) - (started + ended) / 2 if clock.isdigit() else float("inf")
    tolerance = (ended - started) / 2 + 1
    return Found(facts, "", 0 if abs(skew) <= tolerance else skew)


def preflight_table(plan: SitePlan, findings: list[Finding]) -> str:
    """The findings for people."""
    count = len(asked(plan))
    skipped_lines = [f"{name} was not asked: {reason}" for name, reason in skipped(plan).items()]
    if not findings:
        return "\n".join([*skipped_lines, f"{plan.name}: {count} machines meet the requirements"])
    rows = [("MACHINE", "WHAT", "EXPECTED", "FOUND", "FIX")]
    rows += [(item.host, item.what, item.expected, item.found, item.fix) for item in findings]
    bad = {item.host for item in findings}
    end = f"{len(bad)} of {count} machines do not meet the requirements"
    return "\n".join([*columns(rows), *skipped_lines, "no machine was asked" if HERE in bad else end])


def preflight_data(plan: SitePlan, findings: list[Finding]) -> dict[str, Any]:
    """The findings for machines."""
    return {
        "ok": not findings,
        "machines": 0 if any(item.host == HERE for item in findings) else len(asked(plan)),
        "findings": [asdict(item) for item in findings],
        "skipped": skipped(plan),
    }

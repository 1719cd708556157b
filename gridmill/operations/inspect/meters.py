"""Asks a site's meters through its controllers, which reach the out-of-band network. It changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gridmill.compare.metered import MeterReading
from gridmill.features.meters.plan import MeterPlan, MetersPlan, SnmpPlan
from gridmill.kernel.site_plan import HostPlan, SitePlan
from gridmill.operations.directories import state_directory
from gridmill.operations.document import plan_connection
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts.ssh import run_as_root
from gridmill.operations.inspect import meter_reader

TIMEOUT_S = 120
"""Seconds that one controller may take for all meters: 16 at once, each silent one up to 12 s."""
SHORTEST = 8
"""Characters of an SNMPv3 passphrase (RFC 3414, 11.2)."""

Ask = Callable[[HostPlan, str], str]
"""Puts a question to the reader on a controller."""


def measure_meters(plan: SitePlan, ask: Ask | None = None) -> dict[str, MeterReading]:
    """What the meters say, by key. The first controller that can be reached asks all of them."""
    meters = plan.of(MetersPlan).meters
    if not meters:
        return {}
    silent: dict[str, MeterReading] = {}
    configuration = ""
    try:
        configuration = snmp_configuration(plan.of(MetersPlan).snmp)
    except OperationError as error:
        silent = {meter.key: MeterReading(complaint=str(error)) for meter in meters if meter.read.protocol == "snmp"}
    wanted = {meter.key: asdict(meter.read) for meter in meters if meter.key not in silent}
    if not wanted:
        return silent
    try:
        answers = _asked(plan, json.dumps({"meters": wanted, "snmp": configuration}), ask or over_ssh(plan))
    except OperationError as error:
        return silent | {key: MeterReading(complaint=str(error)) for key in wanted}
    return silent | {meter.key: _reading(meter, answers.get(meter.key, {})) for meter in meters if meter.key in wanted}


def _asked(plan: SitePlan, question: str, ask: Ask) -> dict[str, Any]:
    complaints = []
    for host in plan.with_service("controller"):
        try:
            answers = json.loads(ask(host, question))
        except OperationError as error:
            complaints.append(str(error))
        except ValueError:
            complaints.append(f"{host.name}: meters: unexpected output")
        else:
            return dict(answers)
    raise OperationError(f"no controller could ask: {'; '.join(complaints)}")


def over_ssh(plan: SitePlan) -> Ask:
    """Sends the reader and its question to a controller's Python."""
    connection = plan_connection(plan)
    program = Path(meter_reader.__file__).read_text(encoding="utf-8")

    def ask(host: HostPlan, question: str) -> str:
        text = f"{program}\nanswer({question!r})\n"
        words = ["python3", "-"]
        return run_as_root(connection, host.name, host.address, words, what="meters", stdin=text, timeout_s=TIMEOUT_S)

    return ask


def snmp_secret_file(snmp: SnmpPlan) -> Path:
    """Where the secret is on this machine."""
    return Path(snmp.secret_file.replace("{state}", str(state_directory()))).expanduser()


def snmp_configuration(snmp: SnmpPlan | None) -> str:
    """Lines of net-snmp's snmp.conf. OperationError without a secret that can be used."""
    if snmp is None:
        return ""
    path = snmp_secret_file(snmp)
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OperationError(f"power.snmp.secretFile: {path} cannot be read") from error
    if not secret or not secret.isprintable() or any(sign in secret for sign in "\"'\\# "):
        raise OperationError(f"power.snmp.secretFile: {path} holds no secret of one line without blanks and quotes")
    if snmp.user is None:
        return f"defVersion 2c\ndefCommunity {secret}\n"
    if len(secret) < SHORTEST:
        raise OperationError(f"power.snmp.secretFile: {path} has fewer than {SHORTEST} characters")
    return (
        f"defVersion 3\ndefSecurityLevel authPriv\ndefSecurityName {snmp.user}\n"
        f"defAuthType SHA\ndefPrivType AES\ndefPassphrase {secret}\n"
    )


def _reading(meter: MeterPlan, answer: dict[str, Any]) -> MeterReading:
    """The meter's numbers in W and A."""
    read, values = meter.read, answer.get("values")
    if values is None:
        return MeterReading(complaint=str(answer.get("complaint", "the controller says nothing of it")))
    power, *phases = values
    count = len(read.phase_power)
    return MeterReading(
        power * read.watts,
        tuple(value * read.watts for value in phases[:count]),
        tuple(value * read.amperes for value in phases[count:]),
    )


def meters_data(plan: SitePlan, readings: dict[str, MeterReading]) -> dict[str, Any]:
    """Readings beside the plan for machines, by key."""
    return {
        meter.key: {
            "of": meter.name,
            "simulated": meter.simulated,
            "nameplate_w": meter.nameplate_w,
            "allocated_w": meter.allocated_w,
            "limit_w": meter.limit_w,
            "phase_limit_w": meter.phase_limit_w,
            **asdict(readings[meter.key]),
        }
        for meter in plan.of(MetersPlan).meters
        if meter.key in readings
    }

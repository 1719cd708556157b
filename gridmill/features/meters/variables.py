"""Meters: what a controller needs to ask them."""

from __future__ import annotations

from gridmill.features.meters.plan import MetersPlan
from gridmill.kernel.feature import Values
from gridmill.kernel.site_plan import SitePlan


def controller_variables(plan: SitePlan) -> Values:
    """net-snmp's programs where a meter speaks SNMP; Modbus needs none."""
    over_snmp = any(meter.read.protocol == "snmp" for meter in plan.of(MetersPlan).meters)
    return {"base_tools": {"snmp": ""}} if over_snmp else {}

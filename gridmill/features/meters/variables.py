"""Meters: what a controller needs to ask them."""

from __future__ import annotations

from gridmill.kernel.shape import Concern, Values
from gridmill.kernel.site_plan import SitePlan


def _controllers(plan: SitePlan) -> Values:
    """net-snmp's programs where a meter speaks SNMP; Modbus needs none."""
    over_snmp = any(meter.read.protocol == "snmp" for meter in plan.meters.meters)
    return {"base_tools": {"snmp": ""}} if over_snmp else {}


METERS = Concern(groups={"controllers": _controllers})

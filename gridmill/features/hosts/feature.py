"""Machines: known SKUs in slots that are free, and what each is known by."""

from __future__ import annotations

from gridmill.features.hosts.hardware import hardware_problems
from gridmill.features.hosts.machines import machine_problems
from gridmill.kernel.feature import Feature

FEATURE = Feature(
    name="hosts",
    problems=(
        lambda context: hardware_problems(context.site, context.catalog),
        lambda context: machine_problems(context.site, context.catalog, context.listed),
    ),
    groups={
        "controllers": lambda _, host: "controller" in host.services,
        "compute": lambda _, host: "compute" in host.services,
        "login": lambda _, host: "login" in host.services,
        "storage": lambda _, host: "storage" in host.services,
        "gpu": lambda _, host: host.gpu is not None,
    },
)

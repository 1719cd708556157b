"""The kernels of the machines: settings and boot line."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gridmill.core.base import Part, text

SettingName = Annotated[
    str, text(r"^[a-z][a-z0-9_]*([./][A-Za-z0-9_*-]+)+$", "the name of a kernel setting, such as vm.swappiness", 120)
]
"""Name of a kernel setting, such as vm.swappiness."""

SettingValue = Annotated[
    str, text(r"^[A-Za-z0-9_.:,+-]+( [A-Za-z0-9_.:,+-]+)*$", 'numbers or words in quotes, such as "1"', 200)
]
"""Value of a kernel setting, in quotes."""

Parameter = Annotated[
    str,
    text(r"^[A-Za-z][A-Za-z0-9_.-]*(=[A-Za-z0-9_.,:/@+-]+)?$", "one parameter of the boot line, such as iommu=pt", 120),
]
"""One parameter of the boot line, such as iommu=pt."""


class Kernel(Part):
    """Beyond Gridmill's own choice, for machines that have a kernel of their own."""

    sysctl: Annotated[dict[SettingName, SettingValue], Field(default_factory=dict)]
    """Kernel settings by name, as sysctl takes them; these win over Gridmill's."""
    parameters: Annotated[list[Parameter], Field(default_factory=list)]
    """Parameters of the boot line of GPU nodes, which apply from their next boot on."""

"""The environment in which plain `pulumi` commands work in this checkout."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from .found import Engine
from .locations import CHECKOUT, backend_directory, own_pulumi_home

LAB_STACK = "lab"


def environment(engine: Engine, stack: str, current: Mapping[str, str]) -> dict[str, str]:
    """Variables to set, beside those in `current`, for `pulumi --stack STACK` in the checkout.

    Only the lab has a passphrase of its own, a public one: for any other stack the user sets one.
    """
    wanted = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    if not engine.users_own:
        others = [place for place in current.get("PATH", "").split(os.pathsep) if place != str(engine.directory)]
        wanted["PATH"] = os.pathsep.join([str(engine.directory), *others])
        wanted["PULUMI_HOME"] = str(own_pulumi_home())
    if "PULUMI_BACKEND_URL" not in current and backend_directory() != default_backend_directory():
        wanted["PULUMI_BACKEND_URL"] = f"file://{backend_directory()}"
    passphrase_set = "PULUMI_CONFIG_PASSPHRASE" in current or "PULUMI_CONFIG_PASSPHRASE_FILE" in current
    if stack == LAB_STACK and not passphrase_set:
        wanted["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(CHECKOUT / "lab" / "passphrase")
    return wanted


def default_backend_directory() -> Path:
    """Where `file://~/.local/state/gridmill/pulumi` leads: `~` is taken from the user database."""
    return Path(pwd.getpwuid(os.getuid()).pw_dir) / ".local" / "state" / "gridmill" / "pulumi"

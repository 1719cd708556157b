"""The environment in which plain `pulumi` commands work in a project."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from gridmill.operations.places import ANSIBLE_CONFIG, INSTALLED, LAB_PASSPHRASE

from .found import Engine
from .locations import backend_directory, own_pulumi_home

LAB_STACK = "lab"
PASSPHRASE, PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"


def environment(engine: Engine, stack: str | None, current: Mapping[str, str]) -> dict[str, str]:
    """Variables to set, beside those in `current`, for `pulumi --stack STACK` in a project.

    Only the lab has a passphrase of its own, a public one, with which its stack file is encrypted: it replaces whatever
    is set for another stack. For any other stack, and without one, the user sets a passphrase.
    """
    wanted = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    if not engine.users_own:
        others = [place for place in current.get("PATH", "").split(os.pathsep) if place != str(engine.directory)]
        wanted["PATH"] = os.pathsep.join([str(engine.directory), *others])
        wanted["PULUMI_HOME"] = str(own_pulumi_home())
    if "PULUMI_BACKEND_URL" not in current and backend_directory() != default_backend_directory():
        wanted["PULUMI_BACKEND_URL"] = f"file://{backend_directory()}"
    if INSTALLED and "ANSIBLE_CONFIG" not in current:  # a checkout has it in its directory, where Ansible finds it
        wanted["ANSIBLE_CONFIG"] = str(ANSIBLE_CONFIG)
    if stack == LAB_STACK and not _labs(current.get(PASSPHRASE_FILE)):
        wanted[PASSPHRASE_FILE] = str(LAB_PASSPHRASE)
    return wanted


def unwanted(stack: str | None, current: Mapping[str, str]) -> list[str]:
    """Variables to unset: the lab's passphrase, left from work on the lab, where it would encrypt another stack; for
    the lab, one in clear, which Pulumi prefers to a file."""
    if stack == LAB_STACK:
        return [PASSPHRASE] if PASSPHRASE in current else []
    return [PASSPHRASE_FILE] if stack and _labs(current.get(PASSPHRASE_FILE)) else []


def _labs(file: str | None) -> bool:
    return bool(file) and Path(str(file)).resolve() == LAB_PASSPHRASE.resolve()


def passphrase_set(current: Mapping[str, str]) -> bool:
    """Whether the user said how Pulumi's secrets are encrypted."""
    return PASSPHRASE in current or PASSPHRASE_FILE in current


def default_backend_directory() -> Path:
    """Where `file://~/.local/state/gridmill/pulumi` leads: `~` is taken from the user database."""
    return Path(pwd.getpwuid(os.getuid()).pw_dir) / ".local" / "state" / "gridmill" / "pulumi"

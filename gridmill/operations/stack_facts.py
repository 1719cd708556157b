"""What rules ask about a stack beside its definition: host keys, passphrase, where the state is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import yaml

from gridmill.kernel.context import Case, Facts
from gridmill.kernel.definition import Definition
from gridmill.operations.directories import state_directory
from gridmill.operations.places import LAB_PASSPHRASE
from gridmill.plan import plan_site


def policy_case(definition: Definition, root: Path) -> Case:
    """What the rules are asked about: machines in maintenance are skipped, as in every run."""
    hosts = tuple(host for host in plan_site(definition).hosts if host.maintenance is None)
    facts = Facts(known_hosts(definition), public_passphrase(), state_backend(root))
    return Case(definition.site, definition.catalog, definition.keys, hosts, facts)


def known_hosts(definition: Definition) -> str | None:
    """Text of the bootstrap login's known_hosts file; None where it is not."""
    text = definition.site.access.bootstrap.known_hosts_file
    path = Path(text.replace("{state}", str(state_directory()), 1)).expanduser()
    return path.read_text(encoding="utf-8") if path.exists() else None


def public_passphrase() -> bool:
    """Whether Pulumi is given the virtual site's passphrase, which everybody knows."""
    public = LAB_PASSPHRASE.read_text(encoding="utf-8").strip()
    used = os.environ.get("PULUMI_CONFIG_PASSPHRASE")
    file = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    if used is None and file and Path(file).exists():
        used = Path(file).read_text(encoding="utf-8").strip()
    return used == public


def state_backend(root: Path) -> str:
    """Where Pulumi keeps the state: by the environment, else the project, else the last login."""
    if url := os.environ.get("PULUMI_BACKEND_URL"):
        return url
    project = yaml.safe_load((root / "Pulumi.yaml").read_text(encoding="utf-8"))
    if url := (project.get("backend") or {}).get("url"):
        return str(url)
    home = Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser()
    try:
        return str(json.loads((home / "credentials.json").read_text(encoding="utf-8")).get("current", ""))
    except (OSError, ValueError):
        return ""

"""From the stack that runs to its checked definition: Pulumi's Config, and the file for its line numbers."""

import os
import re
from pathlib import Path
from typing import Any

import pulumi

from gridmill.errors import Problem, ProblemsError
from gridmill.hostkeys import fingerprints
from gridmill.load import Definition, build_definition, load_definition
from operations.directories import state_directory
from operations.errors import OperationError
from operations.pulumi_state import keep_generation

PUBLIC_PASSPHRASE_FILE = Path("lab") / "passphrase"
"""The lab's passphrase, which everyone knows."""

_DATE_OF_GO = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) 00:00:00 \+0000 UTC")


def stack_definition(root: Path) -> Definition:
    """The checked definition of the current stack; pulumi.RunError with every problem of it."""
    config = pulumi.Config()
    try:
        data = as_written(config.require_object("site"))
        path = root / f"Pulumi.{pulumi.get_stack()}.yaml"
        definition = load_definition(path) if path.exists() else build_definition(data, root)
    except ProblemsError as error:
        raise pulumi.RunError(str(error)) from None
    if definition.site.name != pulumi.get_stack():
        problem = Problem(("name",), f"{definition.site.name} is not the name of this stack", pulumi.get_stack())
        raise pulumi.RunError(str(problem.located(definition.file, definition.lines)))
    if path.exists() and definition.data != data:
        raise pulumi.RunError(
            str(Problem((), "Pulumi's configuration differs from this file", "the same", file=path.name))
        )
    refuse_public_passphrase(definition, root)
    return definition


def as_written(data: Any) -> Any:
    """Pulumi's configuration as it stands in the file: a plain date (`from: 2027-04-01`) comes as Go prints a time."""
    if isinstance(data, dict):
        return {key: as_written(value) for key, value in data.items()}
    if isinstance(data, list):
        return [as_written(value) for value in data]
    match = _DATE_OF_GO.fullmatch(data) if isinstance(data, str) else None
    return match[1] if match else data


def refuse_public_passphrase(definition: Definition, root: Path) -> None:
    """A site with real machines must not protect its secrets with the passphrase that stands in this repository."""
    simulated = [
        definition.catalog.nodes[group.sku].simulated
        for pod in definition.site.pods.values()
        for group in pod.nodes.values()
    ]
    public = (root / PUBLIC_PASSPHRASE_FILE).read_text(encoding="utf-8").strip()
    used = os.environ.get("PULUMI_CONFIG_PASSPHRASE")
    file = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    if used is None and file and Path(file).exists():
        used = Path(file).read_text(encoding="utf-8").strip()
    if used == public and not all(simulated):
        raise pulumi.RunError(
            f"{PUBLIC_PASSPHRASE_FILE} is public and only for the virtual site; "
            "set PULUMI_CONFIG_PASSPHRASE_FILE to a file of your own and run `pulumi stack change-secrets-provider`"
        )


def stack_host_keys(definition: Definition) -> dict[str, str]:
    """Fingerprints of the machines' host keys by address; none where the file is not (a preview elsewhere)."""
    text = definition.site.access.bootstrap.known_hosts_file
    path = Path(text.replace("{state}", str(state_directory()), 1)).expanduser()
    return fingerprints(path.read_text(encoding="utf-8")) if path.exists() else {}


def stack_secrets() -> dict[str, pulumi.Output[str]]:
    """Secrets of the stack that the runner hands to roles, by the roles' variable names."""
    hash_ = pulumi.Config().get_secret("breakGlassPasswordHash")
    return {"base_break_glass_password_hash": hash_} if hash_ is not None else {}


def keep_state(root: Path) -> None:
    """Before an update, not a preview: keep the state as it is, and make sure that the disk has room for the next.
    pulumi.RunError when it has not."""
    if pulumi.runtime.is_dry_run():
        return
    try:
        keep_generation(pulumi.get_stack(), root / f"Pulumi.{pulumi.get_stack()}.yaml")
    except OperationError as error:
        raise pulumi.RunError(str(error)) from None

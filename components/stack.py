"""From the stack that runs to its checked definition: Pulumi's Config, and the file for its line numbers."""

from pathlib import Path

import pulumi

from gridmill.core.errors import Problem, ProblemsError
from gridmill.core.hostkeys import fingerprints
from gridmill.kernel.definition import Definition
from gridmill.load import build_definition, dates_as_written, load_definition
from gridmill.operations.errors import OperationError
from gridmill.operations.record.pulumi_state import keep_generation
from gridmill.operations.stack_facts import known_hosts, public_passphrase
from gridmill.policies.organisation import passphrase_problems

SECRETS = {
    "breakGlassPasswordHash": "base_break_glass_password_hash",
    "ldapBindSecret": "ldap_client_bind_secret",
}
"""Secret keys of the stack's configuration, and the roles' variables that they become."""


def stack_definition(root: Path) -> Definition:
    """The checked definition of the current stack; pulumi.RunError with every problem of it."""
    config = pulumi.Config()
    try:
        data = dates_as_written(config.require_object("site"))
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


def refuse_public_passphrase(definition: Definition, root: Path) -> None:
    """A site with real machines must not protect its secrets with the passphrase that stands in this repository."""
    for problem in passphrase_problems(definition.site, definition.catalog, public=public_passphrase(root)):
        raise pulumi.RunError(str(definition.placed(problem)))


def stack_host_keys(definition: Definition) -> dict[str, str]:
    """Fingerprints of the machines' host keys by address; none where the file is not (a preview elsewhere)."""
    return fingerprints(known_hosts(definition) or "")


def stack_secrets(definition: Definition) -> dict[str, pulumi.Output[str]]:
    """Secrets of the stack that the runner hands to roles, by the roles' variable names. pulumi.RunError when one is
    missing that the definition needs."""
    config = pulumi.Config()
    found = {variable: config.get_secret(key) for key, variable in SECRETS.items()}
    ldap = definition.site.ldap
    if ldap and ldap.bind_dn and found["ldap_client_bind_secret"] is None:
        command = f"pulumi config set --secret ldapBindSecret --stack {definition.site.name}"
        raise pulumi.RunError(f"ldap.bindDn: no password; {command}")
    return {variable: secret for variable, secret in found.items() if secret is not None}


def keep_state(root: Path) -> None:
    """Before an update, not a preview: keep the state as it is, and make sure that the disk has room for the next.
    pulumi.RunError when it has not."""
    if pulumi.runtime.is_dry_run():
        return
    try:
        keep_generation(pulumi.get_stack(), root / f"Pulumi.{pulumi.get_stack()}.yaml")
    except OperationError as error:
        raise pulumi.RunError(str(error)) from None

"""From a site's arguments, or the stack that runs, to its checked definition, secrets and host keys.

The stack's own definition is Pulumi's Config, and the file for its line numbers.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi

from gridmill.core.errors import Problem, ProblemsError, printable
from gridmill.core.hostkeys import fingerprints
from gridmill.core.people import nearest
from gridmill.features.organisation.problems import passphrase_problems
from gridmill.kernel.definition import Definition
from gridmill.load import build_definition, dates_as_written, load_definition
from gridmill.operations.errors import OperationError
from gridmill.operations.places import find_project
from gridmill.operations.record.pulumi_state import keep_generation
from gridmill.operations.stack_facts import known_hosts, public_passphrase

from .composed import Composed, plain

NAMESPACE = "gridmill"
"""Of our keys in a stack's configuration, whatever the project's name is."""
ARGUMENTS = ("definition", "file", "directory", "secrets", "host_keys")


def site_definition(name: str, args: Mapping[str, Any]) -> tuple[Definition, Composed | None]:
    """The checked definition of a site by its arguments, and where a program composed it, what it was made of.

    pulumi.RunError with every problem of it; paths are those of the definition.
    """
    try:
        return _site_definition(name, args)
    except ProblemsError as error:
        raise pulumi.RunError(str(error)) from None


def _site_definition(name: str, args: Mapping[str, Any]) -> tuple[Definition, Composed | None]:
    if problems := list(_argument_problems(args)):
        raise ProblemsError(problems, f"the arguments of site {name}")
    if args.get("definition") is not None:
        definition, composed = _composed(name, args["definition"], args.get("directory") or ".")
    elif file := args.get("file"):
        definition = load_definition(Path(file))
        composed = Composed.at(definition.own, Path(file).parent)
    else:
        definition, composed = stack_definition(find_project() or Path.cwd()), None
    if definition.site.name != name:
        problem = Problem(("name",), f"{definition.site.name} is not the name of the site's resource", name)
        raise ProblemsError([definition.placed(problem)], f"the definition of site {name}")
    refuse_public_passphrase(definition)
    return definition, composed


def _argument_problems(args: Mapping[str, Any]) -> Iterator[Problem]:
    for key in sorted(set(args) - set(ARGUMENTS)):
        hint = nearest(key, ARGUMENTS, "keys of the definition stand in `definition`")
        yield Problem((key,), "no argument of a site", f"one of {', '.join(ARGUMENTS)}", hint)
    if args.get("definition") is not None and args.get("file"):
        yield Problem(("file",), "there is a definition already", "a definition or a file", "remove one of them")
    if args.get("directory") and args.get("definition") is None:
        hint = "put what the file's site has of its own into inventories/<site>/ beside the file"
        yield Problem(("directory",), "there is no definition that it goes with", "only with `definition`", hint)


def _composed(name: str, given: Any, directory: str) -> tuple[Definition, Composed]:
    """From data that a program hands over."""
    problems: list[Problem] = []
    data = plain(given, problems)
    if not problems and not isinstance(data, dict):
        problems.append(Problem((), f"a {type(data).__name__}", "a mapping with the keys of a site"))
    if problems:
        raise ProblemsError(problems, f"the definition of site {name}")
    data.setdefault("name", name)
    try:
        return build_definition(data, Path(directory)), Composed.at(data, Path(directory))
    except ProblemsError as error:
        raise ProblemsError(error.problems, f"the definition of site {name}") from None


def stack_definition(root: Path) -> Definition:
    """The checked definition of the current stack; ProblemsError with every problem of it."""
    data = dates_as_written(pulumi.Config(NAMESPACE).require_object("site"))
    _check_name(data)
    path = root / f"Pulumi.{pulumi.get_stack()}.yaml"
    definition = load_definition(path) if path.exists() else build_definition(data, root)
    if path.exists() and definition.own != data:
        raise ProblemsError([Problem((), "Pulumi's configuration differs from this file", "the same", file=path.name)])
    return definition


def _check_name(data: Any) -> None:
    """ProblemsError for another site's definition, before anything is looked for beside the stack under its name."""
    name, stack = data.get("name") if isinstance(data, dict) else None, pulumi.get_stack()
    if isinstance(name, str) and name != stack:
        message = f"{printable(name)} is not the name of this stack"
        raise ProblemsError([Problem(("name",), message, stack, f"write `name: {stack}`", f"Pulumi.{stack}.yaml")])


def refuse_public_passphrase(definition: Definition) -> None:
    """A site with real machines must not protect its secrets with the virtual site's passphrase, which is public."""
    problems = passphrase_problems(definition.site, definition.catalog, public=public_passphrase())
    if found := [definition.placed(problem) for problem in problems]:
        raise ProblemsError(found)


def stack_host_keys(definition: Definition) -> dict[str, str]:
    """Fingerprints of the machines' host keys by address; none where the file is not (a preview elsewhere)."""
    return fingerprints(known_hosts(definition) or "")


def stack_secrets(definition: Definition, given: Mapping[str, pulumi.Input[str]]) -> dict[str, pulumi.Output[str]]:
    """Secrets that the runner hands to roles, by the roles' variable names: those given, and the stack's.
    pulumi.RunError for one that no feature knows, or that the definition needs and nobody gave."""
    config = pulumi.Config(NAMESPACE)
    known = {key: variable for one in definition.features for key, variable in one.secrets.items()}
    found: dict[str, pulumi.Output[str] | None] = {
        key: pulumi.Output.secret(given[key]) if key in given else config.get_secret(key) for key in known
    }
    problems = [
        Problem(("secrets", key), "no secret of a site", f"one of {', '.join(known)}", nearest(key, known, ""))
        for key in sorted(set(given) - set(known))
    ]
    for key in (key for one in definition.features for key in one.required_secrets(definition.site)):
        if found[key] is None:
            command = f"pulumi config set --secret {NAMESPACE}:{key} --stack {pulumi.get_stack()}"
            expected = "a secret, since the definition asks for it"
            problems.append(Problem(("secrets", key), "missing", expected, f"`{command}`, or the argument `secrets`"))
    if problems:
        raise pulumi.RunError(str(ProblemsError(problems, f"the secrets of site {definition.site.name}")))
    return {known[key]: secret for key, secret in found.items() if secret is not None}


def keep_state(root: Path) -> None:
    """Before an update, not a preview: keep the state as it is, and make sure that the disk has room for the next.
    pulumi.RunError when it has not."""
    if pulumi.runtime.is_dry_run():
        return
    try:
        keep_generation(pulumi.get_stack(), root / f"Pulumi.{pulumi.get_stack()}.yaml")
    except OperationError as error:
        raise pulumi.RunError(str(error)) from None

"""The `gridmill` command: look at a stack definition, its plan and its machines, and keep backups, without Pulumi."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gridmill.core.errors import GridmillError, Problem, ProblemsError
from gridmill.core.people import nearest
from gridmill.documents import documents
from gridmill.engine.cli import add_engine_arguments, engine
from gridmill.kernel.definition import Definition
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import check_name, load_definition
from gridmill.operations.commands import backup as backup_cli
from gridmill.operations.commands import forget as forget_cli
from gridmill.operations.commands import growth as growth_cli
from gridmill.operations.commands import inventory as inventory_cli
from gridmill.operations.commands import migrate as migrate_cli
from gridmill.operations.commands import power as power_cli
from gridmill.operations.commands.new import add_new_arguments, new
from gridmill.operations.commands.pin import add_pin_arguments, pin
from gridmill.operations.commands.policy import add_policy_arguments, policy_data, policy_table, violations
from gridmill.operations.commands.rollout import ORDERS, SAID, order
from gridmill.operations.commands.sizing import add_size_arguments, show_size
from gridmill.operations.errors import INTERRUPTED, OperationError
from gridmill.operations.inspect.drift import UNSEEN, drift_data, drift_table, site_drift, status_of
from gridmill.operations.inspect.measured import measure
from gridmill.operations.inspect.meters import measure_meters
from gridmill.operations.inspect.preflight import preflight, preflight_data, preflight_table
from gridmill.operations.inspect.status import status_data, status_or_plan
from gridmill.operations.inspect.status_power import meter_lines, meters_status, to_be_asked, with_power
from gridmill.operations.inspect.status_table import status_table
from gridmill.operations.inspect.watts import watts_status
from gridmill.operations.local_files import missing_files, require_files
from gridmill.operations.places import project, stack_file
from gridmill.operations.preview import apply
from gridmill.operations.preview.ci_preview import add_ci_arguments, ci_preview
from gridmill.operations.record.journal import SHOWN, journal, journal_table
from gridmill.plan import plan_site
from gridmill.report.explain import explain
from gridmill.report.tables import site_table, summary_table
from gridmill.schema import schema_text, site_schema
from gridmill.version import version


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    top = argparse.ArgumentParser(prog="gridmill", description=__doc__)
    top.add_argument("--version", action="version", version=f"gridmill {version()}")
    commands = top.add_subparsers(dest="command", required=True)
    for name, (function, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(function=function)
        BEFORE_STACK.get(name, _nothing)(command)
        if function is show_size:
            add_size_arguments(command)
        elif function not in (schema, summary, apply_plan, engine, new, pin):
            command.add_argument("stack", help="name of a site (lab) or path of its Pulumi.<site>.yaml")
            command.add_argument("--json", action="store_true", help="for machines")
        if function is show_explanation:
            command.add_argument("path", help="place in the stack, such as power.caps or power.feeds.B.ups")
        if add_arguments := MORE_ARGUMENTS.get(function):
            add_arguments(command)
        if function is show_status:
            command.add_argument("--quick", action="store_true", help="ask the controller only, not GPUs' power limits")
        if function is document:
            command.add_argument("phase", help="control, a pod's key, or acceptance")
        if function is show_journal:
            command.add_argument("--last", type=int, default=SHOWN, metavar="N", help="so many lines; 0 for all")
        if function is order_rollout:
            command.add_argument("order", choices=ORDERS, help="; ".join(f"{name}: {SAID[name]}" for name in ORDERS))
    return top


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, 1 when the definition has problems, 130 when it was interrupted."""
    options = parser().parse_args(arguments)
    try:
        status: int = options.function(options)
    except GridmillError as error:
        problems = error.problems if isinstance(error, ProblemsError) else ()
        return _failed(options, str(error), error.status, problems)
    except BrokenPipeError:  # the reader of the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _failed(options, f"{error.filename}: {error.strerror}" if error.filename else str(error), 1)
    except KeyboardInterrupt:
        return _failed(options, "interrupted", INTERRUPTED)
    return status


def _failed(options: argparse.Namespace, message: str, status: int, problems: Iterable[Problem] = ()) -> int:
    """Say why a command failed, where its caller reads: every command with --json prints an object."""
    if getattr(options, "json", False):
        told = {"ok": False, "error": message, "problems": [problem.as_dict() for problem in problems]}
        print(json.dumps(told, indent=2))
    else:
        print(message, file=sys.stderr)
    return status


def validate(options: argparse.Namespace) -> int:
    """Check a definition."""
    definition = _definition(options.stack)
    plan = plan_site(definition)
    _warn(definition.warnings)
    warnings = [problem.as_dict() for problem in definition.warnings]
    result = {"ok": True, "site": plan.name, "nodes": len(plan.hosts), "problems": [], "warnings": warnings}
    _print(result, options, f"{plan.name}: ok, {len(plan.hosts)} nodes")
    return 0


def show_plan(options: argparse.Namespace) -> int:
    """Print the plan."""
    definition = _to_look(options.stack)
    _warn(definition.warnings)
    plan = plan_site(definition)
    if options.json:
        warnings = [problem.as_dict() for problem in (*definition.later, *definition.warnings)]
        print(json.dumps({**plan.as_dict(), "warnings": warnings}, indent=2))
    else:
        print(site_table(plan))
    return 0


def show_power(options: argparse.Namespace) -> int:
    """Print every limit of a site's power with its margin, what each loss costs, and what is measured."""
    return power_cli.show_power(_to_look(options.stack), options)


def show_growth(options: argparse.Namespace) -> int:
    """Print the site at every date at which it changes, its load by year, and what is contracted and not used."""
    data, text = growth_cli.growth(_definition(options.stack))
    _print(data, options, text)
    return 0


def show_policy(options: argparse.Namespace) -> int:
    """Ask the rules of the policy pack without Pulumi; status 1 when a mandatory one is violated."""
    file = _stack_file(options.stack)
    found = violations(file, project(file.parent), options.config)
    _print(policy_data(found), options, policy_table(found))
    return 1 if any(level == "mandatory" and problems for _, level, problems in found) else 0


def show_explanation(options: argparse.Namespace) -> int:
    """Say why a number of the power plan is what it is: inputs, formula, source."""
    definition = _to_look(options.stack)
    lines = explain(definition.site, definition.catalog, options.path)
    _print({"path": options.path, "lines": lines}, options, "\n".join(lines))
    return 0


def check_machines(options: argparse.Namespace) -> int:
    """Reach every machine and check what Gridmill requires of it; changes nothing."""
    plan = _plan(options.stack)
    findings = missing_files(plan) or preflight(plan)
    _print(preflight_data(plan, findings), options, preflight_table(plan, findings))
    return 1 if findings else 0


def show_status(options: argparse.Namespace) -> int:
    """The plan beside what Slurm, the ledger and GPUs' power limits say; status 1 with a problem or no controller."""
    plan = _plan(options.stack)
    nodes, unreachable = status_or_plan(plan)
    if not options.quick:
        nodes = with_power(plan, nodes, measure(plan, to_be_asked(plan, nodes)))
    watts = None if unreachable else watts_status(plan)
    meters = {} if unreachable or options.quick else measure_meters(plan)
    told = meter_lines(plan, meters)
    data = status_data(plan, nodes, unreachable, watts) | meters_status(plan, meters)
    _print(data, options, "\n".join([status_table(plan, nodes, unreachable, watts), *told]))
    return 1 if unreachable or any(node.problems for node in nodes) else 0


def show_journal(options: argparse.Namespace) -> int:
    """Who did what to the site; status 1 when the record was tampered with."""
    data = journal(_plan_to_ask(options.stack), options.last)
    _print(data, options, journal_table(data))
    return 0 if data["ok"] else 1


def order_rollout(options: argparse.Namespace) -> int:
    """Have a run pause, go on or stop before its next wave; status 1 when no run is in progress."""
    data, text = order(_plan_to_ask(options.stack), options.order)
    _print(data, options, text)
    return 0 if data["ok"] else 1


def show_drift(options: argparse.Namespace) -> int:
    """What is not as the last run left it; status 1 when something drifted, 2 when a machine can't be looked at."""
    plan = _plan_to_ask(options.stack, UNSEEN)
    hosts = site_drift(plan)
    _print(drift_data(plan, hosts), options, drift_table(plan, hosts))
    return status_of(hosts)


def run_ci(options: argparse.Namespace) -> int:
    """Preview for a merge request; status 0 allowed, 2 needs approval, 1 problem."""
    return ci_preview(options, _definition)


def apply_plan(options: argparse.Namespace) -> int:
    """Apply what was approved; status 2 when anything moved since, and then nothing is done."""
    return apply.apply(options, _definition)


def _nothing(command: argparse.ArgumentParser) -> None:
    """No arguments."""


def make_backup(options: argparse.Namespace) -> int:
    """Make a backup of the controller now, and fetch a copy."""
    data, text = backup_cli.backup(_plan_to_ask(options.stack), options)
    _print(data, options, text)
    return 0


def list_backups(options: argparse.Namespace) -> int:
    """List backups; status 1 when the controller could not be asked."""
    data, text = backup_cli.listing(_plan(options.stack))
    _print(data, options, text)
    return 0 if data["ok"] else 1


def restore(options: argparse.Namespace) -> int:
    """Put a backup back; without the consents that it needs, say which, and change nothing."""
    data, text = backup_cli.restore(_plan(options.stack), options)
    _print(data, options, text)
    return 0


def forget_stack(options: argparse.Namespace) -> int:
    """Remove a stack that is down from Pulumi; its definition, logs and backups stay."""
    data, text = forget_cli.forget(options.stack, project(), force=options.force)
    _print(data, options, text)
    return 0


def document(options: argparse.Namespace) -> int:
    """Print the converge document of one phase, as `pulumi up` hands it to the runner."""
    phases = documents(_plan(options.stack))
    if options.phase not in phases:
        raise OperationError(f"unknown phase {options.phase}; one of {', '.join(phases)}")
    print(json.dumps(phases[options.phase], indent=2, ensure_ascii=False))
    return 0


def migrate(options: argparse.Namespace) -> int:
    """Rewrite a stack file of an older version in place; with --check say what would change, status 1 if anything."""
    data, text = migrate_cli.migrate_file(_stack_file(options.stack), check=options.check)
    _print(data, options, text)
    return 0 if data["ok"] else 1


def show_inventory(options: argparse.Namespace) -> int:
    """Print all phases of a site as one inventory; our inventory plugin for plain Ansible reads it."""
    found = inventory_cli.inventory(_definition(options.stack), secrets=options.secrets)
    print(json.dumps(found, indent=2, ensure_ascii=False))
    return 0


def schema(options: argparse.Namespace) -> int:
    """Print the JSON Schema of the stack definition."""
    print(schema_text(site_schema()), end="")
    return 0


def summary(options: argparse.Namespace) -> int:
    """Print the summary that a stack exports (`pulumi stack output site --json`, on standard input) for people."""
    try:
        text = summary_table(json.load(sys.stdin))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OperationError(f"standard input is not the summary of a stack ({error!r})") from error
    print(text)
    return 0


MORE_ARGUMENTS: dict[Callable[[argparse.Namespace], int], Callable[[argparse.ArgumentParser], None]] = {
    make_backup: backup_cli.add_backup,
    restore: backup_cli.add_restore,
    show_policy: add_policy_arguments,
    show_power: power_cli.add_power_arguments,
    apply_plan: apply.add_apply_arguments,
    engine: add_engine_arguments,
    new: add_new_arguments,
    pin: add_pin_arguments,
    show_inventory: inventory_cli.add_inventory_arguments,
    forget_stack: forget_cli.add_forget_arguments,
    migrate: migrate_cli.add_migrate_arguments,
}
"""What commands take that are told by the modules that carry them out."""

BEFORE_STACK: dict[str, Callable[[argparse.ArgumentParser], None]] = {"ci": add_ci_arguments}
"""Arguments that stand before the stack, by command."""
COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], str]] = {
    "new": (new, "make a Pulumi project for sites, in a repository of its own"),
    "validate": (validate, "check a stack definition: every problem at once, with its line and what would fix it"),
    "migrate": (migrate, "rewrite a stack file of an older schemaVersion in place; comments and order stay"),
    "plan": (show_plan, "show names, addresses, power and Slurm of a site"),
    "power": (
        show_power,
        "show every limit of a site's power with its margin, what each loss costs, and what machines draw",
    ),
    "growth": (show_growth, "show a site's growth by date, its load by year, and contracted power that is at risk"),
    "explain": (show_explanation, "say why a number of the power plan is what it is: inputs, formula, source"),
    "policy": (show_policy, "ask the rules of the policy pack, as `pulumi preview --policy-pack policy` does"),
    "size": (show_size, "what-if without a stack: racks, kW and GPU power limit of so many systems"),
    "preflight": (check_machines, "reach every machine and check what Gridmill requires of it; changes nothing"),
    "status": (show_status, "show site, pods and machines: planned, found, working, and what is wrong"),
    "journal": (
        show_journal,
        "show who did what to the site, and which run is in progress; check that nobody changed the record",
    ),
    "rollout": (order_rollout, "pause, continue or abort a run that changes nodes a wave at a time"),
    "drift": (show_drift, "show what on the machines is no longer as the last run left it; changes nothing"),
    "ci": (run_ci, "preview for a merge request: comment, JSON or page; status 0 allowed, 2 needs approval, 1 problem"),
    "apply": (
        apply_plan,
        "bring a site up as it was approved, by a plan of `ci preview --plan`; refuses when anything moved",
    ),
    "backup": (make_backup, "back the controller up now, and fetch an encrypted copy to this machine"),
    "backups": (list_backups, "list the backups of the controller and of Pulumi's state"),
    "restore": (restore, "put a backup back: on a new controller, or as Pulumi's state; asks for consent by name"),
    "forget": (
        forget_stack,
        "remove a stack that is down from Pulumi, and keep its definition (`pulumi stack rm` deletes it)",
    ),
    "document": (document, "print the document of one phase: control, a pod's key, or acceptance"),
    "inventory": (show_inventory, "print a whole site as an inventory, as plain Ansible gets it (inventories/<site>/)"),
    "pin": (pin, "have the project use another version of Gridmill: requirements.txt, and the wheel"),
    "engine": (engine, "set up the Pulumi engine and its plugin, or print the environment in which `pulumi` works"),
    "summary": (summary, "print a stack's exported summary, given as JSON on standard input"),
    "schema": (schema, "print the JSON Schema of the stack definition"),
}


def _plan(stack: str) -> SitePlan:
    return plan_site(_definition(stack))


def _plan_to_ask(stack: str, status: int = 1) -> SitePlan:
    """The plan for commands that ask machines; OperationError with `status` where a file for that is missing here."""
    plan = _plan(stack)
    require_files(plan, status)
    return plan


def _to_look(stack: str) -> Definition:
    """The definition for commands that only show; what has to be fixed before `pulumi up` is a warning."""
    definition = _definition(stack, to_look=True)
    _warn(definition.later)
    return definition


def _warn(problems: Iterable[Problem]) -> None:
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)


def _definition(stack: str, *, to_look: bool = False) -> Definition:
    """The definition of a site by its name or its file; a name that isn't the site's own is a copy half edited."""
    path = _stack_file(stack)
    try:
        definition = load_definition(path, to_look=to_look)
    except ProblemsError:  # a wrong name may be why: a site's own SKUs and keys lie in a folder of that name
        check_name(path, stack)
        raise
    if stack != definition.site.name:
        check_name(path, stack)
    return definition


def _stack_file(stack: str) -> Path:
    if stack.endswith(".yaml"):
        return Path(stack)
    path = stack_file(stack)
    if not path.exists():
        known = [name.name.split(".")[1] for name in sorted(path.parent.glob("Pulumi.*.yaml"))]
        near = nearest(stack, known, f"write {path.name}, for instance as a copy of a sample")
        raise ProblemsError([Problem((), "no such stack", f"one of {', '.join(known)}", near, path.name)])
    return path


def _print(data: dict[str, Any], options: argparse.Namespace, text: str) -> None:
    if options.json:
        print(json.dumps(data, indent=2))
    elif text:
        print(text)


if __name__ == "__main__":
    sys.exit(main())

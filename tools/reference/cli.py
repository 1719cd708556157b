"""docs/reference/cli.md: every command with its options, from the parsers themselves."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from gridmill.lab.cli import parser as lab_parser
from gridmill.operations.cli import parser as gridmill_parser
from tools.reference.markdown import code, page, table

INTRODUCTION = """\
Both commands stand in `.venv/bin/` of the checkout. What to type when: [README](../../README.md).

With `--json` a command prints one object on standard output, also when it fails: then `ok` is `false`, `error` says
why, and `problems` lists those of the stack definition (`path`, `message`, `expected`, `hint`, `file`, `line`). What a
command was asked for and found stands under its own keys, such as `findings` of `preflight`. Only a command line that
is not understood (status 2) prints its usage on standard error instead."""


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parsers by the name of their command."""
    return {"gridmill": gridmill_parser(), "lab": lab_parser()}


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """A parser's subcommands by name."""
    return {
        name: sub
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, sub in action.choices.items()
    }


def cli_page(root: Path) -> str:
    """The page; `root` is the checkout."""
    sections = [_command(name, parser) for name, parser in parsers().items()]
    return page("Commands", INTRODUCTION, [*sections, _targets(root)])


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    helps = dict(_helps(parser))
    parts = [f"## {name}", " ".join((parser.description or "").split())]
    for sub_name, sub in subcommands(parser).items():
        rows = list(_rows(sub))
        parts += [f"### {name} {sub_name}", _sentence(helps.get(sub_name, ""))]
        parts += [table(("argument", "what"), rows)] if rows else []
    return "\n\n".join(parts)


def _helps(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                yield choice.dest, choice.help or ""


def _rows(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
        if action.option_strings and action.nargs != 0:
            name += f" {str(action.metavar or action.dest).upper()}"
        choices = f" ({', '.join(str(choice) for choice in action.choices)})" if action.choices else ""
        default = action.default
        shown = f"; by default `{default}`" if default not in (None, False, [], argparse.SUPPRESS) else ""
        yield code(name), f"{action.help or ''}{choices}{shown}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("." if text and text[-1] not in ".!?" else "")


def _targets(root: Path) -> str:
    return "\n\n".join(
        ["## make", table(("target", "what"), ((code(f"make {name}"), what) for name, what in make_targets(root)))]
    )


def make_targets(root: Path) -> list[tuple[str, str]]:
    """Targets of the Makefile that are meant to be typed, with their descriptions."""
    return re.findall(r"^([a-z-]+):.*## (.+)$", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

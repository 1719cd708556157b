"""What the documents point at is there: files, headings, commands, options, make targets."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools.reference.cli import make_targets, parsers, subcommands
from tools.reference.markdown import anchor

DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
TOP = "benchmarks|components|docs|gridmill|inventories|lab|operations|playbooks|policy|tests|tools"
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(rf"(?:{TOP})/[\w./-]+")
PARSERS = parsers()


def prose(path: Path) -> str:
    """The text without what stands in fences."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def headings(path: Path) -> set[str]:
    return {anchor(line.lstrip("# ")) for line in prose(path).splitlines() if line.startswith("#")}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(SPAN.sub("", prose(path))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, fragment = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{target}: no such file"
        assert there.is_relative_to(ROOT), f"{target} leads out of the checkout"
        if fragment:
            assert fragment in headings(there), f"{target}: no such heading"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_exist(path: Path) -> None:
    for span in SPAN.findall(prose(path)):
        if PATH.fullmatch(span):
            assert (ROOT / span).exists(), span


def commands(path: Path) -> Iterator[tuple[str, bool]]:
    """Commands in a document, and whether they are whole (a line to type) or only named in a sentence."""
    text = path.read_text(encoding="utf-8")
    for fence in FENCE.findall(text):
        yield from ((line.strip()[2:], True) for line in fence.splitlines() if line.strip().startswith("$ "))
    yield from ((span, False) for span in SPAN.findall(prose(path)))


def segments(command: str) -> Iterator[list[str]]:
    """The simple commands of a line, without variables set before them and comments behind them."""
    command = re.sub(r"<[\w -]+>|…", "x", command)
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;()")
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        tokens = [*lexer, ";"]
    except ValueError:  # no command
        return
    for token in tokens:
        if set(token) <= set("|&;()"):
            yield words
            words = []
        elif words or not re.match(r"\w+=", token):
            words.append(token)


def wrong(words: list[str], *, whole: bool) -> str:
    """What is wrong with one simple command; nothing when it is fine or none of ours."""
    match words:
        case [python, "-m", "gridmill.lab", *rest] if "python" in python:
            name = "lab"
        case [program, *rest] if program.rsplit("/", 1)[-1] in {"gridmill", "lab", "make"}:
            name = program.rsplit("/", 1)[-1]
        case [python, script, *_] if python.startswith("python") and script.endswith(".py"):
            return "" if (ROOT / script).exists() else f"no {script}"
        case _:
            return ""
    if name == "make":
        targets = {target for target, _ in make_targets(ROOT)}
        return "; ".join(f"no target {word}" for word in rest if re.match(r"[a-z]", word) and word not in targets)
    if not rest or not re.match(r"[a-z-]+$", rest[0]):
        return ""
    return wrong_arguments(PARSERS[name], rest, whole=whole)


def wrong_arguments(parser: argparse.ArgumentParser, words: list[str], *, whole: bool) -> str:
    known = subcommands(parser)
    if words[0] in parser._option_string_actions:
        return ""
    if words[0] not in known:
        return f"{parser.prog} has no {words[0]}"
    options = known[words[0]]._option_string_actions
    for word in words[1:]:
        if word.startswith("--") and word.split("=")[0] not in options and words[0] != "ssh":
            return f"{parser.prog} {words[0]} has no {word}"
    if whole:
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                parser.parse_args(words)
        except SystemExit:
            return said.getvalue()
    return ""


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(path: Path) -> None:
    for command, whole in commands(path):
        for words in segments(command):
            assert not wrong(words, whole=whole), f"{command}: {wrong(words, whole=whole)}"


@pytest.mark.parametrize(
    "command",
    [
        "gridmill validte lab",
        "gridmill plan lab --jsn",
        "gridmill plan",
        "make labb",
        "make lab && gridmill plan",
        ".venv/bin/lab rack",
        "python -m gridmill.lab up --stak x",
        "python3 tools/engin.py env",
        "cat x | .venv/bin/gridmill summery",
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str) -> None:
    assert any(wrong(words, whole=True) for words in segments(command))


def test_our_own_commands_are_seen() -> None:
    """The README shows commands of each kind; if none were found, the tests above would show nothing."""
    seen = {
        words[0].rsplit("/", 1)[-1]
        for command, _ in commands(ROOT / "README.md")
        for words in segments(command)
        if words
    }
    assert {"make", "gridmill", "lab", "pulumi"} <= seen


def test_every_decision_is_in_the_index_once_and_in_order() -> None:
    place = ROOT / "docs" / "adr"
    rows = re.findall(
        r"^\| (\d+) \| \[(.+)\]\((\S+)\) \| (.+) \|$", (place / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    files = sorted(path for path in place.glob("[0-9]*.md"))
    assert [f"# {number}. {title}" for number, title, *_ in rows] == [
        path.read_text(encoding="utf-8").partition("\n")[0] for path in files
    ]
    assert [file for _, _, file, _ in rows] == [path.name for path in files]
    assert all(file.startswith(f"{int(number):04}-") for number, _, file, _ in rows)
    known = {int(number) for number, *_ in rows}
    for number, _, _, status in rows:
        assert re.fullmatch(r"accepted(, amended by [\d, ]+)?|superseded by \d+", status), status
        assert {int(other) for other in re.findall(r"\d+", status)} <= {one for one in known if one > int(number)}, (
            number
        )

"""The stand-in's own parts, without an engine; what it does as a whole is in the conformance test."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from gridmill.engine.command_plugin.diff import differences, replaces
from gridmill.engine.command_plugin.inputs import RESOURCE_INPUTS, invocation, problems
from gridmill.engine.command_plugin.process import CommandFailedError, Invocation, Result, Runner
from gridmill.engine.command_plugin.properties import SECRET_SIGNATURE, SIGNATURE_KEY, UNKNOWN, decode, encode, reveal


def secret(value: object) -> dict[str, object]:
    """A secret as it travels."""
    return {SIGNATURE_KEY: SECRET_SIGNATURE, "value": value}


async def _ignore(_line: str) -> None:
    """Take a log line and forget it."""


def run(invocation: Invocation, *, timeout_seconds: float = 0) -> Result:
    """Run to the end with a runner of its own."""
    return asyncio.run(Runner().run(invocation, _ignore, timeout_seconds))


def test_differences_have_the_paths_of_what_changed() -> None:
    old = {"stdin": "a", "environment": {"A": "1", "B": "2"}, "triggers": [1, 2], "dir": "/"}
    new = {"stdin": "a", "environment": {"A": "9", "C.D": "3"}, "triggers": [1, 3, 4], "update": "x"}
    assert differences(old, new) == {
        "dir": "delete",
        "environment.A": "update",
        "environment.B": "delete",
        'environment["C.D"]': "add",
        "triggers[1]": "update",
        "triggers[2]": "add",
        "update": "add",
    }


def test_a_secret_is_compared_as_a_whole_and_becoming_one_is_a_change() -> None:
    assert differences({"stdin": secret("a")}, {"stdin": secret("a")}) == {}
    assert differences({"stdin": secret("a")}, {"stdin": secret("b")}) == {"stdin": "update"}
    assert differences({"stdin": "a"}, {"stdin": secret("a")}) == {"stdin": "update"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [("triggers", True), ("triggers[0]", True), ("stdin", False), ("environment.triggers", False)],
)
def test_only_triggers_replace(path: str, expected: bool) -> None:
    assert replaces(path) is expected


def test_values_survive_the_wire_and_only_reveal_opens_secrets() -> None:
    values = {"environment": {"A": secret("x")}, "triggers": [1.0, None, True, UNKNOWN]}
    assert decode(encode(values)) == values
    assert reveal(values)["environment"] == {"A": "x"}


@pytest.mark.parametrize(
    ("inputs", "path", "reason"),
    [
        ({"assetPaths": ["*"]}, "assetPaths", "not supported by the stand-in"),
        ({"stdn": ""}, "stdn", "not a known property"),
        ({"stdin": 3.0}, "stdin", "expected a string"),
        ({"environment": {"A": 1.0}}, "environment.A", "expected a string"),
        ({"logging": "loud"}, "logging", "expected one of"),
    ],
)
def test_problems_of_inputs(inputs: dict[str, Any], path: str, reason: str) -> None:
    ((found_path, found_reason),) = problems(inputs, RESOURCE_INPUTS)
    assert found_path == path
    assert reason in found_reason


def test_what_is_not_known_yet_is_no_problem() -> None:
    assert problems({"stdin": UNKNOWN, "environment": {"A": secret(UNKNOWN)}}, RESOURCE_INPUTS) == []


def test_the_invocation_opens_secrets_and_adds_the_previous_output() -> None:
    inputs = {"environment": secret({"A": "x"}), "stdin": secret("y"), "logging": "stderr"}
    asked = invocation("true", inputs, {"stdout": "before", "stderr": ""})
    assert asked.environment == {"A": "x", "PULUMI_COMMAND_STDOUT": "before"}
    assert (asked.stdin, asked.log_stdout, asked.log_stderr) == ("y", False, True)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (
            Invocation("echo out; echo err >&2; exit 3"),
            r'exit status 3: running "echo out; .*":\n(out\nerr|err\nout)\n',
        ),
        (Invocation("kill -9 $$"), "signal: killed: running"),
        (Invocation("true", directory="/nowhere"), "chdir /nowhere: no such file or directory: running"),
        (Invocation("true", interpreter=("/no/shell",)), "fork/exec /no/shell: no such file or directory"),
    ],
)
def test_failures_name_end_command_and_output(asked: Invocation, text: str) -> None:
    with pytest.raises(CommandFailedError, match=text):
        run(asked)


def test_a_command_need_not_read_its_stdin() -> None:
    assert run(Invocation("echo done", stdin="x" * 1_000_000)) == Result("done", "")


def test_log_lines_come_one_by_one_and_only_from_the_streams_asked_for() -> None:
    lines: list[str] = []

    async def log(line: str) -> None:
        lines.append(line)

    long = "y" * 100_000
    command = f"echo quiet; {{ echo one; printf '%s\\n' {long}; printf end; }} >&2"
    asyncio.run(Runner().run(Invocation(command, log_stdout=False), log))
    assert lines == ["one", long, "end"]


def test_cancelling_kills_the_child_and_refuses_the_next() -> None:
    async def scene() -> float:
        runner = Runner()
        started = time.monotonic()
        task = asyncio.create_task(runner.run(Invocation("exec sleep 30"), _ignore))
        await asyncio.sleep(0.2)
        runner.cancel()
        with pytest.raises(CommandFailedError, match="signal: killed"):
            await task
        with pytest.raises(CommandFailedError, match="context canceled"):
            await runner.run(Invocation("true"), _ignore)
        return time.monotonic() - started

    assert asyncio.run(scene()) < 5


def test_a_timeout_kills_the_child() -> None:
    with pytest.raises(CommandFailedError, match="signal: killed"):
        run(Invocation("exec sleep 30"), timeout_seconds=0.2)

"""Rollouts that could not go: each with its exact problem, and what would fix it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridmill.core.errors import ProblemsError, path_text
from gridmill.core.sections.rollout import Rollout
from gridmill.load import load_definition
from tests.conftest import PLAIN_LAB

STEPS = "a number of nodes such as 1, or a share such as 25 %"
DAYS = "days in English and short, times with two digits: Mon-Fri 22:00-05:00"
WINDOW = "days and times such as Sat 02:00-06:00"


@pytest.mark.parametrize(
    ("written", "path", "message", "expected", "hint"),
    [
        ("waves: [0]", "waves[0]", "0 is not a size of a wave", STEPS, ""),
        ("waves: [1, 101 %]", "waves[1]", "101 % is not a size of a wave", STEPS, ""),
        ("waves: [1.5]", "waves[0]", "1.5 is not a size of a wave", STEPS, ""),
        ("waves: [true]", "waves[0]", "True is not a size of a wave", STEPS, ""),
        ("windows: [sat 02:00-06:00]", "windows[0]", "sat 02:00-06:00 is not a maintenance window", WINDOW, DAYS),
        ("windows: [za 2-6]", "windows[0]", "za 2-6 is not a maintenance window", WINDOW, DAYS),
        ("wait: 30", "wait", "30 is not a quantity", "a time such as 120 s or 2 min", "write the unit: 30 s"),
        ("jobs: kill", "jobs", "`kill` is not valid", "one of finish or requeue", ""),
        ("failures: -1", "failures", "`-1` is not valid", "greater than or equal to 0", ""),
        ("wave: [1]", "wave", "unknown key", None, "did you mean `waves`?"),
    ],
)
def test_a_bad_rollout_names_its_problem(
    written: str, path: str, message: str, expected: str | None, hint: str, tmp_path: Path
) -> None:
    file = tmp_path / "Pulumi.bad.yaml"
    text = PLAIN_LAB.replace("    scheduler:\n", f"    changes: {{rollout: {{{written}}}}}\n    scheduler:\n")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ProblemsError) as caught:
        load_definition(file)
    (problem,) = (found for found in caught.value.problems if found.path[0] == "changes")
    assert (path_text(problem.path), problem.message, problem.hint) == (f"changes.rollout.{path}", message, hint)
    assert expected is None or problem.expected == expected
    assert problem.line


def test_steps_may_be_numbers(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.lab.yaml"
    written = "changes: {rollout: {waves: [1, 5 %, 100%], windows: [Mon-Fri 22:00-05:00]}}"
    file.write_text(PLAIN_LAB.replace("    scheduler:\n", f"    {written}\n    scheduler:\n"), encoding="utf-8")
    with pytest.raises(ProblemsError) as caught:
        load_definition(file)
    assert not [problem for problem in caught.value.problems if problem.path[0] == "changes"]
    assert Rollout.model_validate({"waves": [1, "5 %"]}).waves == ["1", "5 %"]

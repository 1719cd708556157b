"""What Gridmill relies on in the command plugin, asked of whichever is installed: the official one or the stand-in.

One stack lives through one story (a `pulumi` run costs seconds); each test asserts one thing about it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gridmill.engine.found import find_engine
from gridmill.engine.plugin import installed_kind, plugin_directory
from tests.engine.pulumi_project import Project, Run

pytestmark = pytest.mark.engine

SECRET_ENVIRONMENT = "environment-that-nobody-may-read"  # noqa: S105
SECRET_STDIN = "stdin-that-nobody-may-read"  # noqa: S105
CHANGED_SECRET = "changed-and-still-not-to-be-read"  # noqa: S105
LARGE = 8 * 1024 * 1024

COMMANDS: dict[str, dict[str, Any]] = {
    # Writes down what is run, so that a delete or a replacement cannot pass unseen.
    "recorded": {
        "create": "echo create-$DIGEST-$(cat) >> journal; pwd",
        "delete": "echo delete-$DIGEST >> journal",
        "environment": {"DIGEST": "d1"},
        "stdin": "s1",
        "triggers": ["t1"],
        "add_previous_output_in_env": False,
    },
    "dependent": {"create": "cat", "stdin": {"stdout_of": "recorded"}},
    "previous": {
        "create": "printf 'created\\n\\n'",
        "update": 'echo "updated, before: $PULUMI_COMMAND_STDOUT"',
        "environment": {"DIGEST": "d1"},
    },
    "unaware": {
        "create": "echo created",
        "update": 'echo "updated, before: ${PULUMI_COMMAND_STDOUT-unset}"',
        "environment": {"DIGEST": "d1"},
        "add_previous_output_in_env": False,
    },
    "secret": {
        "create": 'echo "$TOKEN" | wc -c; wc -c',
        "environment": {"TOKEN": {"secret": SECRET_ENVIRONMENT}, "PLAIN": "plain-value"},
        "stdin": {"secret": SECRET_STDIN},
    },
    "large": {"create": "cat", "stdin": {"repeat": ["0123456\n", LARGE // 8]}, "logging": "none"},
    "logged": {"create": "echo to-stderr >&2; sleep 0.5; echo to-stdout", "logging": "stderr"},
}


@dataclass
class Story:
    """What was seen on the way."""

    project: Project
    journals: dict[str, list[str]] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    state: str = ""

    def note(self, chapter: str) -> None:
        """Keep what stands after this chapter."""
        self.journals[chapter] = self.project.journal()
        self.outputs[chapter] = self.project.outputs()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The stack from its first preview to its end."""
    engine = find_engine()
    if engine is None or installed_kind(plugin_directory(engine)) is None:
        pytest.fail("the engine or its command plugin is not set up: run `make setup`")
    project = Project(tmp_path_factory.mktemp("conformance"), engine)
    seen = Story(project)
    commands = copy.deepcopy(COMMANDS)
    try:
        _tell(seen, commands)
    finally:
        project.run("destroy", "--yes", "--stack", "conformance", status=None)
    seen.journals["destroyed"] = project.journal()
    yield seen


def _tell(story: Story, commands: dict[str, dict[str, Any]]) -> None:
    project = story.project
    project.declare(commands)
    story.runs["first preview"] = project.run("preview", "--stack", "conformance")
    story.journals["first preview"] = project.journal()
    story.runs["created"] = project.up()
    story.note("created")
    story.state = project.state()

    del commands["large"]  # its megabytes would slow down every run that follows
    commands["recorded"]["stdin"] = "s2"
    commands["previous"]["environment"]["DIGEST"] = "d2"
    commands["unaware"]["environment"]["DIGEST"] = "d2"
    commands["secret"]["environment"]["TOKEN"] = {"secret": CHANGED_SECRET}
    project.declare(commands)
    story.runs["second preview"] = project.run("preview", "--diff", "--stack", "conformance")
    story.runs["second preview, data"] = project.run("preview", "--json", "--stack", "conformance")
    story.journals["second preview"] = project.journal()
    project.up()
    story.note("updated")

    broken = copy.deepcopy(commands)
    broken["previous"]["update"] = "echo half-way; echo what-went-wrong >&2; exit 7"
    project.declare(broken)
    story.runs["failed"] = project.up(status=None)

    commands["recorded"]["environment"]["DIGEST"] = "d2"
    commands["recorded"]["triggers"] = ["t2"]
    commands["previous"]["environment"]["DIGEST"] = "d3"
    project.declare(commands)
    project.up()
    story.note("replaced")
    story.runs["unchanged"] = project.run("preview", "--expect-no-changes", "--stack", "conformance", status=None)


def _steps(run: Run) -> dict[str, dict[str, Any]]:
    """The planned steps of a preview's JSON by resource name."""
    return {step["urn"].rpartition("::")[2]: step for step in json.loads(run.stdout)["steps"]}


def test_a_preview_runs_nothing(story: Story) -> None:
    assert story.journals["first preview"] == []
    assert story.journals["second preview"] == story.journals["created"]


def test_create_runs_in_the_project_directory_with_stdin_and_environment(story: Story) -> None:
    assert story.journals["created"] == ["create-d1-s1"]
    assert Path(story.outputs["created"]["recorded"]).samefile(story.project.directory)


def test_an_output_loses_one_newline_at_its_end(story: Story) -> None:
    assert story.outputs["created"]["previous"] == "created\n"


def test_changed_stdin_updates_in_place(story: Story) -> None:
    assert _steps(story.runs["second preview, data"])["recorded"]["op"] == "update"
    assert story.journals["updated"] == ["create-d1-s1", "create-d1-s2"]


def test_changed_environment_runs_the_update_command(story: Story) -> None:
    assert _steps(story.runs["second preview, data"])["previous"]["op"] == "update"
    assert story.outputs["updated"]["previous"] == "updated, before: created\n"


def test_outputs_are_not_known_before_an_update(story: Story) -> None:
    planned = _steps(story.runs["second preview, data"])
    assert planned["dependent"]["op"] == "update"
    assert planned.get("logged", {"op": "same"})["op"] == "same"
    assert story.outputs["updated"]["dependent"] == story.outputs["updated"]["recorded"]


def test_the_diff_names_the_changed_property(story: Story) -> None:
    assert '~ stdin: "s1" => "s2"' in story.runs["second preview"].output
    assert '~ DIGEST: "d1" => "d2"' in story.runs["second preview"].output


def test_without_previous_output_the_command_does_not_get_it(story: Story) -> None:
    assert story.outputs["updated"]["unaware"] == "updated, before: unset"


def test_a_failure_shows_status_command_and_output(story: Story) -> None:
    failed = story.runs["failed"]
    assert failed.status != 0
    for part in ("exit status 7", "exit 7", "half-way", "what-went-wrong"):
        assert part in failed.output


def test_after_a_failure_the_old_state_stands_and_the_run_can_be_repeated(story: Story) -> None:
    assert story.outputs["replaced"]["previous"] == "updated, before: updated, before: created\n"


def test_changed_triggers_replace(story: Story) -> None:
    assert story.journals["replaced"][2:] == ["create-d2-s2", "delete-d1"]


def test_destroying_deletes_with_what_the_state_recorded(story: Story) -> None:
    assert story.journals["destroyed"][4:] == ["delete-d2"]


def test_nothing_changed_means_no_changes(story: Story) -> None:
    assert story.runs["unchanged"].status == 0, story.runs["unchanged"].output


def test_secret_inputs_reach_the_command(story: Story) -> None:
    lengths = [int(line) for line in str(story.outputs["created"]["secret"]).split()]
    assert lengths == [len(SECRET_ENVIRONMENT) + 1, len(SECRET_STDIN)]


def test_secret_inputs_stay_secret_in_state_and_in_all_that_is_printed(story: Story) -> None:
    for text in (SECRET_ENVIRONMENT, SECRET_STDIN, CHANGED_SECRET):
        assert text not in story.state
        assert text not in story.project.printed
    assert "plain-value" in story.state


def test_megabytes_of_stdin_and_stdout_pass(story: Story) -> None:
    resources = json.loads(story.state)["deployment"]["resources"]
    (large,) = [item["outputs"] for item in resources if item["urn"].endswith("::large")]
    assert len(large["stdin"]) == LARGE
    assert large["stdout"] == large["stdin"].removesuffix("\n")


def test_logging_streams_only_what_was_asked_for(story: Story) -> None:
    lines = [line for line in story.runs["created"].output.splitlines() if "Command logged" in line]
    assert any("to-stderr" in line for line in lines)
    assert not any("to-stdout" in line for line in lines)

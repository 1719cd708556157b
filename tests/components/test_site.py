"""The components under mocks: which resources a site makes, their names, parents, order and inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

from gridmill.documents import documents
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import build_definition
from gridmill.plan import plan_site
from tests.conftest import ROOT

SECRET_MARK = "4dabf18193072939515e22adb298388d"  # noqa: S105
SECRET_VALUE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105
"""How Pulumi's wire protocol marks a value as secret (pulumi: sdk/go/common/resource/properties.go)."""

ACCEPTED = json.dumps({"ok": True, "data": {"pod-a-r1-u40": {"jobs": [7]}}})


class Recorder(Mocks):
    """Answers like the engine would after a run that went well, and keeps what was registered."""

    def __init__(self) -> None:
        self.resources: dict[str, MockResourceArgs] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources[args.name] = args
        return f"{args.name}-id", {**args.inputs, "stdout": ACCEPTED, "stderr": ""}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, None


@pytest.fixture
def recorder() -> Recorder:
    mocks = Recorder()
    pulumi.runtime.set_mocks(mocks, project="gridmill", stack="lab", preview=False)
    return mocks


def make_site(plan: SitePlan, secrets: dict[str, pulumi.Output[str]] | None = None) -> Any:
    from components.site import PlannedSite  # noqa: PLC0415 - after set_mocks, as Pulumi wants it

    return PlannedSite("lab", plan, secrets or {}, {})


@pulumi.runtime.test
def test_the_resources_of_the_lab(recorder: Recorder, lab_plan: SitePlan) -> Any:
    def check(_: object) -> None:
        found = {name: args.typ for name, args in recorder.resources.items()}
        assert found == {
            "lab": "gridmill:index:Site",
            "lab-power": "gridmill:index:SitePower",
            "lab-storage": "gridmill:index:Storage",
            "lab-storage-converge": "command:local:Command",
            "lab-control": "gridmill:index:SlurmControl",
            "lab-control-converge": "command:local:Command",
            "lab-pod-a": "gridmill:index:Pod",
            "lab-pod-a-power": "gridmill:index:PowerBudget",
            "lab-pod-a-network": "gridmill:index:PodNetwork",
            "lab-pod-a-control": "gridmill:index:NodeGroup",
            "lab-pod-a-gpu": "gridmill:index:GpuNodes",
            "lab-pod-a-store": "gridmill:index:StorageNodes",
            "lab-pod-a-converge": "command:local:Command",
            "lab-exports": "gridmill:index:StorageExports",
            "lab-exports-converge": "command:local:Command",
            "lab-acceptance": "gridmill:index:Acceptance",
            "lab-acceptance-run": "command:local:Command",
        }

    return make_site(lab_plan).summary.apply(check)


@pulumi.runtime.test
def test_power_is_an_input_level_by_level(recorder: Recorder, lab_plan: SitePlan) -> Any:
    def check(_: object) -> None:
        power = recorder.resources["lab-power"].inputs
        feed = {"planned_w": 21_600, "limit_w": 33_171, "margin_w": 11_571, "element": ""}
        assert power["meter"]["planned_w"] == 27_000 and power["meter"]["margin_w"] == 6_171
        assert power["feeds"]["A"] == {**feed, "situation": "with feed B lost"}
        assert power["pods"]["pod-a"]["margin_w"] == recorder.resources["lab-pod-a-power"].inputs["budget_w"] - 21_600
        assert power["tightest"]["element"] == "the power supplies of gpu (sim-dgx-h100)"

    return make_site(lab_plan).summary.apply(check)


@pulumi.runtime.test
def test_volumes_are_withdrawn_after_their_clients_were_changed(recorder: Recorder, lab_plan: SitePlan) -> Any:
    def check(_: object) -> None:
        names = list(recorder.resources)
        inputs = recorder.resources["lab-exports-converge"].inputs
        assert names.index("lab-storage-converge") < names.index("lab-pod-a-converge")
        assert names.index("lab-pod-a-converge") < names.index("lab-exports-converge")
        assert json.loads(inputs["stdin"]) == documents(lab_plan)["exports"]
        assert recorder.resources["lab-exports"].inputs == {"volumes": {"home": "writable", "scratch": "writable"}}

    return make_site(lab_plan).summary.apply(check)


@pulumi.runtime.test
def test_rotation_of_keys_comes_after_every_pod(recorder: Recorder) -> Any:
    text = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8").replace("scheduler:", "scheduler:\n      keyEpoch: 2")
    plan = plan_site(build_definition(yaml.safe_load(text)["config"]["gridmill:site"], ROOT))

    def check(_: object) -> None:
        names = list(recorder.resources)
        assert recorder.resources["lab-keys"].inputs == {"epoch": 2}
        assert recorder.resources["lab-keys-run"].inputs["environment"] == {}, "no role's change touches every machine"
        assert names.index("lab-pod-a-converge") < names.index("lab-keys-run") < names.index("lab-acceptance-run")

    return make_site(plan).summary.apply(check)


@pulumi.runtime.test
def test_the_seam(recorder: Recorder, lab_plan: SitePlan) -> Any:
    """Exact command, standard input and environment of a phase; nothing that would replace or grow."""

    def check(_: object) -> None:
        from gridmill.operations.digests import phase_digests  # noqa: PLC0415 - after set_mocks, as Pulumi wants it

        inputs = dict(recorder.resources["lab-pod-a-converge"].inputs)
        assert json.loads(inputs.pop("stdin")) == documents(lab_plan)["pod-a"]
        assert inputs == {
            "create": "exec ./.venv/bin/python -m gridmill.operations.converge apply",
            "delete": "exec ./.venv/bin/python -m gridmill.operations.converge remove",
            "environment": {
                f"GRIDMILL_DIGEST_{name.upper()}": digest
                for name, digest in phase_digests(documents(lab_plan)["pod-a"]).items()
            },
            "addPreviousOutputInEnv": False,
            "logging": "stderr",
        }
        acceptance = recorder.resources["lab-acceptance-run"].inputs
        assert "delete" not in acceptance
        assert set(acceptance["environment"]) == {
            "GRIDMILL_DIGEST_RUN",
            "GRIDMILL_DIGEST_ROLE_ACCEPTANCE",
            "GRIDMILL_DIGEST_SITE",
        }

    return make_site(lab_plan).summary.apply(check)


@pulumi.runtime.test
def test_secrets_travel_in_the_environment_only(recorder: Recorder, lab_plan: SitePlan) -> Any:
    secret = pulumi.Output.secret("canary-7f3a")

    def check(_: object) -> None:
        for name, args in recorder.resources.items():
            shown = json.dumps(args.inputs, default=str)
            assert ("canary-7f3a" in shown) == (name in {"lab-control-converge", "lab-pod-a-converge"}), name
        inputs = recorder.resources["lab-control-converge"].inputs
        environment = inputs["environment"]
        assert environment[SECRET_MARK] == SECRET_VALUE
        assert environment["value"]["GRIDMILL_SECRET_BASE_BREAK_GLASS_PASSWORD_HASH"] == "canary-7f3a"  # noqa: S105
        assert "canary" not in inputs["stdin"]

    return make_site(lab_plan, {"base_break_glass_password_hash": secret}).summary.apply(check)


@pulumi.runtime.test
def test_the_summary(recorder: Recorder, lab_plan: SitePlan) -> Any:
    def check(summary: dict[str, Any]) -> None:
        assert summary == {
            "schemaVersion": 1,
            "site": "lab",
            "simulated": True,
            "domain": "lab.gridmill.test",
            "controller": "pod-a-r1-u40.lab.gridmill.test",
            "pods": {
                "pod-a": {
                    "nodes": 4,
                    "gpus": 16,
                    "power": {"budgetW": 24_000, "nameplateW": 22_400, "marginW": 2_400},
                }
            },
            "planned": {},
            "maintenance": {},
            "power": {"nameplateW": 22_400, "meterW": 27_000, "gridLimitW": 33_171},
            "acceptance": {"ok": True, "jobs": {"pod-a-r1-u40": {"jobs": [7]}}},
        }

    return make_site(lab_plan).summary.apply(check)


def test_every_pulumi_test_is_decorated() -> None:
    """Without the decorator a failing assert inside apply passes unseen."""
    for path in Path(__file__).parent.glob("test_*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if line.startswith("def test_") and "recorder" in line:
                assert lines[number - 1] == "@pulumi.runtime.test", f"{path.name}:{number + 1}"


@pulumi.runtime.test
def test_addresses_of_both_kinds_show(recorder: Recorder, lab_plan: SitePlan) -> Any:
    def check(_: object) -> None:
        inputs = recorder.resources["lab-pod-a-network"].inputs
        assert (inputs["network"], inputs["network6"]) == ("198.18.4.0/22", "2001:2:0:1::/64")
        assert inputs["addresses6"]["pod-a-r1-u40"] == "2001:2:0:1::1:40"

    return make_site(lab_plan).summary.apply(check)

"""`Site` in programs that are no part of the checkout: composed in Python, and hosted for other languages.

The package is laid out as the wheel has it; the runner is a stand-in, so that no machine is contacted.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridmill.engine.found import Engine, find_engine
from tests.conftest import ROOT
from tests.engine.installed import install
from tests.engine.pulumi_project import Project

pytestmark = pytest.mark.engine
EXAMPLE = ROOT / "examples" / "compose"


@pytest.fixture
def engine() -> Engine:
    found = find_engine()
    assert found, "run `make setup`"
    return found


def project(directory: Path, engine: Engine, program: Path, *paths: Path) -> Project:
    """A project that has the package in its .venv."""
    made = directory / "project"
    made.mkdir()
    (made / ".venv").symlink_to(ROOT / ".venv")
    state = str(directory / "gridmill-state")
    return Project(made, engine, program, (directory / "packages", *paths), GRIDMILL_STATE=state)


def resources(state: str) -> dict[str, dict[str, Any]]:
    """By name and type."""
    listed = json.loads(state)["deployment"]["resources"]
    return {f"{one['urn'].rpartition('::')[2]} {one['type']}": one for one in listed}


def test_two_sites_of_one_program(tmp_path: Path, engine: Engine) -> None:
    install(tmp_path)
    fleet = project(tmp_path, engine, EXAMPLE / "__main__.py")
    shutil.copy2(EXAMPLE / "fleet.py", fleet.directory)
    printed = fleet.run("preview", "--stack", "conformance").output
    assert "ems1: power: at the meter 25 kW" in printed and "hgl1: power: at the meter 13 kW" in printed
    fleet.up()
    outputs = fleet.outputs()
    assert outputs["logins"] == {"ems1": ["pod-a-r1-u40.ems1.example"], "hgl1": ["pod-a-r1-u40.hgl1.example"]}
    assert outputs["atTheMetersW"] == 38_000
    assert outputs["sites"]["hgl1"]["pods"]["pod-a"]["gpus"] == 16
    fleet.run("preview", "--expect-no-changes", "--stack", "conformance")

    data = fleet.directory / "fleet.py"
    text = data.read_text(encoding="utf-8")
    data.write_text(text.replace('"15 kW", racks=1', '"25 kW", racks=2'), encoding="utf-8")
    refused = fleet.run("up", "--yes", "--skip-preview", "--stack", "conformance", status=None)
    assert refused.status != 0 and "1 problem in the definition of site hgl1" in refused.output
    assert "grid.connection: the pods' budgets, 25 kW of IT load, need 31.25 kW at the meter" in refused.output
    data.write_text(text.replace('"3x40A", "15 kW", racks=1', '"3x63A", "25 kW", racks=2'), encoding="utf-8")
    again = fleet.run("preview", "--diff", "--stack", "conformance").output
    assert "hgl1: power: at the meter 13 -> 25 kW" in again and "ems1-pod-a" not in again
    fleet.run("destroy", "--yes", "--skip-preview", "--stack", "conformance")


def test_the_schema_describes_the_component(tmp_path: Path, engine: Engine) -> None:
    run = project(tmp_path, engine, EXAMPLE / "__main__.py").run("package", "get-schema", str(install(tmp_path)))
    schema = json.loads(run.stdout)
    site = schema["resources"]["gridmill:index:Site"]
    assert (schema["name"], site["isComponent"]) == ("gridmill", True)
    assert set(site["inputProperties"]) == {"definition", "file", "directory", "secrets", "hostKeys"}
    assert set(site["properties"]) == set(site["required"]) == {
        *("name", "domain", "controller", "pods", "nodes", "power", "slurm", "bootstrap", "accepted", "summary")
    }  # fmt: skip
    assert "requiredInputs" not in site, "a site without arguments is the stack's own"
    undescribed = [
        f"{where}.{key}"
        for where, described in {
            "Site": site,
            "inputs": {"properties": site["inputProperties"]},
            **schema["types"],
        }.items()
        for key, value in described["properties"].items()
        if not value.get("description")
    ]
    assert not undescribed


HOSTED = '''\
"""Uses the SDK that the engine generates from the schema, as a program in any other language does."""
import json
from pathlib import Path
import pulumi
import pulumi_gridmill as gridmill

given = json.loads(Path("given.json").read_text())
site = gridmill.Site(
    "lab",
    definition={**given, "location": pulumi.Output.from_input(given["location"])},
    directory="own",
    secrets={"breakGlassPasswordHash": pulumi.Output.secret("canary-3107")},
)
pulumi.export("controller", site.controller)
pulumi.export("gpus", site.pods["pod-a"].gpus)
pulumi.export("meterW", site.power.meter_w)
pulumi.export("accepted", site.accepted)
pulumi.export("summary", site.summary)
'''


def test_a_program_that_is_not_ours_runs_it_through_the_component_host(tmp_path: Path, engine: Engine) -> None:
    plugin = install(tmp_path)
    program = tmp_path / "program.py"
    program.write_text(HOSTED, encoding="utf-8")
    sdk = tmp_path / "sdk" / "python"
    hosted = project(tmp_path, engine, program, sdk)
    hosted.run("package", "gen-sdk", str(plugin), "--language", "python", "--out", str(sdk.parent))
    metadata = sdk / "pulumi_gridmill-0.0.0.dist-info" / "METADATA"  # as if it had been installed
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: pulumi_gridmill\nVersion: 0.0.0\n", encoding="utf-8")
    settings = json.loads((hosted.directory / "Pulumi.yaml").read_text(encoding="utf-8"))
    settings["plugins"] = {"providers": [{"name": "gridmill", "path": "../bin"}]}
    (hosted.directory / "Pulumi.yaml").write_text(json.dumps(settings), encoding="utf-8")
    shutil.copytree(ROOT / "inventories" / "lab" / "skus", hosted.directory / "own" / "inventories" / "lab" / "skus")
    lab: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text())["config"]["gridmill:site"]

    def run(*arguments: str, status: int | None = 0) -> str:
        (hosted.directory / "given.json").write_text(json.dumps(lab), encoding="utf-8")
        return hosted.run(*arguments, "--stack", "conformance", status=status).output

    assert "lab: power: at the meter 27 kW of 33.171 kW" in run("preview"), "hooks are called in the host, too"
    run("up", "--yes", "--skip-preview")
    outputs = hosted.outputs()
    assert outputs["controller"] == "pod-a-r1-u40.lab.gridmill.test"
    assert (outputs["gpus"], outputs["meterW"], outputs["accepted"]) == (16, 27_000, True)
    assert outputs["summary"]["pods"]["pod-a"]["nodes"] == 4
    state = hosted.state()
    made = resources(state)
    assert {
        "lab gridmill:index:Site",
        "lab-pod-a gridmill:index:Pod",
        "lab-pod-a-converge command:local:Command",
    } <= set(made)
    assert made["lab gridmill:index:Site"]["inputs"]["directory"] == "own"
    environment = made["lab-control-converge command:local:Command"]["inputs"]["environment"]
    assert "ciphertext" in environment["GRIDMILL_SECRET_BASE_BREAK_GLASS_PASSWORD_HASH"]
    assert "canary" not in state + hosted.printed
    assert str(tmp_path) not in json.dumps([one["inputs"] for one in made.values() if "inputs" in one])
    run("preview", "--expect-no-changes")

    scratch = lab["storage"]["volumes"].pop("scratch")
    refused = run("up", "--yes", "--skip-preview", status=None)
    assert "data at risk: volume scratch leaves" in refused and "`pulumi up` refuses this" in refused
    control = "lab-control-converge command:local:Command"
    assert resources(hosted.state())[control]["inputs"]["stdin"] == made[control]["inputs"]["stdin"], "nothing was done"
    lab["storage"]["volumes"]["scratch"] = scratch
    lab["pods"]["pod-a"]["nodes"]["gpu"]["sku"] = "sim-dgx-h10"
    lab["grid"]["pue"] = "much"
    wrong = run("preview", status=None)
    assert "2 problems in the definition of site lab" in wrong and "did you mean sim-dgx-h100?" in wrong
    assert "components/public.py" not in wrong, "problems are told without the lines of the program that found them"

"""`Site` under mocks: its arguments, what is wrong with them, and its outputs."""

from __future__ import annotations

import copy
import datetime
import json
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.output import UNKNOWN

from gridmill.core.errors import Problem
from gridmill.documents import documents
from gridmill.kernel.site_plan import SitePlan
from tests.components.test_site import SECRET_MARK, SECRET_VALUE, Recorder
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The program runs in the project's directory; nothing of this machine's sites is read."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))


@pytest.fixture
def lab() -> dict[str, Any]:
    site: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text())["config"]["gridmill:site"]
    return copy.deepcopy(site)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    mocks = Recorder()
    pulumi.runtime.set_mocks(mocks, project="fleet", stack="prod", preview=False)
    yield mocks
    pulumi.runtime.set_all_config({})


def site(name: str, args: Any, opts: pulumi.ResourceOptions | None = None) -> Any:
    from components import Site  # noqa: PLC0415 - after set_mocks, as Pulumi wants it

    return Site(name, args, opts)


def refusal(name: str, args: Any) -> str:
    with pytest.raises(pulumi.RunError) as error:
        site(name, args)
    return str(error.value)


@pulumi.runtime.test
def test_a_definition_makes_what_the_stack_file_makes(
    recorder: Recorder, lab: dict[str, Any], lab_plan: SitePlan
) -> Any:
    del lab["name"]

    def check(_: object) -> None:
        resource = recorder.resources["lab"]
        assert resource.typ == "gridmill:index:Site"
        assert (resource.inputs["definition"]["name"], resource.inputs["directory"]) == ("lab", ".")
        assert json.loads(recorder.resources["lab-pod-a-converge"].inputs["stdin"]) == documents(lab_plan)["pod-a"]

    return site("lab", {"definition": lab}).summary.apply(check)


@pulumi.runtime.test
def test_a_file_is_another_way_to_say_it(recorder: Recorder, lab: dict[str, Any]) -> Any:
    def check(_: object) -> None:
        assert recorder.resources["lab"].inputs["definition"] == lab

    return site("lab", {"file": "Pulumi.lab.yaml"}).summary.apply(check)


@pulumi.runtime.test
def test_without_either_it_is_the_stacks_own(lab: dict[str, Any]) -> Any:
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, project="elsewhere", stack="lab", preview=False)
    pulumi.runtime.set_all_config({"gridmill:site": json.dumps(lab)})

    def check(_: object) -> None:
        pulumi.runtime.set_all_config({})
        assert "definition" not in recorder.resources["lab"].inputs, "states of before stay as they are"

    return site("lab", {}).summary.apply(check)


@pulumi.runtime.test
def test_the_outputs(recorder: Recorder, lab: dict[str, Any]) -> Any:
    made = site("lab", {"definition": lab})

    def check(values: dict[str, Any]) -> None:
        assert values == {
            "name": "lab",
            "domain": "lab.gridmill.test",
            "controller": "pod-a-r1-u40.lab.gridmill.test",
            "pods": {
                "pod-a": {
                    "nodes": 4, "gpus": 16, "network": "198.18.4.0/22", "network6": "2001:2:0:1::/64",
                    "budgetW": 24_000, "allocatedW": 21_600, "nameplateW": 22_400, "marginW": 2_400,
                }
            },
            "nodes": {"control": ["pod-a-r1-u40"], "gpu": ["pod-a-r1-u[01,09]"], "store": ["pod-a-r1-u38"]},
            "power": {
                "allocatedW": 21_600, "nameplateW": 22_400, "typicalW": 17_950, "idleW": 4_900, "meterW": 27_000,
                "gridLimitW": 33_171,
            },
            "slurm": {
                "cluster": "lab", "controllers": ["pod-a-r1-u40.lab.gridmill.test"],
                "logins": ["pod-a-r1-u40.lab.gridmill.test"], "partitions": {"gpu": "pod-a-r1-u[01,09]"},
            },
            "bootstrap": {
                "user": "gridmill", "identityFile": "{state}/lab/lab/id_ed25519",
                "knownHostsFile": "{state}/lab/lab/known_hosts",
            },
            "accepted": True,
        }  # fmt: skip

    names = ("name", "domain", "controller", "pods", "nodes", "power", "slurm", "bootstrap", "accepted")
    return pulumi.Output.all(**{name: getattr(made, name) for name in names}).apply(check)


@pulumi.runtime.test
def test_outputs_that_are_known_are_waited_for(recorder: Recorder, lab: dict[str, Any], lab_plan: SitePlan) -> Any:
    domain = pulumi.Output.from_input("lab.gridmill").apply(lambda text: f"{text}.test")
    lab["network"]["domain"] = domain
    lab["pods"] = pulumi.Output.from_input(lab["pods"])
    made = site("lab", {"definition": pulumi.Output.from_input(lab)})

    def check(_: object) -> None:
        assert json.loads(recorder.resources["lab-pod-a-converge"].inputs["stdin"]) == documents(lab_plan)["pod-a"]

    return made.summary.apply(check)


@pulumi.runtime.test
def test_one_site_can_take_what_another_one_says(recorder: Recorder, lab: dict[str, Any], tmp_path: Path) -> Any:
    shutil.copytree(ROOT / "inventories" / "lab" / "skus", tmp_path / "inventories" / "twin" / "skus")
    first = site("lab", {"definition": lab})
    other = copy.deepcopy(lab) | {"name": "twin"}
    other["network"]["domain"] = first.domain.apply(lambda domain: f"twin.{domain}")
    second = site("twin", {"definition": other, "directory": str(tmp_path)})

    def check(found: list[Any]) -> None:
        assert found[0]["controller"] == "pod-a-r1-u40.twin.lab.gridmill.test"
        assert {"lab-pod-a-converge", "twin-pod-a-converge"} <= set(recorder.resources)

    return pulumi.Output.all(second.summary, first.summary).apply(check)


def test_numbers_dates_and_tuples_as_the_engine_and_programs_have_them() -> None:
    from components.composed import plain  # noqa: PLC0415 - after set_mocks, as Pulumi wants it

    problems: list[Problem] = []
    day = datetime.date(2027, 4, 1)
    found = plain({"uid": 2001.0, "pue": 1.25, "from": day, "at": ("r1/u1",), "limits": {day: "40 kW"}}, problems)
    assert json.dumps(found) == (
        '{"uid": 2001, "pue": 1.25, "from": "2027-04-01", "at": ["r1/u1"], "limits": {"2027-04-01": "40 kW"}}'
    )
    assert not problems


@pulumi.runtime.test
def test_what_is_not_known_or_secret_is_named_all_at_once(recorder: Recorder, lab: dict[str, Any]) -> None:
    lab["network"]["domain"] = pulumi.Output.from_input(UNKNOWN)
    lab["network"]["supernet"] = UNKNOWN
    lab["access"]["bootstrap"]["user"] = pulumi.Output.secret("root")
    lab["grid"]["pue"] = PurePosixPath("1.2")
    lab["pods"]["pod-a"]["racks"][1] = {}
    text = refusal("lab", {"definition": lab})
    assert text.startswith("5 problems in the definition of site lab\n")
    for line in (
        "network.domain: not known yet",
        "network.supernet: not known yet",
        "access.bootstrap.user: a secret inside the definition",
        "grid.pue: a PurePosixPath",
        "pods.pod-a.racks: the key 1 is a int",
    ):
        assert line in text, line
    assert "root" not in text and not recorder.resources


@pulumi.runtime.test
def test_problems_name_paths(recorder: Recorder, lab: dict[str, Any]) -> None:
    lab["pods"]["pod-a"]["nodes"]["gpu"]["at"] = ["r1/u1", "r7/u1"]
    lab["grid"]["pue"] = "much"
    text = refusal("lab", {"definition": lab})
    assert "grid.pue: " in text and "pods.pod-a.nodes.gpu.at[1]: " in text and not recorder.resources


@pulumi.runtime.test
def test_a_file_names_its_lines(recorder: Recorder, tmp_path: Path) -> None:
    text = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8").replace("pue: 1.25", "pue: much")
    (tmp_path / "lab.yaml").write_text(text, encoding="utf-8")
    line = next(number for number, one in enumerate(text.splitlines(), 1) if "pue: much" in one)
    assert f"lab.yaml:{line}: grid.pue: " in refusal("lab", {"file": str(tmp_path / "lab.yaml")})


@pulumi.runtime.test
def test_arguments_that_cannot_be(recorder: Recorder, lab: dict[str, Any]) -> None:
    text = refusal("lab", {"definition": lab, "file": "Pulumi.lab.yaml", "pods": {}})
    assert text.startswith("2 problems in the arguments of site lab\n")
    assert "file: there is a definition already" in text and "pods: no argument of a site" in text
    assert "directory: there is no definition" in refusal("lab", {"file": "Pulumi.lab.yaml", "directory": "x"})
    assert "a list" in refusal("lab", {"definition": ["lab"]})
    assert "name: lab is not the name of the site's resource" in refusal("other", {"definition": lab})
    assert "name: lab is not the name of the site's resource" in refusal("other", {"file": "Pulumi.lab.yaml"})


@pulumi.runtime.test
def test_secrets_that_are_unknown_or_missing(recorder: Recorder, lab: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "inventories" / "lab" / "keys").mkdir(parents=True)
    shutil.copytree(ROOT / "inventories" / "lab" / "skus", tmp_path / "inventories" / "lab" / "skus")
    lab["ldap"] = {
        "uris": ["ldaps://ldap.lab.test"], "base": "dc=lab,dc=test", "bindDn": "cn=reader,dc=lab,dc=test",
        "loginGroups": ["people"],
    }  # fmt: skip
    given = {"breakGlasPasswordHash": "x"}
    text = refusal("lab", {"definition": lab, "secrets": given, "directory": str(tmp_path)})
    assert "2 problems in the secrets of site lab" in text and not recorder.resources
    assert "secrets.breakGlasPasswordHash: no secret of a site" in text
    assert "did you mean breakGlassPasswordHash?" in text
    assert "secrets.ldapBindSecret: missing" in text
    assert "pulumi config set --secret gridmill:ldapBindSecret --stack prod" in text


@pulumi.runtime.test
def test_secrets_given_or_the_stacks(recorder: Recorder, lab: dict[str, Any]) -> Any:
    pulumi.runtime.set_all_config({"gridmill:breakGlassPasswordHash": "of the stack"})
    given = {"breakGlassPasswordHash": "given, and no output"}

    def check(_: object) -> Any:
        environment = recorder.resources["lab-control-converge"].inputs["environment"]
        assert environment[SECRET_MARK] == SECRET_VALUE, "what was given in the clear is a secret from then on"
        assert environment["value"]["GRIDMILL_SECRET_BASE_BREAK_GLASS_PASSWORD_HASH"] == "given, and no output"  # noqa: S105

    return site("lab", {"definition": lab, "secrets": given}).summary.apply(check)


@pulumi.runtime.test
def test_the_stacks_secret_under_our_name_whatever_the_projects_is(recorder: Recorder, lab: dict[str, Any]) -> Any:
    pulumi.runtime.set_all_config({"gridmill:breakGlassPasswordHash": "of the stack"})

    def check(_: object) -> None:
        environment = recorder.resources["lab-control-converge"].inputs["environment"]
        assert environment["value"]["GRIDMILL_SECRET_BASE_BREAK_GLASS_PASSWORD_HASH"] == "of the stack"  # noqa: S105

    return site("lab", {"definition": lab}).summary.apply(check)


@pulumi.runtime.test
def test_host_keys_given(recorder: Recorder, lab: dict[str, Any]) -> Any:
    def check(_: object) -> None:
        document = json.loads(recorder.resources["lab-control-converge"].inputs["stdin"])
        assert document["hosts"]["pod-a-r1-u40"]["hostKey"] == "SHA256:abc"

    return site("lab", {"definition": lab, "host_keys": {"198.18.4.104": "SHA256:abc"}}).summary.apply(check)


@pulumi.runtime.test
def test_a_program_can_be_tested_under_mocks_as_a_preview(lab: dict[str, Any]) -> Any:
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, project="fleet", stack="prod", preview=True)

    def check(domain: str) -> None:
        assert domain == "lab.gridmill.test"

    return site("lab", {"definition": lab}).domain.apply(check)

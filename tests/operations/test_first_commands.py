"""The first commands of a new user: a stack that does not exist, files that are missing, no controller yet."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gridmill.kernel.site_plan import SitePlan
from gridmill.operations import cli
from gridmill.operations.errors import OperationError
from gridmill.operations.inspect import status as status_module
from gridmill.operations.local_files import missing_to_connect
from tests.conftest import ROOT
from tests.operations.test_cli import run


def test_the_stacks_that_exist_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "validate", "nosuch")
    assert (status, out) == (1, "")
    assert "Pulumi.nosuch.yaml: no such stack" in err
    assert "del1, ems1" in err and "lab" in err
    assert "did you mean ems1?" in run(capsys, "plan", "ems2")[2]


def test_a_plan_without_its_key_file_comes_with_a_warning(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    stack = tmp_path / "Pulumi.del1.yaml"
    shutil.copy(ROOT / "Pulumi.del1.yaml", stack)
    for command in ("plan", "power"):
        status, out, err = run(capsys, command, str(stack))
        assert status == 0 and "del1" in out
        assert err.startswith("warning: Pulumi.del1.yaml:") and "keys/mirror.asc does not exist" in err
    assert run(capsys, "validate", str(stack))[0] == 1
    assert run(capsys, "document", str(stack), "control")[0] == 1


def test_preflight_names_missing_files_before_it_asks_anybody(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    monkeypatch.setattr(cli, "preflight", lambda plan: pytest.fail("a machine was asked"))
    status, out, _ = run(capsys, "preflight", "lab", "--json")
    found = json.loads(out)
    assert (status, found["machines"]) == (1, 0)
    assert [item["what"] for item in found["findings"]] == [
        "access.bootstrap.identityFile",
        "access.bootstrap.knownHostsFile",
        "power.snmp.secretFile",
        "PULUMI_CONFIG_PASSPHRASE_FILE",
    ]
    place = tmp_path / "lab" / "lab"
    racking = "`lab up --stack Pulumi.lab.yaml` makes it, with the virtual machines"
    assert [item["fix"] for item in found["findings"][:2]] == [racking, racking]
    assert (found["findings"][2]["expected"], found["findings"][2]["found"]) == (f"{place}/snmp_passphrase", "missing")
    assert run(capsys, "preflight", "lab")[1].endswith("no machine was asked\n")


def test_a_real_site_is_told_how_to_make_its_files(lab_plan: SitePlan, tmp_path: Path) -> None:
    place = tmp_path / "own"
    access = replace(lab_plan.access, identity_file=f"{place}/id_ed25519", known_hosts_file=f"{place}/known_hosts")
    identity, known = missing_to_connect(replace(lab_plan, access=access))
    made = f"mkdir -p {place} && "
    assert identity.fix.startswith(f"{made}ssh-keygen -t ed25519 -f {place}/id_ed25519")
    assert known.fix.startswith(f"{made}ssh-keyscan -t ed25519 ADDRESS >> {place}/known_hosts")


@pytest.fixture
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of this machine, so that only the controller is missing."""
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))
    (tmp_path / "lab" / "lab").mkdir(parents=True)
    for name in ("id_ed25519", "known_hosts"):
        (tmp_path / "lab" / "lab" / name).touch()


@pytest.mark.usefixtures("own_files")
def test_status_without_a_controller_shows_the_plan_and_the_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise OperationError("pod-a-r1-u40: status: no answer within 60 s")

    monkeypatch.setattr(status_module, "site_status", nobody)
    monkeypatch.setattr(status_module, "endpoint_problems", lambda _: ())
    status, out, _ = run(capsys, "status", "lab")
    assert status == 1
    assert "pod-a-r1-u01  sim-dgx-h100  compute           ?" in out
    assert out.endswith("only planned; not known: pod-a-r1-u40: status: no answer within 60 s\n")
    found = json.loads(run(capsys, "status", "lab", "--json")[1])
    assert (found["ok"], found["unreachable"]) == (False, "pod-a-r1-u40: status: no answer within 60 s")
    assert not any(node["found"] or node["working"] or node["problems"] for node in found["nodes"])


def test_status_without_own_files_opens_no_connection(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))
    monkeypatch.setattr(status_module, "site_status", lambda *_, **__: pytest.fail("the controller was asked"))
    assert "id_ed25519: missing (access.bootstrap.identityFile)" in run(capsys, "status", "lab")[1]


NO_HOMES = "no volume holds homes: what a job writes stays on its node, where its user may not log in"


def test_users_without_shared_homes_are_a_warning_and_no_problem(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "inventories" / "lab", tmp_path / "inventories" / "lab")
    stack = tmp_path / "Pulumi.lab.yaml"
    with_homes = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8")
    without = re.sub(r"    storage:\n.*?    pods:\n", "    pods:\n", with_homes, flags=re.DOTALL)
    users = "      users:\n        ben: {uid: 2002, keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA" + "B" * 43 + "]}\n"

    def warnings(text: str, command: str = "validate") -> list[str]:
        stack.write_text(text, encoding="utf-8")
        status, out, err = run(capsys, command, str(stack), "--json")
        assert status == 0, out + err
        return [one["message"] for one in json.loads(out)["warnings"]]

    def and_users(text: str) -> str:
        return text.replace("      admins:\n", f"{users}      admins:\n")

    assert warnings(without) == warnings(and_users(with_homes)) == []
    assert warnings(and_users(without)) == warnings(and_users(without), "plan") == [NO_HOMES]
    assert run(capsys, "validate", str(stack))[2].startswith(f"warning: Pulumi.lab.yaml:4: storage: {NO_HOMES}\n")


def test_a_wrong_name_is_told_before_what_follows_from_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8").replace("name: lab", "name: labb")
    (tmp_path / "Pulumi.foo.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, "validate", "foo")
    assert status == 1 and "unknown SKU" not in err
    assert "Pulumi.foo.yaml:6: name: labb is not the site of Pulumi.foo.yaml" in err


def test_a_place_without_a_limit_is_the_commands_problem(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "explain", "lab", "pods.pod-a.bugdet")
    assert status == 1 and err.startswith("1 problem in the command\nno limit stands at pods.pod-a.bugdet\n")
    assert "did you mean pods.pod-a.budget?" in err

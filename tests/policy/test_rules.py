"""Each rule of the pack: what it accepts, and exactly what it says otherwise."""

from __future__ import annotations

import base64
import hmac
import json
import re
from pathlib import Path

import pytest

from gridmill.core.hostkeys import KnownHosts
from gridmill.core.units import kilowatts
from gridmill.operations.cli import main
from gridmill.power.report import power_report
from gridmill.registry import policies
from tests.conftest import ROOT
from tests.policy.cases import KEY, ask, case, known_hosts

REAL = ROOT / "Pulumi.ems1.yaml"
LAB = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8")


def stack(tmp_path: Path, old: str, new: str, site: str = "lab") -> Path:
    """The stack of a site with one change, the site's own files beside it."""
    text = (ROOT / f"Pulumi.{site}.yaml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "inventories").symlink_to(ROOT / "inventories")
    path = tmp_path / f"Pulumi.{site}.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_the_lab_breaks_no_rule() -> None:
    assert {policy.name: ask(policy.name, case()) for policy in policies()} == {
        policy.name: [] for policy in policies()
    }


@pytest.mark.parametrize(
    ("rule", "old", "new", "said"),
    [
        ("power-within-limits", "connection: 3x63A", "connection: 3x16A", "grid.connection: the pods' budgets, 24 kW"),
        ("supported-versions", "driver: 550.163.01", "driver: 550.54.14",
         "software.nvidia.driver: distro of debian-13 does not offer 550.54.14\n    expected: one of 550.163.01\n"),
    ],
)  # fmt: skip
def test_the_rules_of_every_site_are_asked(tmp_path: Path, rule: str, old: str, new: str, said: str) -> None:
    first = ask(rule, case(stack(tmp_path, old, new)))[0]
    assert first.startswith(said) and "    fix: " in first


def test_the_guide_lists_every_rule_with_its_level() -> None:
    guide = (ROOT / "docs" / "guides" / "policy.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| ([a-z]+) \|", guide, re.MULTILINE)
    assert dict(rows) == {
        "definition-readable": "mandatory",
        **{policy.name: policy.level for policy in policies()},
    }


def test_the_public_passphrase_is_for_the_virtual_site_only() -> None:
    assert ask("secrets-are-own", case(public_passphrase=True)) == []
    assert ask("secrets-are-own", case(REAL)) == []
    (said,) = ask("secrets-are-own", case(REAL, public_passphrase=True))
    assert said.startswith(
        "name: gridmill/lab/passphrase is public and only for the virtual site\n    expected: a passphrase of"
    )


def test_a_machine_whose_key_nobody_knows_is_named() -> None:
    found = case(known_hosts=known_hosts(without="pod-a-r1-u09"))
    assert ask("host-keys-known", found) == [
        "pods.pod-a.nodes.gpu: no host key of 1 of gpu: pod-a-r1-u09 (198.18.4.73) is known, so nothing could tell it from"
        " an impostor\n    expected: a line for it in {state}/lab/lab/known_hosts\n"
        "    fix: from the machine's console or its vendor, never from the network that it protects"
    ]
    (said,) = ask("host-keys-known", case(known_hosts=None))
    assert said.startswith("access.bootstrap.knownHostsFile: {state}/lab/lab/known_hosts does not exist here")


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (f"10.0.0.1 ssh-ed25519 {KEY}", True),
        (f"node,10.0.0.1 ssh-ed25519 {KEY} comment", True),
        (f"[10.0.0.1]:22 ssh-ed25519 {KEY}", True),
        (f"[10.0.0.1]:2222 ssh-ed25519 {KEY}", False),
        (f"@cert-authority 10.0.* ssh-ed25519 {KEY}", True),
        (f"@cert-authority 10.0.*,!10.0.0.1 ssh-ed25519 {KEY}", False),
        (f"@revoked 10.0.0.1 ssh-ed25519 {KEY}", False),
        (f"#10.0.0.1 ssh-ed25519 {KEY}", False),
        (f"10.0.0.? ssh-ed25519 {KEY}", True),
        (f"10.0.0.11 ssh-ed25519 {KEY}", False),
        ("10.0.0.1", False),
        ("|1|not base64|x ssh-ed25519 AAAA", False),
    ],
)
def test_who_is_known(line: str, known: bool) -> None:
    assert KnownHosts(f"# a file\n\n{line}\n").knows("10.0.0.1") is known


def test_a_hashed_name_is_known() -> None:
    salt = b"0123456789abcdefghij"
    digest = hmac.digest(salt, b"10.0.0.1", "sha1")
    line = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()} ssh-ed25519 {KEY}"
    assert KnownHosts(line).knows("10.0.0.1")
    assert not KnownHosts(line).knows("10.0.0.2")


@pytest.mark.parametrize(
    ("backend", "allowed", "well"),
    [
        ("file:///var/lib/gridmill", [], True),
        ("s3://states?endpoint=s3.example.nl", [], True),
        ("postgres://db.example.nl/states", [], True),
        ("https://app.pulumi.com", [], False),
        ("https://api.pulumi.com/x", [], False),
        ("https://pulumi.example.nl", [], False),
        ("https://pulumi.example.nl/", ["https://pulumi.example.nl"], True),
        ("https://pulumi.example.nl.evil.example", ["https://pulumi.example.nl"], False),
        ("", [], False),
    ],
)
def test_where_the_state_is(backend: str, allowed: list[str], well: bool) -> None:
    assert (not ask("state-at-home", case(backend=backend), allowed=allowed)) is well


def test_too_little_left_at_the_meter() -> None:
    found = case(REAL)
    (row,) = [row for row in power_report(found.site, found.catalog).limits if row.path == "grid.connection"]
    left = row.margin_w / row.limit_w

    def of_the_connection(share: float) -> list[str]:
        return [line for line in ask("margin-at-meter", found, share=share) if line.startswith("grid.connection")]

    assert of_the_connection(left - 0.001) == []
    (said,) = of_the_connection(left + 0.001)
    assert said.startswith(f"grid.connection: {left:.1%} of the connection is left, {kilowatts(row.margin_w)}\n")
    assert "of IT load\n    fix: a lower cap, fewer nodes, or more power" in said


def test_a_real_site_is_asked_what_a_loss_means(tmp_path: Path) -> None:
    (said,) = ask("survives-a-loss", case(REAL))
    assert "describe feeds and PDUs under `power`" in said
    path = stack(tmp_path, "    network:\n", "    power: {feeds: {A: {}, B: {}}}\n    network:\n", "ems1")
    (said,) = ask("survives-a-loss", case(path))
    assert "it would hold" in said


def test_the_command_asks_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path,
                                   monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))
    monkeypatch.setenv("PULUMI_BACKEND_URL", "https://app.pulumi.com")
    assert main(["policy", "lab", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["policies"]
    assert {name for name, said in found.items() if said["problems"]} == {"host-keys-known", "state-at-home"}
    (tmp_path / "lab/lab").mkdir(parents=True)
    (tmp_path / "lab/lab/known_hosts").write_text(known_hosts(), encoding="utf-8")
    config = tmp_path / "config.json"
    config.write_text('{"state-at-home": "advisory", "survives-a-loss": "disabled", "margin-at-meter": {"share": 0.9}}')
    assert main(["policy", "lab", "--config", str(config)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "state-at-home: advisory" in said
    assert any(
        re.match("  Pulumi.lab.yaml:[0-9]+: grid.connection: .* of the connection is left", line) for line in said
    )
    assert not any(line.startswith("survives") for line in said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ('{"nobody": "mandatory"}', "names of policies are "),
        ('{"margin-at-meter": "loud"}', "the level of margin-at-meter is one of mandatory, advisory, disabled"),
        ('{"margin-at-meter": {"share": 2}}', "has no option share, or not with the value 2"),
        ('{"margin-at-meter": {"shares": 0.1}}', "has no option shares"),
        ('{"state-at-home": {"allowed": "x"}}', "has no option allowed, or not with"),
    ],
)
def test_a_bad_configuration_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str,
                                        said: str) -> None:  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(text)
    assert main(["policy", "lab", "--config", str(path)]) == 1
    assert said in capsys.readouterr().err

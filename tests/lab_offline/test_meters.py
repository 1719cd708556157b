"""The simulated meters: what flows through them follows from what machines draw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gridmill.lab import meters
from gridmill.lab.errors import LabError
from gridmill.lab.layout import SitePaths
from gridmill.lab.metered_load import draw_w, racked_meters, readings
from gridmill.lab.rack import RackedSite, decode, encode, load_rack
from gridmill.load import load_definition
from gridmill.plan import plan_site


@pytest.fixture(scope="module")
def rack(root: Path) -> RackedSite:
    return load_rack(root / "Pulumi.lab.yaml")


def loads(rack: RackedSite) -> dict[str, dict[str, Any]]:
    return {load["host"]: load for load in rack.meters["loads"]}


def test_what_a_machine_draws(rack: RackedSite) -> None:
    gpu, plain = loads(rack)["pod-a-r1-u01"], loads(rack)["pod-a-r1-u40"]
    idle, highest = gpu["gpus_w"]
    assert draw_w(gpu, idle) == 2_000, "as the SKU says of a machine without work"
    assert draw_w(gpu, highest) == 10_200, "the nameplate"
    assert 2_000 < draw_w(gpu, 8 * 300.0) < draw_w(gpu, 8 * 650.0) < 10_200
    assert draw_w(plain, None) == sum(plain["rest_w"]) - plain["rest_w"][1], "without work"


def test_pdus_carry_all_of_it_and_the_main_meter_the_losses_too(rack: RackedSite) -> None:
    draws = [2_000.0, 4_000.0, 300.0, 600.0]
    found = readings(rack.meters, draws)
    pdus = found["pdu-a"].total_w + found["pdu-b"].total_w
    assert pdus == pytest.approx(sum(draws))
    assert found["main"].total_w == pytest.approx(sum(draws) * 1.25)
    assert found["pdu-a"].current_a[0] == pytest.approx(found["pdu-a"].power_w[0] / (230.9 * 0.95))
    assert readings(rack.meters, [0.0] * 4)["main"].total_w == 0


def test_a_machine_counts_on_the_phases_of_its_supplies(rack: RackedSite) -> None:
    hosts = [load["host"] for load in rack.meters["loads"]]
    only = readings(rack.meters, [3_000.0 if host == "pod-a-r1-u40" else 0.0 for host in hosts])
    assert sorted(only["pdu-a"].power_w) == [0, 0, 1_500], "one of its two supplies, on one phase"


def test_the_rack_keeps_its_meters_as_json(rack: RackedSite) -> None:
    again = decode(json.loads(json.dumps(encode(rack))))
    assert again.meters == json.loads(json.dumps(rack.meters))
    old = encode(rack)
    del old["meters"]
    assert decode(old).meters == {}, "a rack of before"


def test_an_address_outside_of_the_lab_is_refused(rack: RackedSite) -> None:
    data = json.loads(json.dumps(encode(rack)))
    data["meters"]["meters"]["main"]["read"]["address"] = "192.0.2.1"
    with pytest.raises(LabError, match=r"meter main: address 192\.0\.2\.1 is no IPv4 address of the supernet"):
        decode(data).check()
    data["meters"]["meters"]["main"]["read"]["address"] = rack.hosts[0].address
    with pytest.raises(LabError, match="already belongs to pod-a-r1-u01"):
        decode(data).check()


def test_real_meters_are_not_simulated(root: Path) -> None:
    definition = load_definition(root / "Pulumi.ems1.yaml")
    plan = plan_site(definition)
    assert racked_meters(definition, plan) == {}


def test_the_secret_is_made_among_the_labs_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))
    paths = SitePaths("lab")
    path = Path(meters._expanded("{state}/lab/lab/secret", paths))
    meters._ensure_secret(path)
    secret = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600 and len(secret.strip()) >= 32
    meters._ensure_secret(path)
    assert path.read_text() == secret, "it stays"
    with pytest.raises(LabError, match="lies outside"):
        meters._expanded(str(tmp_path / "secret"), paths)

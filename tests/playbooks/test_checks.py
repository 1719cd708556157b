"""Each check against recorded outputs, good and bad. No answer is never a pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.checks import dns
from ansible_collections.gridmill.site.plugins.module_utils.checks import machine as machine_checks
from ansible_collections.gridmill.site.plugins.module_utils.checks import network as network_checks
from ansible_collections.gridmill.site.plugins.module_utils.checks.result import summary
from ansible_collections.gridmill.site.plugins.module_utils.checks.verification import HARDWARE, KNOWN, for_host, verify
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import MISSING, Result, run

from gridmill.operations.playbooks import ROLES
from gridmill.operations.run.rollout import FAILED, REASON

RANGE = {"min_w": 200, "max_w": 700, "default_w": 700}
GOOD: list[tuple[dict[str, Any], str]] = [
    ({"check": "nvidia_driver", "version": "550.163.01"}, "smi-driver.csv"),
    ({"check": "gpus", "count": 8, "name_contains": "H100"}, "smi-names.csv"),
    ({"check": "gpu_power_range", **RANGE}, "smi-power.csv"),
    ({"check": "gpu_power_limit", "watts": 500}, "smi-limit.csv"),
    ({"check": "nvlinks", "count": 18}, "smi-nvlink.txt"),
    ({"check": "slurm_node", "name": "t-gpu", "states": ["IDLE"], "gres": "gpu:h100:8"}, "node.txt"),
    ({"check": "slurm_partition", "name": "gpu", "nodes": 1}, "partition.txt"),
    ({"check": "accounting", "cluster": "lab"}, "clusters.txt"),
    ({"check": "service", "name": "slurmd"}, "service.txt"),
]
BAD: list[tuple[dict[str, Any], str, tuple[str, str], str]] = [
    ({"check": "nvidia_driver", "version": "550.163.01"}, "smi-driver.csv", ("550.163.01", "535.1"), "535.1"),
    ({"check": "gpus", "count": 8}, "smi-names.csv", ("7, simulated NVIDIA H100 80GB HBM3\n", ""), "7 x"),
    ({"check": "gpus", "count": 8, "name_contains": "H200"}, "smi-names.csv", ("", ""), "H100"),
    ({"check": "gpus", "count": 8}, "smi-names.csv", ("0, sim", "No devices were found\n0, sim"), "unexpected answer"),
    ({"check": "gpu_power_range", **RANGE}, "smi-power.csv", ("200.00, 700.00", "200.00, 650.00"), "200.00-650.00 W"),
    ({"check": "gpu_power_range", **RANGE}, "smi-power.csv", ("200.00", "[N/A]"), "[N/A]"),
    ({"check": "gpu_power_range", **RANGE}, "smi-power.csv", ("0, 200.00", "0, 100.00"), "GPU 0: 100.00-700.00 W"),
    ({"check": "gpu_power_range", **RANGE, "default_w": 600}, "smi-power.csv", ("", ""), "default 700.00 W"),
    ({"check": "gpu_power_limit", "watts": 500}, "smi-limit.csv", ("3, 500.00", "3, 600.00"), "GPU 3: 600.00 W"),
    ({"check": "gpu_power_limit", "watts": 500}, "smi-limit.csv", ("3, 500.00", "3, [N/A]"), "GPU 3: [N/A] W"),
    ({"check": "nvlinks", "count": 18}, "smi-nvlink.txt", ("Link 5: 26.562 GB/s", "Link 5: <inactive>"), "GPU 0: 17"),
    ({"check": "slurm_node", "name": "t-gpu", "states": ["IDLE"]}, "node.txt", ("=IDLE", "=IDLE+DRAIN"), "IDLE+DRAIN"),
    ({"check": "slurm_node", "name": "t-gpu", "states": ["IDLE"]}, "node.txt", ("=IDLE", "=IDLE*"), "IDLE*"),
    ({"check": "slurm_node", "name": "t-gpu", "gres": "gpu:h100:8"}, "node.txt", ("h100:8", "h100:7"), "gpu:h100:7"),
    ({"check": "slurm_partition", "name": "gpu"}, "partition.txt", ("State=UP", "State=DOWN"), "DOWN"),
    ({"check": "slurm_partition", "name": "gpu", "nodes": 2}, "partition.txt", ("", ""), "1 nodes"),
    ({"check": "accounting", "cluster": "lab"}, "clusters.txt", ("198.19.5.10|6817", "|0"), "without a controller"),
    ({"check": "accounting", "cluster": "other"}, "clusters.txt", ("", ""), "clusters: lab"),
    ({"check": "service", "name": "slurmd"}, "service.txt", ("=active", "=failed"), "failed"),
    ({"check": "service", "name": "slurmd"}, "service.txt", ("=enabled", "=disabled"), "disabled"),
    ({"check": "service", "name": "slurmd"}, "service.txt", ("=loaded", "=not-found"), "not installed"),
]


def answering(output: str, status: int = 0, error: str = "") -> Callable[[list[str]], Result]:
    return lambda argv: Result(status, output, error)


@pytest.mark.parametrize(("wanted", "file"), GOOD, ids=lambda value: str(value)[:40])
def test_recorded_good_output_passes(wanted: dict[str, Any], file: str, recorded: dict[str, str]) -> None:
    assert summary(verify([wanted], answering(recorded[file]))) == ""


@pytest.mark.parametrize(("wanted", "file", "edit", "found"), BAD, ids=lambda value: str(value)[:40])
def test_bad_output_fails_and_says_what(
    wanted: dict[str, Any], file: str, edit: tuple[str, str], found: str, recorded: dict[str, str]
) -> None:
    text = recorded[file].replace(*edit, 1) if edit[0] else recorded[file]
    (check,) = verify([wanted], answering(text))
    assert not check["ok"]
    assert found in check["found"]
    assert check["hint"]


@pytest.mark.parametrize(("wanted", "file"), GOOD, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize(
    "answer",
    [answering("", MISSING, "nvidia-smi is not installed"), answering("", 0), answering("", 9, "driver not loaded")],
    ids=["missing", "silent", "failing"],
)
def test_a_tool_without_an_answer_fails(
    wanted: dict[str, Any], file: str, answer: Callable[[list[str]], Result]
) -> None:
    (check,) = verify([wanted], answer)
    assert not check["ok"]


@pytest.mark.parametrize(
    ("state", "ok"),
    [
        ("IDLE+PLANNED", True),
        ("ALLOCATED+COMPLETING", True),
        ("MIXED+COMPLETING", True),
        ("IDLE+COMPLETING", True),
        ("MIXED+PLANNED", True),
        ("IDLE+DRAIN+COMPLETING", False),
        ("MIXED+DRAIN", False),
        ("IDLE+POWERED_DOWN", False),
        ("IDLE*+COMPLETING", False),
        ("DOWN+COMPLETING", False),
        ("PLANNED", False),
    ],
)
def test_a_node_at_work_is_well(state: str, ok: bool, recorded: dict[str, str]) -> None:
    text = recorded["node.txt"].replace("State=IDLE", f"State={state}").rstrip("\n") + " Reason=broken fan\n"
    (check,) = verify([{"check": "slurm_node", "name": "t-gpu"}], answering(text))
    assert check["ok"] is ok
    assert state in check["found"] and "broken fan" in check["found"]


@pytest.mark.parametrize(
    ("state", "reason", "ok"),
    [
        ("IDLE+DRAIN", REASON, True),
        ("MIXED+DRAIN", FAILED, True),
        ("IDLE+DRAIN", "not " + REASON, False),
        ("DOWN+DRAIN", REASON, False),
        ("IDLE+DRAIN+NOT_RESPONDING", REASON, False),
    ],
)
def test_a_node_that_a_rollout_holds_can_be_well(state: str, reason: str, ok: bool, recorded: dict[str, str]) -> None:
    """Else nothing that was drained to be changed would ever be found well, and resumed."""
    text = recorded["node.txt"].replace("State=IDLE", f"State={state}").rstrip("\n")
    (check,) = verify([{"check": "slurm_node", "name": "t-gpu"}], answering(f"{text} Reason={reason} [root@now]\n"))
    assert check["ok"] is ok


def test_a_failing_tool_with_good_looking_output_fails(recorded: dict[str, str]) -> None:
    for wanted, file in GOOD:
        (check,) = verify([wanted], answering(recorded[file], status=6, error="Unknown error"))
        assert not check["ok"], wanted


def test_a_program_that_is_missing_or_hangs_is_a_result() -> None:
    assert run(["no-such-program-anywhere"]).status == MISSING
    slow = run(["sleep", "5"], timeout=0.05)
    assert not slow.ok and "no answer" in slow.complaint()


def test_all_problems_come_at_once_and_none_stops_the_rest() -> None:
    wanted = [
        {"check": "gpus"},
        {"check": "unheard of"},
        {"check": "gpus", "count": "many"},
        {"check": "hostname", "expected": "x"},
    ]
    checks = verify(wanted, answering("x\n"))
    assert [check["ok"] for check in checks] == [False, False, False, True]
    assert "'count'" in checks[0]["expected"] and "known:" in checks[1]["hint"]
    assert summary(checks).count("expected") == 3


def test_what_settles_is_asked_again_and_the_wait_is_bounded(recorded: dict[str, str]) -> None:
    wanted = {"check": "slurm_node", "name": "t-gpu", "states": ["IDLE"]}
    outputs = [recorded["node.txt"].replace("=IDLE", "=DOWN*"), recorded["node.txt"]]
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    (check,) = verify([wanted], lambda argv: Result(0, outputs.pop(0)), wait=5, sleep=sleep, clock=lambda: now[0])
    assert check["ok"] and now[0] == 1.0
    (check,) = verify([wanted], answering(""), wait=5, sleep=sleep, clock=lambda: now[0])
    assert not check["ok"] and now[0] == 6.0
    verify([{"check": "gpus", "count": 8}], answering(""), wait=5, sleep=sleep, clock=lambda: now[0])
    assert now[0] == 6.0, "hardware does not settle"


def test_package_versions() -> None:
    wanted = {"check": "package", "name": "mariadb-server", "version_prefix": "11.8"}
    for output, ok in (
        ("installed 1:11.8.6-0", True),
        ("installed 1:10.11", False),
        ("config-files 1:11.8.6", False),
        ("", False),
    ):
        assert verify([wanted], answering(output))[0]["ok"] is ok


def test_names_are_asked_of_every_server_in_both_directions() -> None:
    wanted = {"name": "a.test", "addresses": ["198.18.0.9", "2001:2::9"], "servers": ["s1", "s2"]}
    known = {dns.TYPE_A: ["198.18.0.9"], dns.TYPE_AAAA: ["2001:2::9"], dns.TYPE_PTR: ["a.test"]}

    def ask(server: str, name: str, kind: int) -> list[str]:
        if server == "s2" and kind == dns.TYPE_PTR:
            raise dns.NoAnswerError("no such name")
        return known[kind]

    check = network_checks.resolves(wanted, run, ask)
    assert not check["ok"] and check["found"] == "s2: no such name; s2: no such name"
    assert network_checks.resolves({**wanted, "servers": ["s1"]}, run, ask)["ok"]
    for other in (["198.18.0.8"], ["198.18.0.9", "2001:2::8"]):
        assert not network_checks.resolves({**wanted, "addresses": other, "servers": ["s1"]}, run, ask)["ok"]


def test_addresses_are_those_of_interfaces() -> None:
    links = [
        {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "scope": "host"}]},
        {"ifname": "host0", "addr_info": [{"local": "198.18.4.65", "scope": "global"}, {"local": "fe80::1"}]},
    ]
    (check,) = verify([{"check": "addresses", "addresses": ["198.18.4.65"]}], answering(json.dumps(links)))
    assert check["ok"]
    (check,) = verify([{"check": "addresses", "addresses": ["198.18.4.65", "2001:2::1"]}], answering(json.dumps(links)))
    assert not check["ok"] and check["found"] == "198.18.4.65" and "addresses.md" in check["hint"]
    assert not verify([{"check": "addresses", "addresses": ["198.18.4.65"]}], answering("", 1, "no ip"))[0]["ok"]
    assert not verify([{"check": "addresses", "addresses": ["127.0.0.1"]}], answering(json.dumps(links)))[0]["ok"]


FOLLOWS = "C6130468,198.19.4.104,11,1795314000.1,-0.000012,0.000001,0.000002,-1.2,0.0,0.1,0.0002,0.0001,64.3,Normal"
ALONE = "7F7F0101,,10,1795314000.1,0.000000000,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Normal"


@pytest.mark.parametrize(
    ("output", "own", "ok", "found"),
    [
        (FOLLOWS, False, True, "198.19.4.104, stratum 11, 0.000012 s off"),
        (FOLLOWS, True, False, "198.19.4.104, stratum 11"),
        (FOLLOWS.replace("-0.000012", "0.2"), False, False, "0.200000 s off"),
        (FOLLOWS.replace("-0.000012", "nan"), False, False, "nan s off"),
        (ALONE, True, True, "its own clock, stratum 10"),
        (ALONE, False, False, "its own clock"),
        (ALONE.replace("Normal", "Not synchronised"), True, False, "not synchronised"),
        ("506 Cannot talk to daemon", False, False, "not synchronised"),
    ],
)
def test_a_clock_follows_what_the_plan_says(output: str, own: bool, ok: bool, found: str) -> None:
    wanted = {"check": "clock", "own": own, "largest_offset_s": 0.1}
    (check,) = verify([wanted], answering(output))
    assert check["ok"] is ok and found in check["found"]
    assert not verify([wanted], answering("", MISSING, "chronyc is not installed"))[0]["ok"]


def test_dns_packets() -> None:
    packet = dns.question(7, "a.test", dns.TYPE_A)
    record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc6\x12\x00\x09"
    reply = packet[:2] + b"\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00" + packet[12:] + record
    assert dns.answers(reply, 7, dns.TYPE_A) == ["198.18.0.9"]
    record6 = b"\xc0\x0c\x00\x1c\x00\x01\x00\x00\x00\x3c\x00\x10" + bytes.fromhex("20010002" + "0" * 23 + "9")
    reply6 = packet[:2] + b"\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00" + packet[12:] + record6
    assert dns.answers(reply6, 7, dns.TYPE_AAAA) == ["2001:2::9"]
    with pytest.raises(dns.NoAnswerError):
        dns.answers(reply6, 7, dns.TYPE_A)
    missing = packet[:2] + b"\x85\x83" + packet[4:]
    for broken in (reply[:-3], missing, b"\0\0" + reply[2:], packet[:2] + b"\x85\x80" + packet[4:]):
        with pytest.raises(dns.NoAnswerError):
            dns.answers(broken[:12] if broken == reply[:-3] else broken, 7, dns.TYPE_A)
    assert dns.reverse_name("198.18.0.9") == "9.0.18.198.in-addr.arpa"


def test_another_power_range_names_the_file_to_mend(recorded: dict[str, str]) -> None:
    entry = "gridmill/catalog/gpus/h100-nvl.yaml"
    wanted = {"check": "gpu_power_range", **RANGE, "max_w": 400, "default_w": 400, "entry": entry}
    told = verify([wanted], answering(recorded["smi-power.csv"]))[0]
    assert not told["ok"]
    assert told["expected"] == "200-400 W, default 400 W"
    assert entry in told["hint"]


def test_private_files(tmp_path: Any) -> None:
    key = tmp_path / "key"
    key.write_text("secret")
    for mode, ok in ((0o600, True), (0o400, True), (0o640, False), (0o604, False)):
        key.chmod(mode)
        assert verify([{"check": "private_file", "path": str(key)}], run)[0]["ok"] is ok
    assert not verify([{"check": "private_file", "path": str(tmp_path / "none")}], run)[0]["ok"]


def test_every_check_is_described() -> None:
    text = (ROLES / "verify/README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in text for name in KNOWN)
    assert set(HARDWARE) == {"machine", "nvidia_driver", "gpus", "gpu_power_range", "gpu_power_limit", "nvlinks"}


@pytest.mark.parametrize(
    ("serial", "mac", "ok"),
    [
        ("", "", True),
        ("sn-7", "", True),
        ("", "02:00:00:00:00:01", True),
        ("SN-7", "02:00:00:00:00:02", True),
        ("SN-8", "", False),
        ("SN-7", "02:00:00:00:00:03", False),
    ],
)
def test_which_machine_this_is(serial: str, mac: str, ok: bool, tmp_path: Path) -> None:
    """A bond hides its members' addresses; what they were made with counts."""
    (tmp_path / "serial").write_text("SN-7\n", encoding="utf-8")
    told = {"lo/address": "00:00:00:00:00:00", "eth0/address": "02:00:00:00:00:01"}
    told |= {"eth1/address": "02:00:00:00:00:01", "eth1/bonding_slave/perm_hwaddr": "02:00:00:00:00:02"}
    for name, text in told.items():
        (tmp_path / "net" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "net" / name).write_text(text + "\n", encoding="utf-8")
    wanted = {"serial_file": str(tmp_path / "serial"), "serial": serial, "mac": mac}
    found = machine_checks.machine(wanted, run, tmp_path / "net")
    assert found["ok"] is ok
    assert found["found"] == "serial SN-7, MAC 02:00:00:00:00:01 02:00:00:00:00:02"


def test_a_machine_that_tells_no_serial_number_is_not_the_one(tmp_path: Path) -> None:
    wanted = {"serial_file": str(tmp_path / "none"), "serial": "SN-7"}
    assert machine_checks.machine(wanted, run, tmp_path)["ok"] is False


def test_each_machine_is_checked_for_its_own_serial_number() -> None:
    identity = {"serial": "SN-7", "mac": ""}
    (wanted,) = for_host([{"check": "machine", "serial_file": "/x"}], "n1", "example.net", ["192.0.2.1"], identity)
    assert wanted == {"check": "machine", "serial_file": "/x", "serial": "SN-7", "mac": ""}


TOOLKIT = {"check": "toolkit", "path": "/usr/local/cuda-12.8", "target": "/shared/software/cuda/12.8", "answers": True}
NVCC = "nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 12.8, V12.8.93\n"


@pytest.mark.parametrize(
    ("link", "there", "said", "ok", "found"),
    [
        (Result(0, "/shared/software/cuda/12.8\n"), 0, Result(0, NVCC), True, "a link to /shared"),
        (Result(1, ""), 0, Result(0, NVCC), True, "somebody else's own directory, which answers"),
        (Result(0, "/other/12.8\n"), 0, Result(0, NVCC), False, "a link to /other/12.8"),
        (Result(0, "/shared/software/cuda/12.8\n"), 1, Result(0, NVCC), False, "no /usr/local/cuda-12.8/bin/nvcc"),
        (Result(0, "/shared/software/cuda/12.8\n"), 0, Result(0, NVCC.replace("12.8", "12.80")), False, "says"),
        (Result(0, "/shared/software/cuda/12.8\n"), 0, Result(MISSING, "", "not installed"), False, "not installed"),
        (Result(MISSING, "", "no readlink"), 0, Result(0, NVCC), False, ""),
    ],
)
def test_a_toolkit_on_a_volume(link: Result, there: int, said: Result, ok: bool, found: str) -> None:
    def answer(argv: list[str]) -> Result:
        return {"readlink": link, "test": Result(there, "")}.get(argv[0], said)

    [check] = verify([TOOLKIT], answer)
    assert check["ok"] is ok and found in check["found"] and bool(check["hint"]) is not ok
    [check] = verify([{**TOOLKIT, "answers": False}], answer)
    assert check["ok"] is (not there and link.output != "/other/12.8\n" and link.status != MISSING)

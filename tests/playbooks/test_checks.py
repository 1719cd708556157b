"""Each check against recorded outputs, good and bad. No answer is never a pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.gridmill_node import dns, system_checks
from ansible.module_utils.gridmill_node.checks import summary
from ansible.module_utils.gridmill_node.commands import MISSING, Result, run
from ansible.module_utils.gridmill_node.verification import HARDWARE, KNOWN, verify

GOOD: list[tuple[dict[str, Any], str]] = [
    ({"check": "nvidia_driver", "version": "550.163.01"}, "smi-driver.csv"),
    ({"check": "gpus", "count": 8, "name_contains": "H100"}, "smi-names.csv"),
    ({"check": "gpu_power_range", "min_w": 200, "max_w": 700}, "smi-power.csv"),
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
    ({"check": "gpu_power_range", "min_w": 200, "max_w": 700}, "smi-power.csv", ("700.00", "650.00"), "650.00 W"),
    ({"check": "gpu_power_range", "min_w": 200, "max_w": 700}, "smi-power.csv", ("200.00", "[N/A]"), "[N/A]"),
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
    wanted = {"name": "a.test", "address": "198.18.0.9", "servers": ["s1", "s2"]}

    def ask(server: str, name: str, kind: int) -> list[str]:
        if server == "s2" and kind == dns.TYPE_PTR:
            raise dns.NoAnswerError("no such name")
        return ["198.18.0.9"] if kind == dns.TYPE_A else ["a.test"]

    check = system_checks.resolves(wanted, run, ask)
    assert not check["ok"] and check["found"] == "s2: no such name"
    assert system_checks.resolves({**wanted, "servers": ["s1"]}, run, ask)["ok"]
    assert not system_checks.resolves({**wanted, "address": "198.18.0.8", "servers": ["s1"]}, run, ask)["ok"]


def test_dns_packets() -> None:
    packet = dns.question(7, "a.test", dns.TYPE_A)
    record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc6\x12\x00\x09"
    reply = packet[:2] + b"\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00" + packet[12:] + record
    assert dns.answers(reply, 7, dns.TYPE_A) == ["198.18.0.9"]
    missing = packet[:2] + b"\x85\x83" + packet[4:]
    for broken in (reply[:-3], missing, b"\0\0" + reply[2:], packet[:2] + b"\x85\x80" + packet[4:]):
        with pytest.raises(dns.NoAnswerError):
            dns.answers(broken[:12] if broken == reply[:-3] else broken, 7, dns.TYPE_A)
    assert dns.reverse_name("198.18.0.9") == "9.0.18.198.in-addr.arpa"


def test_private_files(tmp_path: Any) -> None:
    key = tmp_path / "key"
    key.write_text("secret")
    for mode, ok in ((0o600, True), (0o400, True), (0o640, False), (0o604, False)):
        key.chmod(mode)
        assert verify([{"check": "private_file", "path": str(key)}], run)[0]["ok"] is ok
    assert not verify([{"check": "private_file", "path": str(tmp_path / "none")}], run)[0]["ok"]


def test_every_check_is_described(playbooks: Any) -> None:
    text = (playbooks / "roles/verify/README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in text for name in KNOWN)
    assert set(HARDWARE) == {"nvidia_driver", "gpus", "gpu_power_range", "nvlinks"}

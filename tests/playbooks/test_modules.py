"""What the modules decide: packages, Slurm's configuration, acceptance."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.checks import acceptance
from ansible_collections.gridmill.site.plugins.module_utils.checks.nvidia import limits_apart
from ansible_collections.gridmill.site.plugins.module_utils.checks.slurm import (
    OUT_REASON,
    nodes_to_leave_down,
    nodes_to_take_out,
    parse_fields,
)
from ansible_collections.gridmill.site.plugins.module_utils.packages import apt as packages
from ansible_collections.gridmill.site.plugins.module_utils.slurm import config as slurm_config
from ansible_collections.gridmill.site.plugins.module_utils.slurm import hostlist

JOB = acceptance.Job("two gpus", "gpu", "gpu:h100:2", "tests", "tests", "true")


def test_offered_versions_are_read_best_first(recorded: dict[str, str]) -> None:
    offered = packages.parse_offered(recorded["madison.txt"])
    assert offered == {
        "mariadb-server": ["1:11.8.6-0+deb13u1"],
        "slurmctld": ["24.11.5-4"],
        "nvidia-smi": ["550.163.01-2"],
    }


@pytest.mark.parametrize(
    ("version", "pattern", "fits"),
    [("24.11.5-4", "24.11*", True), ("1:11.8.6-0", "11.8*", True), ("24.05.1", "24.11*", False), ("1.0", "", True)],
)
def test_version_patterns(version: str, pattern: str, fits: bool) -> None:
    assert packages.matches(version, pattern) is fits


def test_what_is_missing_is_chosen_exactly_and_what_is_not_offered_says_what_is() -> None:
    wanted = {"nvidia-smi": "550.163.01*", "libnccl2": "2.22.3*", "sudo": "", "none": "1*"}
    have = {"sudo": "1.9", "libnccl2": "2.21.5-1"}
    offered = {"nvidia-smi": ["535.1-1"], "libnccl2": ["2.26.2-1", "2.22.3-1-1"]}
    install, problems = packages.choose(wanted, have, offered)
    assert install == ["libnccl2=2.22.3-1-1"]
    assert problems == ["nvidia-smi 550.163.01*: apt offers 535.1-1", "none 1*: apt offers none"]


def test_only_installed_packages_count() -> None:
    text = "sudo\tinstalled\t1.9\ngone\tconfig-files\t1.0\nhalf\thalf-configured\t1.0\n"
    assert packages.parse_installed(text) == {"sudo": "1.9"}


def test_what_an_interrupted_installation_left_is_seen() -> None:
    text = "sudo\tinstalled\t1.9\ngone\tconfig-files\t1.0\nhalf\thalf-configured\t1.0\nnew\tunpacked\t2\n"
    assert packages.interrupted(text) == ["half", "new"]
    said = "dpkg: error: dpkg frontend lock was locked by another process with pid 7"
    assert packages.LOCKED.search(said) and not packages.LOCKED.search("dpkg: error processing package x (--configure)")


def test_simulation_reads_as_a_difference(recorded: dict[str, str]) -> None:
    assert packages.simulated(recorded["simulate.txt"]) == "+slurmctld 24.11.5-4\n"
    text = "Inst a [1.0] (2.0 Debian:13 [amd64])\nRemv b [1.0]\nConf a (2.0 Debian:13 [amd64])\n"
    assert packages.simulated(text) == "-b\n~a 1.0 -> 2.0\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a", ["a"]),
        ("a-u[01-03,09],b", ["a-u01", "a-u02", "a-u03", "a-u09", "b"]),
        ("r[1-2]u[08-09]", ["r1u08", "r1u09", "r2u08", "r2u09"]),
    ],
)
def test_host_lists(text: str, names: list[str]) -> None:
    assert hostlist.expand(text) == names


@pytest.mark.parametrize("text", ["a[1", "a]1", "a[[1]]", "a[x-y]"])
def test_what_is_no_host_list(text: str) -> None:
    with pytest.raises(ValueError, match="host list"):
        hostlist.expand(text)


CONFIGURATION = """# Written by Gridmill.
ClusterName=lab
SlurmctldHost=ctl(198.18.0.2)
SlurmctldPort=6817
AccountingStorageEnforce=associations
SlurmctldLogFile=/var/log/slurm/slurmctld.log
StateSaveLocation=/var/lib/slurm/slurmctld
NodeName=n[01-02] CPUs=2
PartitionName=gpu Nodes=n[01-02]
"""


def test_a_preview_tells_old_and_new_values_of_a_partition() -> None:
    after = CONFIGURATION.replace("CPUs=2", "CPUs=4").replace(
        "gpu Nodes=n[01-02]", "gpu Nodes=n[01-02] MaxTime=4:00:00"
    )
    assert slurm_config.setting_changes(CONFIGURATION, after) == ["partition gpu: MaxTime not set -> 4:00:00"]
    later = after.replace("MaxTime=4:00:00", "MaxTime=8:00:00").replace("6817", "7000") + "PartitionName=x Nodes=n01\n"
    assert slurm_config.setting_changes(after, later) == [
        "SlurmctldPort 6817 -> 7000",
        "partition gpu: MaxTime 4:00:00 -> 8:00:00",
        "partition x added",
    ]
    assert slurm_config.setting_changes(later, after)[-1] == "partition x removed"
    assert slurm_config.setting_changes("", after) == []


def test_only_what_a_running_controller_cannot_take_over_needs_a_stop() -> None:
    assert slurm_config.stop_needed(CONFIGURATION, CONFIGURATION.replace("CPUs=2", "CPUs=4")) == []
    changed = CONFIGURATION.replace("6817", "7000") + "AuthType=auth/slurm\n"
    assert slurm_config.stop_needed(CONFIGURATION, changed) == ["AuthType", "SlurmctldPort"]


def test_a_trial_touches_nothing_real() -> None:
    text = slurm_config.trial(CONFIGURATION, "/tmp/x/state")
    assert "AccountingStorage" not in text and "LogFile" not in text and "/var/lib/slurm" not in text
    assert "StateSaveLocation=/tmp/x/state" in text and "NodeName=n[01-02] CPUs=2" in text
    hosts = slurm_config.trial_hosts(CONFIGURATION, "ctl")
    assert [line.split()[1] for line in hosts.splitlines()] == ["localhost", "ctl", "n01", "n02"]


def test_a_refusal_is_told_without_the_noise() -> None:
    log = [
        "slurmctld: error: Could not open job state file /tmp/job_state: No such file or directory",
        'slurmctld: error: _find_node_record: lookup failure for node "nope"',
        "slurmctld: fatal: Invalid node names in partition x",
    ]
    assert slurm_config.complaints(log) == [
        'error: _find_node_record: lookup failure for node "nope"',
        "fatal: Invalid node names in partition x",
    ]
    assert slurm_config.complaints(["unshare: unshare failed: Operation not permitted"])


def test_nodes_are_taken_out_once() -> None:
    text = (
        f"NodeName=n1 State=IDLE Reason=a b\nNodeName=n2 State=IDLE+DRAIN Reason={OUT_REASON} [root@2026-11-22T00:50:57]\n"
        f"NodeName=n3 State=MIXED+DRAIN Reason=broken fan\nNodeName=n4 State=DOWN* Reason={OUT_REASON}\n"
        f"NodeName=n5 State=IDLE Reason={OUT_REASON}\n"
    )
    every = ["n5", "n4", "n3", "n2", "n1", "n9"]
    assert nodes_to_take_out(every, text) == ["n5", "n3", "n1"]
    assert nodes_to_leave_down(every, text) == ["n2"]


def test_fields_with_blanks(recorded: dict[str, str]) -> None:
    fields = parse_fields(recorded["node.txt"])
    assert fields["OS"].startswith("Linux 6") and fields["State"] == "IDLE" and fields["Gres"] == "gpu:h100:8(S:0-1)"


@pytest.mark.parametrize(
    ("gres", "count"), [("gpu:2", 2), ("gpu:h100:8", 8), ("gpu", 1), ("gpu:h100", 1), ("shard:4", 0)]
)
def test_gpus_asked_for(gres: str, count: int) -> None:
    assert replace(JOB, gres=gres).gpus == count


def test_a_job_is_submitted_as_its_user_without_a_shell() -> None:
    argv = acceptance.as_user(JOB.user, acceptance.submission(JOB, minutes=6))
    assert argv[:5] == ["runuser", "--user", "tests", "--", "sbatch"]
    assert {"--gres=gpu:h100:2", "--account=tests", "--output=/dev/null"} <= set(argv)


def run_script(job: acceptance.Job, command: str) -> int:
    script = acceptance.script(replace(job, command=command)).replace("sleep 2", "sleep 0")
    return subprocess.run(["sh"], input=script, text=True, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("file", "lines", "status"),
    [
        ("smi-list.txt", 2, 0),
        ("smi-names.csv", 2, 0),
        ("smi-list.txt", 1, 101),
        ("smi-names.csv", 8, 108),
        ("smi-nvlink.txt", 0, 100),
    ],
)
def test_a_job_counts_its_gpus_itself(file: str, lines: int, status: int, tmp_path: Path) -> None:
    listing = tmp_path / "listing"
    text = (Path(__file__).parent / "fixtures" / file).read_text(encoding="utf-8")
    listing.write_text("".join(text.splitlines(keepends=True)[:lines]), encoding="utf-8")
    assert run_script(JOB, f"cat {listing}") == status


def test_a_job_whose_command_fails_does_not_complete() -> None:
    assert run_script(JOB, "no-such-program-anywhere") == 127
    assert run_script(replace(JOB, gres="gpu:8"), "printf 'GPU %s: x\\n' 0 1 2 3 4 5 6 7; exit 9") == 9


def test_a_good_job_passes(recorded: dict[str, str]) -> None:
    record = acceptance.parse_record(recorded["sacct.txt"])
    assert acceptance.over(record)
    assert all(check["ok"] for check in acceptance.checks_of(replace(JOB, account="acceptance"), "1", record))


@pytest.mark.parametrize(
    ("changes", "failing", "found"),
    [
        ([("COMPLETED", "FAILED"), ("0:0", "101:0")], ["state", "GPUs"], "1"),
        ([("COMPLETED", "FAILED"), ("0:0", "127:0")], ["state", "GPUs"], "none counted"),
        ([("COMPLETED", "TIMEOUT")], ["state", "GPUs"], "none counted"),
        ([("gres/gpu=2", "gres/gpu=1")], ["accounting"], "gres/gpu=1"),
        ([("gres/gpu=2,", "")], ["accounting"], "gres/gpu=none"),
        ([("|3|", "|0|")], ["accounting"], "0 s"),
        ([("|acceptance|acceptance|", "|other|acceptance|")], ["accounting"], "account other"),
    ],
)
def test_a_job_that_is_not_right_fails(
    changes: list[tuple[str, str]], failing: list[str], found: str, recorded: dict[str, str]
) -> None:
    text = recorded["sacct.txt"]
    for change in changes:
        assert change[0] in text
        text = text.replace(*change, 1)
    checks = acceptance.checks_of(replace(JOB, account="acceptance"), "1", acceptance.parse_record(text))
    bad = [check for check in checks if not check["ok"]]
    assert [check["check"].split()[-1] for check in bad] == failing
    assert found in bad[-1]["found"]


@pytest.mark.parametrize(
    ("queue", "running", "full"),
    [
        ("PENDING|Resources\n", 3, True),
        ("PENDING|Priority", 1, True),
        ("PENDING|QOSMaxGRESPerUser", 1, True),
        ("PENDING|AssocGrpGRES", 1, True),
        ("PENDING|Resources", 0, False),
        ("PENDING|ReqNodeNotAvail, UnavailableNodes:n1", 3, False),
        ("PENDING|Nodes required for job are DOWN, DRAINED or reserved", 3, False),
        ("PENDING|PartitionDown", 3, False),
        ("RUNNING|None", 3, False),
        ("", 3, False),
    ],
)
def test_a_full_cluster_is_told_from_a_broken_one(queue: str, running: int, full: bool) -> None:
    check = acceptance.unfinished(JOB, "7", queue, running)
    assert not check["ok"] and "cancelled" in check["found"]
    assert ("the cluster is full" in check["hint"]) is full


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", ""])
def test_a_job_under_way_is_not_over(state: str) -> None:
    assert not acceptance.over({"State": state})


def test_an_ended_job_is_over() -> None:
    for state in ("COMPLETED", "FAILED", "CANCELLED by 0", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"):
        assert acceptance.over({"State": state})


def test_only_gpus_with_another_limit_are_set() -> None:
    rows = [["0", "500.00", "700.00"], ["1", "700.00", "700.00"], ["2", "[N/A]", "[N/A]"]]
    assert limits_apart(rows, 500) == {"1": "500", "2": "500"}
    assert limits_apart(rows[:2], 0) == {"0": "700.00"}, "without a limit of the plan the default is the wanted one"

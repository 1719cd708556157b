"""Preflight: what a machine says, and what of it is wrong."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from gridmill.features.ldap_client.plan import LdapPlan
from gridmill.kernel.site_plan import HostPlan, SitePlan
from gridmill.operations.inspect import directory_probe
from gridmill.operations.inspect.preflight import (
    PROBE,
    Found,
    answer,
    findings_of,
    preflight,
    preflight_data,
    preflight_table,
)

SIX = " ".join(f"200100020000000100000000000100{unit}" for unit in ("01", "09", "17", "38", "40"))
GOOD = {"os": "debian-13", "python3": "/usr/bin/python3", "sudo": "yes", "disk_mib": "50000", "gpus": "8", "inet6": SIX}


def test_a_good_site_has_no_findings(lab_plan: SitePlan) -> None:
    findings = preflight(lab_plan, lambda host: Found(GOOD))
    assert findings == []
    assert preflight_table(lab_plan, findings) == "lab: 4 machines meet the requirements"


@pytest.mark.parametrize(
    ("fact", "value", "what", "found"),
    [
        ("os", "debian-12", "operating system", "debian-12"),
        ("python3", "", "python3", "missing"),
        ("sudo", "no", "sudo", "refused"),
        ("disk_mib", "900", "free space below /var", "900 MiB"),
        ("disk_mib", "", "free space below /var", "? MiB"),
        ("gpus", "7", "GPUs", "7"),
        ("gpus", "", "GPUs", ""),
        ("directory", "ldap1: certificate verify failed", "directory", "ldap1: certificate verify failed"),
    ],
)
def test_each_fault_is_named(fact: str, value: str, what: str, found: str, lab_plan: SitePlan) -> None:
    findings = list(findings_of(gpu_node(lab_plan), Found({**GOOD, fact: value}), "debian-13"))
    assert [(item.host, item.what, item.found) for item in findings] == [("pod-a-r1-u01", what, found)]


def test_silence_is_no_pass(lab_plan: SitePlan) -> None:
    assert len(list(findings_of(gpu_node(lab_plan), Found({}), "debian-13"))) == 6


def test_a_clock_that_is_off(lab_plan: SitePlan) -> None:
    assert answer("clock=1000\n", 999.0, 1003.0).skew_s == 0
    off = answer("clock=1400\n", 1000.0, 1001.0)
    (finding,) = findings_of(gpu_node(lab_plan), Found(GOOD, "", off.skew_s), "debian-13")
    assert (finding.what, finding.found) == ("clock", "+400 s")
    assert answer("", 0.0, 1.0).skew_s == float("inf")


@pytest.mark.parametrize(
    ("complaint", "fix"),
    [
        ("Host key verification failed.", "its key is not the one in known_hosts"),
        ("gridmill@198.18.4.65: Permission denied (publickey).", "put the public key of identityFile"),
        ("ssh: connect to host 198.18.4.65 port 22: No route to host", "is it on, cabled"),
    ],
)
def test_a_machine_that_cannot_be_reached(complaint: str, fix: str, lab_plan: SitePlan) -> None:
    (finding,) = findings_of(gpu_node(lab_plan), Found({}, complaint), "debian-13")
    assert finding.found == complaint
    assert finding.fix.startswith(fix)


def test_all_machines_are_named_at_once(lab_plan: SitePlan) -> None:
    findings = preflight(lab_plan, lambda host: Found({}, "No route to host"))
    assert [item.host for item in findings] == [host.name for host in lab_plan.hosts]
    assert "4 of 4 machines do not meet" in preflight_table(lab_plan, findings)
    assert preflight_data(lab_plan, findings)["ok"] is False


def test_the_probe_runs_in_a_plain_shell(tmp_path: Path) -> None:
    serial = tmp_path / "serial"
    serial.write_text("SN-7\n", encoding="utf-8")
    done = subprocess.run(["sh", "-s", "--", str(serial)], input=PROBE, capture_output=True, text=True, check=True)
    facts = answer(done.stdout, 0, 0).facts
    assert set(facts) == {"os", "python3", "sudo", "clock", "disk_mib", "gpus", "serial", "macs", "inet6"}
    assert facts["serial"] == "SN-7" or facts["sudo"] == "no"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("fact", "value", "what"),
    [
        ("serial", "SN-8", "serial number"),
        ("serial", "", "serial number"),
        ("macs", "02:00:00:00:00:02", "MAC address"),
    ],
)
def test_another_machine_in_the_slot(fact: str, value: str, what: str, lab_plan: SitePlan) -> None:
    node = replace(gpu_node(lab_plan), serial="sn-7", mac="02:00:00:00:00:01")
    facts = {**GOOD, "serial": "SN-7", "macs": "00:00:00:00:00:00 02:00:00:00:00:01"}
    assert list(findings_of(node, Found(facts), "debian-13")) == []
    (finding,) = findings_of(node, Found({**facts, fact: value}), "debian-13")
    assert finding.what == what


def test_maintenance_and_planned_pods_are_not_asked(lab_plan: SitePlan) -> None:
    (pod,) = lab_plan.pods
    away = replace(pod.hosts[0], maintenance="fan, ticket 7")
    planned = replace(pod, key="pod-b", planned_from="2027-04-01", hosts=(replace(pod.hosts[0], name="pod-b-r1-u01"),))
    plan = replace(lab_plan, pods=(replace(pod, hosts=(away, *pod.hosts[1:])),), future=(planned,))
    heard: list[str] = []

    def ask(host: HostPlan) -> Found:
        heard.append(host.name)
        return Found(GOOD)

    findings = preflight(plan, ask)
    assert sorted(heard) == [host.name for host in pod.hosts[1:]]
    assert preflight_table(plan, findings).splitlines() == [
        "pod-a-r1-u01 was not asked: maintenance: fan, ticket 7",
        "pod-b-r1-u01 was not asked: planned, from 2027-04-01",
        "lab: 3 machines meet the requirements",
    ]
    assert set(preflight_data(plan, findings)["skipped"]) == {"pod-a-r1-u01", "pod-b-r1-u01"}


@pytest.mark.parametrize(
    ("inet6", "found"),
    [("", "none"), ("20010002000000010000000000010009", "2001:2:0:1::1:9"), ("garbage", "none")],
)
def test_the_planned_ipv6_address_is_looked_for(inet6: str, found: str, lab_plan: SitePlan) -> None:
    (finding,) = findings_of(gpu_node(lab_plan), Found({**GOOD, "inet6": inet6}), "debian-13")
    assert (finding.what, finding.expected, finding.found) == ("IPv6 address", "2001:2:0:1::1:1", found)
    without = dataclasses.replace(gpu_node(lab_plan), address6=None)
    assert list(findings_of(without, Found({**GOOD, "inet6": inet6}), "debian-13")) == []


def gpu_node(plan: SitePlan) -> HostPlan:
    return plan.hosts[0]


def test_a_directory_is_asked_from_every_machine_once_its_name_is_known(lab_plan: SitePlan) -> None:
    assert directory_probe.words(lab_plan) == []
    directory = LdapPlan(("ldaps://a.example", "ldaps://b.example:1636/"), "dc=x", "", "", "rfc2307", (), "/home", ())
    assert directory_probe.words(lab_plan.with_plan("ldap_client", directory)) == [
        "-",
        "a.example:636",
        "b.example:1636",
    ]
    with_ca = lab_plan.with_plan("ldap_client", replace(directory, ca="PEM\n"))
    assert directory_probe.words(with_ca)[0] == "UEVNCg=="
    for known in ("ok", "unresolved"):
        assert list(findings_of(gpu_node(lab_plan), Found({**GOOD, "directory": known}), "debian-13")) == []


def test_the_probe_tells_a_server_that_is_not_there_from_a_name_that_is_unknown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    done = subprocess.run(
        ["sh", "-s", "--", "/none", "-", f"127.0.0.1:{free}"],
        input=directory_probe.PROBE, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("directory=127.0.0.1: ") and "refused" in done.stdout
    script = directory_probe.PROBE
    silent = subprocess.run(["sh", "-s", "--", "/none"], input=script, capture_output=True, text=True, check=True)
    assert silent.stdout == ""

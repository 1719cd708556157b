"""The templates print what the plan says, without Ansible and without an undefined variable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest

from gridmill.operations.playbooks import ROLES

TEMPLATES = sorted(ROLES.glob("*/templates/*.j2"))
WATTS = {"nodes": 2, "node_w": 8200, "gpu_w": 1025, "cpu_w": 4100, "threads_per_core": 1, "mixed": False}
VARIABLES: dict[str, Any] = {
    "base_fqdn": "pod-a-r1-u01.lab.gridmill.test",
    "base_address": "198.18.4.65",
    "base_address6": "2001:2:0:1::1:1",
    "node_exporter_addresses": ["198.18.4.65", "2001:2:0:1::1:1"],
    "node_exporter_port": 9100,
    "chrony_sources": ["198.18.4.104", "ntp.example.net"],
    "chrony_serves": ["198.18.0.0/20"],
    "chrony_adjust": False,
    "base_user_logins": "always",
    "base_sysctl": {"vm.swappiness": 1},
    "dns_server_domain": "lab.gridmill.test",
    "dns_server_listen": "198.18.4.104",
    "dns_server_listen6": "2001:2:0:1::1:40",
    "dns_server_records": {
        "198.18.4.65": ["a.lab.gridmill.test", "b.lab.gridmill.test"],
        "198.18.4.66": ["c.lab.gridmill.test"],
    },
    "dns_server_networks": ["198.18.0.0/20"],
    "dns_server_upstreams": ["192.0.2.53"],
    "dns_client_servers": ["198.18.4.104", "198.18.4.103"],
    "dns_client_domain": "lab.gridmill.test",
    "nvidia_pins": [{"packages": "src:nvidia-graphics-drivers", "version": "550.163.01-*"}],
    "nccl_packages": {"libnccl2": "2.22.3-*"},
    "gpu_power_cap": 500,
    "slurm_controller_settings": {
        "ClusterName": "lab",
        "SlurmctldHost": ["a(198.18.4.104)", "b"],
        "ReturnToService": 2,
    },
    "slurm_controller_nodes": [{"NodeName": "n[1-2]", "CPUs": 2}, {"NodeName": "m1", "CPUs": 4}],
    "slurm_controller_partitions": [{"PartitionName": "gpu", "Nodes": "n[1-2]"}],
    "slurm_controller_gres": [{"AutoDetect": "nvml"}],
    "slurm_controller_cgroup": {"CgroupPlugin": "disabled"},
    "slurm_controller_watts": {
        "total_w": 9200,
        "partitions": {"gpu": dict(WATTS)},
        "anywhere": dict(WATTS),
    },
    "backup_at": "02:30",
    "slurm_controller_database": {"PurgeEventAfter": "12months"},
    "slurm_controller_database_buffer_pool": "128M",
    "slurm_compute_controllers": ["a:6817", "b:6817"],
    "slurm_login_controllers": ["a:6817", "b:6817"],
    "ldap_client_uris": ["ldaps://ldap1.ems1.example", "ldaps://ldap2.ems1.example"],
    "ldap_client_base": "dc=ems1,dc=example",
    "ldap_client_ca": "-----BEGIN CERTIFICATE-----",
    "ldap_client_bind_dn": "cn=reader,dc=ems1,dc=example",
    "__ldap_client_secret": "s3cret\n",
    "ldap_client_schema": "rfc2307",
    "ldap_client_login_groups": ["people", "guests"],
    "ldap_client_logins": True,
    "ldap_client_homes": "/shared/home",
    "ldap_client_local_users": ["anna", "root"],
    "ldap_client_local_groups": ["root", "sudo"],
    "storage_moosefs_master": "198.18.4.102",
    "storage_moosefs_address": "198.18.4.102",
    "storage_moosefs_directories": ["/data/a", "/data/b"],
    "storage_moosefs_networks": ["198.18.0.0/20"],
    "storage_moosefs_volumes": {"home": {"read_only": False}, "data": {"read_only": True}},
    "storage_nfs_networks": ["198.18.0.0/20", "10.0.0.0/24"],
    "storage_nfs_volumes": {
        "home": {"path": "/srv/gridmill/home", "read_only": False},
        "data": {"path": "/srv/gridmill/data", "read_only": True},
    },
}


def render(path: Path, variables: dict[str, Any]) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)  # noqa: S701
    return environment.from_string(path.read_text(encoding="utf-8")).render(variables)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_renders_and_ends_in_one_newline(path: Path) -> None:
    text = render(path, VARIABLES)
    assert text.endswith("\n")
    assert "{" not in text.replace("${", "") or path.name == "job_submit.lua.j2"  # Lua's own
    assert "{{" not in text
    assert "{%" not in text
    assert "Written by Gridmill" in text


def test_an_undefined_variable_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render(ROLES / "base/templates/hosts.j2", {})


def test_slurm_conf() -> None:
    lines = render(ROLES / "slurm_controller/templates/slurm.conf.j2", VARIABLES).splitlines()
    assert [line for line in lines[1:] if line] == [
        "ClusterName=lab",
        "SlurmctldHost=a(198.18.4.104)",
        "SlurmctldHost=b",
        "ReturnToService=2",
        "NodeName=n[1-2] CPUs=2",
        "NodeName=m1 CPUs=4",
        "PartitionName=gpu Nodes=n[1-2]",
    ]


def test_names() -> None:
    records = render(ROLES / "dns_server/templates/records.j2", VARIABLES).splitlines()
    assert records[1:] == ["198.18.4.65 a.lab.gridmill.test b.lab.gridmill.test", "198.18.4.66 c.lab.gridmill.test"]
    server = render(ROLES / "dns_server/templates/dnsmasq.conf.j2", VARIABLES).splitlines()
    assert {"local=/lab.gridmill.test/", "rev-server=198.18.0.0/20", "no-resolv", "server=192.0.2.53"} <= set(server)
    client = render(ROLES / "dns_client/templates/resolv.conf.j2", VARIABLES).splitlines()
    assert client[1:4] == ["search lab.gridmill.test", "nameserver 198.18.4.104", "nameserver 198.18.4.103"]


def test_a_machine_with_both_addresses_has_one_name() -> None:
    name = "pod-a-r1-u01.lab.gridmill.test pod-a-r1-u01"
    both = render(ROLES / "base/templates/hosts.j2", VARIABLES).splitlines()
    assert both[-2:] == [f"198.18.4.65 {name}", f"2001:2:0:1::1:1 {name}"]
    assert render(ROLES / "base/templates/hosts.j2", {**VARIABLES, "base_address6": ""}).splitlines() == both[:-1]


def test_clocks() -> None:
    template = ROLES / "chrony/templates"
    controller = render(template / "chrony.conf.j2", {**VARIABLES, "chrony_adjust": True}).splitlines()
    assert {"server ntp.example.net iburst", "allow 198.18.0.0/20", "local stratum 10", "makestep 1 3"} <= set(
        controller
    )
    node = render(template / "chrony.conf.j2", {**VARIABLES, "chrony_serves": []})
    assert not any(word in node for word in ("allow", "local stratum", "makestep", "rtcsync"))
    assert 'DAEMON_OPTS="-F 1 -x"\n' in render(template / "chrony.default.j2", VARIABLES)
    assert 'DAEMON_OPTS="-F 1"\n' in render(template / "chrony.default.j2", {**VARIABLES, "chrony_adjust": True})
    unit = "chrony.service.conf.j2"
    assert "ConditionCapability=\n" in render(template / unit, VARIABLES)
    assert "ConditionCapability" not in render(template / unit, {**VARIABLES, "chrony_adjust": True})


def test_administrators_have_no_keys_but_the_plans() -> None:
    general, _, admins = render(ROLES / "base/templates/sshd.conf.j2", VARIABLES).partition("\nMatch ")
    assert "AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u .ssh/authorized_keys\n" in general
    assert admins == "Group gridmill-admins,gridmill-users\n    AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u\n"


@pytest.mark.parametrize(("logins", "denied"), [("never", True), ("always", False), ("with_job", False)])
def test_people_enter_where_the_plan_says(logins: str, denied: bool) -> None:
    text = render(ROLES / "base/templates/sshd.conf.j2", {**VARIABLES, "base_user_logins": logins})
    assert ("\nDenyGroups gridmill-users\n" in text) is denied
    assert "AllowGroups" not in text and "AllowUsers" not in text, "the bootstrap user must never be left out"


def test_login_machines_fetch_their_configuration() -> None:
    text = render(ROLES / "slurm_login/templates/sackd.conf.j2", VARIABLES)
    assert 'Environment="SACKD_OPTIONS=--conf-server a:6817,b:6817"\n' in text


def test_slurmdbd_has_no_password_anywhere() -> None:
    text = render(ROLES / "slurm_controller/templates/slurmdbd.conf.j2", VARIABLES)
    assert "StoragePass" not in text
    assert "StorageHost=localhost\nStorageUser=slurm\n" in text
    assert text.endswith("PurgeEventAfter=12months\n")


def test_servers_of_volumes_know_their_version_and_their_disks() -> None:
    assert "vers3=n\n" in render(ROLES / "storage_nfs/templates/nfs.conf.j2", VARIABLES)
    assert render(ROLES / "storage_moosefs/templates/mfshdd.cfg.j2", VARIABLES).splitlines()[1:] == [
        "/data/a/moosefs",
        "/data/b/moosefs",
    ]

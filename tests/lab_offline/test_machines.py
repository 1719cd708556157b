from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gridmill.lab import nspawn
from gridmill.lab.errors import LabError
from gridmill.lab.keys import check_inside, known_hosts
from gridmill.lab.machine import install_file, place_of
from gridmill.lab.mirrors import AptSettings, Mirrors
from gridmill.lab.packages import PREFERENCES, SOURCES
from gridmill.lab.rack import RackedGpus, RackedHost, RackedSite, decode, encode, load_rack
from gridmill.lab.racking import RackingSite, files
from gridmill.lab.rootfs import bootstrap_arguments, customize_script, digest, recipe

GPUS = RackedGpus(
    model="NVIDIA H100 80GB HBM3",
    count=8,
    memory_mib=81559,
    power_min_w=200,
    power_max_w=700,
    power_default_w=650,
    nvlinks=18,
)
GPU_HOST = RackedHost("pod-a-r1-u01", "pod-a-r1-u01.lab.example", "198.18.4.65", "SN-1", GPUS)
PLAIN_HOST = RackedHost("pod-a-r1-u40", "pod-a-r1-u40.lab.example", "198.18.4.104", None, None)
SITE = RackingSite("lab", 20, 56, "198.18.0.1", "gridmill", "ssh-ed25519 AAAA", "-----BEGIN", "http://198.18.0.1:3142")
RACK = RackedSite(
    "lab",
    "gridmill.lab.example",
    "198.18.0.0/20",
    "198.18.0.1",
    "gridmill",
    "/s/id",
    "/s/known_hosts",
    (GPU_HOST, PLAIN_HOST),
)
MIRRORS = Mirrors("http://mirror.example/debian", None)
SETTINGS = AptSettings(proxy=None, check_valid_until=True, check_date=True)
BOOT = nspawn.Boot(
    machine_id="lab-m1",
    hostname="m1",
    root=Path("/s/m1/root"),
    bridge="gm-lab",
    binds=(("/dev/fuse", "/dev/fuse", False), ("/s/with:colon", "/srv/packages", True)),
)


def test_a_rack_with_ipv6() -> None:
    host = dataclasses.replace(GPU_HOST, address6="2001:2:0:1::1:1")
    rack = dataclasses.replace(RACK, hosts=(host,), supernet6="2001:2::/56", bridge_address6="2001:2::1")
    rack.check()
    assert decode(encode(rack)) == rack
    assert rack.prefix_length6 == 56 and RACK.prefix_length6 == 0
    assert place_of(host, "lab")["address6"] == "2001:2:0:1::1:1" and "address6" not in place_of(GPU_HOST, "lab")
    with pytest.raises(LabError, match="outside the supernet None"):
        dataclasses.replace(RACK, hosts=(host,)).check()


def test_arguments_of_nspawn() -> None:
    assert nspawn.nspawn_arguments(BOOT) == [
        "systemd-nspawn",
        "--quiet",
        "--settings=no",
        "--register=no",
        "--keep-unit",
        "--directory=/s/m1/root",
        "--machine=lab-m1",
        "--hostname=m1",
        "--network-bridge=gm-lab",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--system-call-filter=bpf",
        "--console=read-only",
        "--setenv=SYSTEMD_COLORS=0",
        "--bind=/dev/fuse:/dev/fuse",
        "--bind-ro=/s/with\\:colon:/srv/packages",
        "--boot",
    ]


def test_without_systemd_the_groups_are_entered_first() -> None:
    arguments = nspawn.with_groups(["systemd-nspawn", "--boot"], [Path("/cg/a"), Path("/cg/b")])
    assert arguments[:2] == ["sh", "-c"]
    assert arguments[3:] == ["sh", "/cg/a", "/cg/b", "--", "systemd-nspawn", "--boot"]


def test_with_systemd_the_machine_is_a_service_with_its_own_groups() -> None:
    arguments = nspawn.as_service(
        ["systemd-nspawn"], machine_id="lab-m1", console=Path("/s/console.log"), settings={"A": "1"}
    )
    assert arguments[0] == "systemd-run"
    assert "--property=Delegate=yes" in arguments
    assert "--unit=gridmill-lab-lab-m1.service" in arguments
    assert "--setenv=A=1" in arguments
    assert arguments[-2:] == ["--", "systemd-nspawn"]


def test_machines_get_cgroup_v2_wherever_the_host_has_it() -> None:
    assert nspawn.environment(unified=True)["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] == "1"
    assert "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY" not in nspawn.environment(unified=False)


def test_a_bare_machine_knows_its_name_and_address() -> None:
    contents = files(PLAIN_HOST, SITE)
    assert contents["etc/hostname"] == "pod-a-r1-u40\n"
    assert "198.18.4.104 pod-a-r1-u40.lab.example pod-a-r1-u40\n" in contents["etc/hosts"]
    assert "Address=198.18.4.104/20\n" in contents["etc/systemd/network/10-host0.network"]
    assert "Gateway" not in contents["etc/systemd/network/10-host0.network"]
    assert "2001" not in contents["etc/systemd/network/10-host0.network"]
    both = files(dataclasses.replace(PLAIN_HOST, address6="2001:2:0:1::1:40"), SITE)
    assert "Address=2001:2:0:1::1:40/56\n" in both["etc/systemd/network/10-host0.network"]
    assert contents["etc/gridmill-lab/serial"] == "SIM-pod-a-r1-u40\n"
    assert "etc/gridmill-lab/gpus.conf" not in contents


def test_a_gpu_machine_describes_its_simulated_gpus() -> None:
    text = files(GPU_HOST, SITE)["etc/gridmill-lab/gpus.conf"]
    assert "simulated" in text
    assert {"model = NVIDIA H100 80GB HBM3", "count = 8", "power_min_w = 200", "nvlinks = 18"} <= set(text.splitlines())


def test_packages_are_trusted_by_key_only() -> None:
    assert "Signed-By: " in SOURCES
    assert "trusted" not in SOURCES.lower()
    assert "Pin: release o=gridmill-lab\nPin-Priority: 1001" in PREFERENCES
    assert "Package: libnvidia-ml1\nPin: release o=Debian\nPin-Priority: -1" in PREFERENCES


def test_known_hosts_names_a_machine_in_every_way_it_is_reached() -> None:
    text = known_hosts([(("m1", "m1.lab.example", "198.18.4.65"), "ssh-ed25519 AAAAkey comment")])
    assert text == "m1,m1.lab.example,198.18.4.65 ssh-ed25519 AAAAkey\n"


def test_keys_are_made_in_the_labs_directory_only(tmp_path: Path) -> None:
    check_inside(tmp_path / "id", tmp_path, "key")
    with pytest.raises(LabError, match="outside"):
        check_inside(tmp_path / ".." / "id", tmp_path, "key")


def test_a_link_in_a_machine_leads_nowhere_on_the_host(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "etc").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="leads out"):
        install_file(root, "etc/hostname", "m1\n")
    assert not (tmp_path / "hostname").exists()


def test_rack_refuses_contradictions() -> None:
    outside = RackedHost("m2", "m2.lab.example", "203.0.113.9", None, None)
    twice = RackedHost("m2", "m2.lab.example", GPU_HOST.address, None, None)
    on_bridge = RackedHost("m2", "m2.lab.example", RACK.bridge_address, None, None)
    RACK.check()
    for host, message in ((outside, "outside"), (twice, "pod-a-r1-u01"), (on_bridge, "bridge"), (GPU_HOST, "belongs")):
        rack = decode({**encode(RACK), "hosts": [*encode(RACK)["hosts"], encode_host(host)]})
        with pytest.raises(LabError, match=message):
            rack.check()


def test_a_rack_of_another_version_can_still_be_taken_down() -> None:
    old = encode(RACK)
    old["of a later version"] = 1
    for host in old["hosts"]:
        del host["mac"]
        if host["gpus"]:
            del host["gpus"]["power_default_w"]
    found = decode(old)
    assert [host.name for host in found.hosts] == [host.name for host in RACK.hosts]
    assert all(host.gpus is None or host.gpus.power_default_w is None for host in found.hosts)


def encode_host(host: RackedHost) -> object:
    return encode(RackedSite("x", "x", "198.18.0.0/20", "198.18.0.1", "u", "i", "k", (host,)))["hosts"][0]


def test_rack_survives_saving() -> None:
    assert decode(encode(RACK)) == RACK


def test_rack_of_the_lab_stack() -> None:
    rack = load_rack(Path(__file__).parents[2] / "Pulumi.lab.yaml")
    by_name = {host.name: host for host in rack.hosts}
    assert by_name["pod-a-r1-u01"].address == "198.18.4.65"
    assert by_name["pod-a-r1-u40"].address == "198.18.4.104"
    gpus = by_name["pod-a-r1-u09"].gpus
    assert gpus is not None and gpus.count == 8
    assert "{state}" not in rack.identity_file


def test_moving_a_machine_is_noticed_but_not_a_new_power_limit() -> None:
    moved = RackedHost(GPU_HOST.name, GPU_HOST.fqdn, "198.18.4.66", "SN-1", GPUS)
    limited = RackedHost(
        GPU_HOST.name,
        GPU_HOST.fqdn,
        GPU_HOST.address,
        "SN-1",
        RackedGpus(GPUS.model, 8, GPUS.memory_mib, 200, 500, 500, 18),
    )
    another = dataclasses.replace(GPU_HOST, serial="SN-2")
    here = place_of(GPU_HOST, "lab")
    assert place_of(moved, "lab") != here
    assert place_of(another, "lab") != here
    assert place_of(limited, "lab") == here


def test_recipe_names_the_root_file_system() -> None:
    first = digest(recipe(MIRRORS, SETTINGS, "gridmill"))
    assert first == digest(recipe(MIRRORS, SETTINGS, "gridmill"))
    assert first != digest(recipe(Mirrors("http://other.example/debian", None), SETTINGS, "gridmill"))
    assert first != digest(recipe(MIRRORS, SETTINGS, "someone"))


def test_bootstrap_goes_through_the_proxy_and_stays_bare() -> None:
    arguments = bootstrap_arguments(
        MIRRORS, SETTINGS, user="gridmill", target=Path("/c/new"), proxy="http://198.18.0.1:3142"
    )
    assert '--aptopt=Acquire::http::Proxy "http://198.18.0.1:3142";' in arguments
    assert arguments[-4:] == [
        "trixie",
        "/c/new",
        *MIRRORS.one_line_sources(),
    ]
    included = next(word for word in arguments if word.startswith("--include="))
    assert not {"slurm", "munge", "nvidia", "chrony", "curl"} & set(included.removeprefix("--include=").split(","))


def test_image_carries_no_host_keys_and_no_password_login() -> None:
    script = customize_script(MIRRORS, SETTINGS, "gridmill")
    assert 'rm -f "$root"/etc/ssh/ssh_host_*' in script
    assert "PasswordAuthentication no" in script

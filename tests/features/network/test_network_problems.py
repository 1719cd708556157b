"""Networks, names and time that cannot be: each with its exact problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.test_problems import Case, check_case


def network(name: str, line: str, path: str, message: str, hint: str = "") -> Case:
    """A line more under `network`."""
    domain = "      domain: lab.gridmill.test"
    return Case(name, domain, f"{domain}\n      {line}", f"network.{path}", message, hint, line)


CASES = [
    Case("supernet6 as number", "supernet6: 2001:2::/56", "supernet6: 6", "network.supernet6", "6 is not a network"),
    Case("IPv4 for IPv6", "supernet6: 2001:2::/56", "supernet6: 10.0.0.0/8", "network.supernet6",
         "10.0.0.0/8 is not a network"),
    Case("host bits of IPv6", "supernet6: 2001:2::/56", "supernet6: 2001:2::1/56", "network.supernet6",
         "2001:2::1/56 is not a network", "write 2001:2::/56"),
    Case("one /64 for all", "supernet6: 2001:2::/56", "supernet6: 2001:2::/64", "network.supernet6",
         "2001:2::/64 is too small for pods of /64", "a larger supernet6"),
    Case("link-local supernet6", "supernet6: 2001:2::/56", "supernet6: fe80::/56", "network.supernet6",
         "fe80::/56 is not a network for machines",
         "a /48 below fd00::/8 with 40 random bits (RFC 4193), or what your provider gave you"),
    Case("supernet6 from documentation", "supernet6: 2001:2::/56", "supernet6: 2001:db8::/48", "network.supernet6",
         "2001:db8::/48 is not a network for machines",
         "a /48 below fd00::/8 with 40 random bits (RFC 4193), or what your provider gave you"),
    Case("pod outside of supernet6", "supernet6: 2001:2::/56", "supernet6: 2001:2::/63\n      podPrefix: 23", "pods.pod-c",
         "pod number 3 is outside of 2001:2::/63 in blocks of /64", "a larger supernet6, or a smaller `index`",
         "      pod-c:", (("      pod-a:\n", "      pod-c:\n"),)),
    network("VLAN ID 0", "vlans: {oob: {id: 0}}", "vlans.oob.id", "`0` is not valid"),
    network("VLAN ID too high", "vlans: {oob: {id: 4095}}", "vlans.oob.id", "`4095` is not valid"),
    network("VLAN ID as text", 'vlans: {oob: {id: "30"}}', "vlans.oob.id", "`30` is not valid"),
    network("VLAN twice", "vlans: {storage: {id: 20}, oob: {id: 20}}", "vlans.oob.id", "VLAN 20 is also that of storage",
            "another id"),
    network("VLAN elsewhere", "vlans: {oob: {id: 30, network: 10.9.0.0/24}}", "vlans.oob.network",
            "10.9.0.0/24 is not inside of 198.18.0.0/20", "leave it out if Gridmill need not know"),
    network("VLAN over a pod", "vlans: {oob: {id: 30, network: 198.18.4.0/25}}", "vlans.oob.network",
            "198.18.4.0/25 overlaps 198.18.4.0/22 of pod pod-a", "a free part of block 0"),
    network("VLANs that overlap", "vlans: {a: {id: 1, network: 198.18.1.0/24}, b: {id: 2, network: 198.18.1.128/25}}",
            "vlans.b.network", "198.18.1.128/25 overlaps 198.18.1.0/24 of a", "a free part of block 0"),
    network("VLAN over the gateway", "vlans: {oob: {id: 30, network: 198.18.0.0/25}}", "vlans.oob.network",
            "198.18.0.0/25 holds 198.18.0.1, the first address of the supernet", "a later part of block 0"),
    network("VLAN as option", "vlans: {-oob: {id: 30}}", "vlans.-oob", "as a key, `-oob` is not valid"),
    network("time server with an option", 'timeServers: ["ntp.example.net iburst prefer"]', "timeServers[0]",
            "ntp.example.net iburst prefer is not a time server"),
    network("time server with a line", 'timeServers: ["ntp.example.net\\nallow 0/0"]', "timeServers[0]",
            "ntp.example.net\\nallow 0/0 is not a time server"),
    network("time server with a bad address", "timeServers: [10.0.0.300]", "timeServers[0]",
            "10.0.0.300 is not a time server"),
    network("time server with a zone", 'timeServers: ["fe80::1%eth0"]', "timeServers[0]",
            "fe80::1%eth0 is not a time server"),
    network("record of a machine", "records: {pod-a-r1-u40: 198.18.0.9}", "records.pod-a-r1-u40",
            "pod-a-r1-u40 is a machine's own name", "another name"),
    network("record of a service", "records: {login: 198.18.0.9}", "records.login", "login is a name that Gridmill gives",
            "another name"),
    network("alias of nobody", "records: {git: pod-a-r1-u41}", "records.git", "pod-a-r1-u41 is not a machine of this site",
            "its address"),
    network("record with a newline", 'records: {git: "198.18.0.9\\n198.18.0.10 x"}', "records.git",
            "198.18.0.9\\n198.18.0.10 x is neither address nor machine"),
    network("record with a template", "records: {'{{ 7*7 }}': 198.18.0.9}", "records.{{ 7*7 }}",
            "as a key, `{{ 7*7 }}` is not valid"),
    network("record with a long label", f"records: {{{'x' * 64}: 198.18.0.9}}", f"records.{'x' * 60}…",
            f"as a key, `{'x' * 60}…` is not valid"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_network_names_its_problem(case: Case, tmp_path: Path) -> None:
    check_case(case, tmp_path)

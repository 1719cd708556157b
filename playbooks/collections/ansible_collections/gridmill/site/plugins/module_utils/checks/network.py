"""Checks of addresses, names and time."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks import dns
from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run

Ask = Callable[[str, str, int], list[str]]

OWN_CLOCK = "7F7F0101"
"""Reference that chronyd names while it follows nothing but its own clock (`local`)."""


def addresses(wanted: dict[str, Any], run: Run) -> Check:
    """Some interface of the machine has each of `addresses`."""
    expected = [str(one) for one in wanted["addresses"]]
    answer = run(["ip", "-json", "address", "show"])
    found = sorted(
        str(entry["local"])
        for link in (json.loads(answer.output) if answer.ok else [])
        for entry in link.get("addr_info", [])
        if entry.get("scope") == "global"
    )
    return result(
        "addresses",
        ok=answer.ok and set(expected) <= set(found),
        expected=", ".join(expected),
        found=(", ".join(found) or "none") if answer.ok else answer.complaint(),
        hint="interfaces are configured by whoever installs the machine, see docs/concepts/addresses.md",
    )


def resolves(wanted: dict[str, Any], run: Run, ask: Ask = dns.ask) -> Check:
    """`name` gives `addresses` and back, from each of the site's name servers (`servers`, else resolv.conf's)."""
    del run
    name, planned = str(wanted["name"]), [str(one) for one in wanted["addresses"]]
    check = f"resolves {name}"
    expected = f"{name} = {', '.join(planned)} and back"
    servers = [str(one) for one in wanted.get("servers") or dns.servers()]
    if not servers:
        return result(check, ok=False, expected=expected, found="no name server", hint="/etc/resolv.conf names none")
    wrong = [
        f"{server}: {found}"
        for server in servers
        for address in planned
        if (found := _wrong_answer(server, name, address, ask))
    ]
    return result(
        check,
        ok=not wrong,
        expected=expected,
        found="; ".join(wrong) or expected,
        hint="is dnsmasq running on the controllers, and is UDP port 53 open to them?",
    )


def _wrong_answer(server: str, name: str, address: str, ask: Ask) -> str:
    version = ipaddress.ip_address(address).version
    try:
        answered = ask(server, name, dns.TYPE_A if version == 4 else dns.TYPE_AAAA)  # noqa: PLR2004 - IPv4
        names = ask(server, dns.reverse_name(address), dns.TYPE_PTR)
    except dns.NoAnswerError as error:
        return str(error)
    if answered != [address]:
        return f"{name} = {', '.join(answered)}"
    if name not in names:
        return f"{address} = {', '.join(names)}"
    return ""


def clock(wanted: dict[str, Any], run: Run) -> Check:
    """chronyd is synchronised, to another clock unless `own`, and within `largest_offset_s` of it."""
    own, largest = bool(wanted["own"]), float(wanted["largest_offset_s"])
    expected = f"{'its own clock' if own else 'synchronised'}, at most {largest:g} s off"
    hint = "chronyc sources on this host: is the source reachable, and is UDP port 123 open to it?"
    answer = run(["chronyc", "-c", "tracking"])
    fields = answer.output.strip().split(",")
    match fields:
        case [reference, source, stratum, _, offset, *_, leap] if answer.ok and leap != "Not synchronised":
            lonely = reference == OWN_CLOCK
            found = f"{'its own clock' if lonely else source}, stratum {stratum}, {abs(float(offset)):.6f} s off"
            ok = lonely is own and abs(float(offset)) <= largest
            return result("clock", ok=ok, expected=expected, found=found, hint=hint)
    if not answer.ok:
        hint = "journalctl --unit chrony on this host; a container's SKU needs `platform: {clock: host}`"
    found = "not synchronised" if answer.ok else answer.complaint()
    return result("clock", ok=False, expected=expected, found=found, hint=hint)

"""The directory: certificates that are there and hold no private key, and groups that nobody else has."""

from __future__ import annotations

import binascii
import re
import ssl
from collections.abc import Mapping

from gridmill.core.errors import Path, Problem
from gridmill.core.sections.site import Site
from gridmill.features.ldap.section import Ldap

CA_FILE: Path = ("ldap", "caFile")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def directory_problems(site: Site, keys: Mapping[str, str]) -> list[Problem]:
    """A certificate file that is missing or holds something else, groups that the stack has too, one server twice."""
    directory = site.get(Ldap)
    if directory is None:
        return []
    problems = [*_certificate_problems(site, keys)]
    for position, name in enumerate(directory.login_groups):
        if name in site.access.groups:
            message, hint = f"{name} stands under access.groups too", "a group of the directory by another name"
            problems.append(Problem(("ldap", "loginGroups", position), message, "each name once", hint))
    return problems


def _certificate_problems(site: Site, keys: Mapping[str, str]) -> list[Problem]:
    ldap = site.get(Ldap)
    name = ldap.ca_file if ldap else None
    if name is None:
        return []
    place, expected = f"inventories/{site.name}/keys/{name}", "certificates of the authority, in PEM"
    if name not in keys:
        hint = "put it there; whoever runs the directory has it"
        return [Problem(CA_FILE, f"{place} does not exist", expected, hint, later=True)]
    if "PRIVATE KEY" in keys[name]:
        return [Problem(CA_FILE, f"{place} holds a private key", expected, "remove it, and replace the key")]
    if not certificates(keys[name]):
        return [Problem(CA_FILE, f"{place} holds no certificate", expected, "BEGIN CERTIFICATE … END CERTIFICATE")]
    return []


def certificates(text: str) -> str:
    """The certificates in a PEM file, without what stands around them; empty when one of them is broken."""
    found = _CERTIFICATE.findall(text)
    try:
        for one in found:
            ssl.PEM_cert_to_DER_cert(one)
    except (ValueError, binascii.Error):
        return ""
    return "".join(f"{one}\n" for one in found)

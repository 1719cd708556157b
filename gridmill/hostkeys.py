"""Which host key every machine is known by: part of a site's inputs, since a replaced machine has another one."""

from __future__ import annotations

import base64
import binascii
import hashlib

_PREFERENCE = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
_FIELDS = 3


def fingerprints(known_hosts: str) -> dict[str, str]:
    """Fingerprint (`SHA256:…`, as ssh-keygen prints it) by name or address, from the text of a known_hosts file.

    Where a host has keys of several types, the preferred type counts. Lines with a marker (`@cert-authority`), hashed
    names or patterns name no single machine and are left out.
    """
    found: dict[str, tuple[int, str]] = {}
    for line in known_hosts.splitlines():
        fields = line.split()
        if len(fields) < _FIELDS or fields[0].startswith(("#", "@", "|")) or fields[1] not in _PREFERENCE:
            continue
        try:
            key = base64.b64decode(fields[2], validate=True)
        except binascii.Error:
            continue
        rank = _PREFERENCE.index(fields[1])
        digest = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
        for name in fields[0].split(","):
            plain = name.strip("[]").removesuffix("]:22")
            if not set(plain) & set("*?!") and rank < found.get(plain, (len(_PREFERENCE), ""))[0]:
                found[plain] = (rank, f"SHA256:{digest}")
    return {name: digest for name, (_, digest) in found.items()}

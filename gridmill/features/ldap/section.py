"""People from an LDAP directory, beside the stack's own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gridmill.core.base import LABEL, Part, UserName, text
from gridmill.core.sections.access import FIRST_NUMBER, LAST_NUMBER

_NAME = r"[A-Za-z][A-Za-z0-9-]*=[^,=+<>#;\\\"\x00-\x1f\x7f]+"

DistinguishedName = Annotated[
    str,
    text(rf"^{_NAME}(,{_NAME})*$", "a distinguished name without escapes, such as ou=people,dc=ems1,dc=example", 400),
]
"""A distinguished name (RFC 4514), without escaped characters."""

DirectoryUri = Annotated[
    str,
    text(
        rf"^ldaps://{LABEL}(\.{LABEL})+(:[0-9]{{1,5}})?/?$",
        "ldaps:// and the name in the server's certificate, such as ldaps://ldap1.ems1.example",
        200,
    ),
]
"""Address of a directory server; always TLS."""

CertificateFileName = Annotated[
    str,
    text(
        r"^[a-z0-9]([._-]?[a-z0-9])*\.pem$",
        "the name of a file, without a path, that ends with .pem, such as directory.pem",
        60,
    ),
]
"""A file in `inventories/<site>/keys/`: certificates in PEM."""


class DirectoryUser(Part):
    """Somebody in the directory who uses this site: gets a home, and may charge accounts."""

    uid: Annotated[int, Field(ge=FIRST_NUMBER, le=LAST_NUMBER)]
    """`uidNumber` in the directory; compared on every machine."""


class Ldap(Part):
    """An LDAP directory with users (RFC 2307: uid, uidNumber, gidNumber, sshPublicKey), read by sssd on every machine.
    Administrators stay in the stack, so that they get in while it is away."""

    uris: Annotated[list[DirectoryUri], Field(min_length=1, max_length=8)]
    """Servers, the first one first. Their certificates are always checked."""
    base: DistinguishedName
    """Where users and groups are searched."""
    ca_file: CertificateFileName | None = None
    """File in `inventories/<site>/keys/` with the certificates of the authority that signs the servers'; without it
    those count that the machines' distribution trusts."""
    bind_dn: DistinguishedName | None = None
    """Who asks; its password is the secret `ldapBindSecret` beside the site object. None asks anonymously."""
    schema_: Annotated[Literal["rfc2307", "rfc2307bis"], Field(alias="schema")] = "rfc2307"
    """How groups name their members: `memberUid` (rfc2307), or `member` (rfc2307bis)."""
    login_groups: Annotated[list[UserName], Field(min_length=1)]
    """Groups of the directory whose members may log in on login nodes."""
    users: Annotated[dict[UserName, DirectoryUser], Field(default_factory=dict)]
    """Who of the directory has a home and may be named in accounts, by login name."""

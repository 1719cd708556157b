"""Which key a file holds: fingerprints as gpg tells them, and everything that is not a single public key refused."""

from __future__ import annotations

import ast
import base64
import sys

import pytest

from gridmill.core.openpgp import NoKeyError, fingerprint, normalised
from tests.conftest import ROOT

ED25519 = (ROOT / "inventories" / "ems1" / "keys" / "mirror.asc").read_text(encoding="utf-8")
RSA = (ROOT / "tests" / "core" / "keys" / "rsa.asc").read_text(encoding="utf-8")
"""A primary key with a subkey, made for this test; its private half was thrown away."""


def armored(data: bytes) -> str:
    text = base64.b64encode(data).decode()
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{text}\n-----END PGP PUBLIC KEY BLOCK-----\n"


def binary(text: str) -> bytes:
    body = text.split("\n\n", 1)[1].split("-----END", maxsplit=1)[0]
    return base64.b64decode("".join(body.split("\n=", maxsplit=1)[0].split()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ED25519, "721816512B7E38D964A774B008594AE99AF04F8C"),
        (RSA, "AA2FF701EDA38D0F6581733FF863842B5ADCA1CC"),
        (RSA.replace("\n", "\r\n"), "AA2FF701EDA38D0F6581733FF863842B5ADCA1CC"),
        (f"A key.\n{RSA}\nEnd.", "AA2FF701EDA38D0F6581733FF863842B5ADCA1CC"),
        (RSA.replace("BLOCK-----\n\n", "BLOCK-----\nComment: x\n\n", 1), "AA2FF701EDA38D0F6581733FF863842B5ADCA1CC"),
    ],
    ids=["ed25519", "rsa", "windows", "around", "headers"],
)
def test_fingerprints(text: str, expected: str) -> None:
    assert fingerprint(text) == expected
    assert fingerprint(normalised(text)) == expected
    assert normalised(text).startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n")
    assert binary(normalised(text)) == binary(text.replace("\r", "").replace("Comment: x\n", ""))


NEW_FORMAT = b"\xc6"
"""First octet of a public key packet in the new format."""


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no OpenPGP public key"),
        ("ssh-ed25519 AAAA anna", "no OpenPGP public key"),
        (armored(b""), "no OpenPGP public key"),
        (armored(b"A" * 40), "no OpenPGP data"),
        (RSA + ED25519, "several keys"),
        (armored(binary(RSA) + binary(ED25519)), "several keys"),
        (armored(binary(RSA)[:-9]), "cut off"),
        (armored(NEW_FORMAT + b"\x05\x03\x00\x00\x00\x00"), "not of version 4"),
        (armored(NEW_FORMAT + b"\xe1\x04"), "cut off"),
        (armored(NEW_FORMAT + b"\xff\x00"), "cut off"),
        (armored(b"\xc5\x02\x04\x00"), "a private key"),
        (RSA.replace("PUBLIC", "PRIVATE"), "a private key"),
    ],
)
def test_what_is_no_single_public_key(text: str, what: str) -> None:
    with pytest.raises(NoKeyError, match=what):
        fingerprint(text)


@pytest.mark.parametrize(("size", "head"), [(100, b"\x64"), (300, b"\xc0\x6c"), (9000, b"\xff\x00\x00\x23\x28")])
def test_lengths_of_the_new_format(size: int, head: bytes) -> None:
    key = NEW_FORMAT + head + b"\x04" + b"x" * (size - 1)
    old = b"\x9a" + size.to_bytes(4, "big") + b"\x04" + b"x" * (size - 1)
    assert fingerprint(armored(key)) == fingerprint(armored(old))


def test_the_collection_has_a_link_to_it() -> None:
    there = list((ROOT / "playbooks").rglob("openpgp.py"))
    assert [path.is_symlink() and path.resolve() for path in there] == [ROOT / "gridmill" / "core" / "openpgp.py"]


def test_machines_have_all_that_it_imports() -> None:
    tree = ast.parse((ROOT / "gridmill" / "core" / "openpgp.py").read_text(encoding="utf-8"))
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in found} <= sys.stdlib_module_names

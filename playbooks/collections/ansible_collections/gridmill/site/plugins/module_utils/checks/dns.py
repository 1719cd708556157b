"""A DNS question to one named server, so that an answer from /etc/hosts can't pass for one from the site's DNS."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import struct
from pathlib import Path

TYPE_A = 1
TYPE_PTR = 12
TYPE_AAAA = 28
_HEADER = struct.Struct("!HHHHHH")
_POINTER = 0xC0
_REPLY_CODES = {2: "server failure", 3: "no such name", 5: "refused"}


class NoAnswerError(Exception):
    """The server did not answer, or answered that it has no such record."""


def servers(path: Path = Path("/etc/resolv.conf")) -> list[str]:
    """Name servers of a resolv.conf, in order; empty when the file is missing."""
    if not path.exists():
        return []
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def reverse_name(address: str) -> str:
    """Name under which the pointer of an address is kept."""
    return ipaddress.ip_address(address).reverse_pointer


def ask(server: str, name: str, record_type: int, timeout: float = 2.0) -> list[str]:
    """Addresses (A, AAAA) or names (PTR) that `server` gives for `name`. Raises NoAnswerError."""
    number = secrets.randbelow(0x10000)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as link:
        link.settimeout(timeout)
        try:
            link.connect((server, 53))
            link.send(question(number, name, record_type))
            reply = link.recv(4096)
        except OSError as error:
            raise NoAnswerError(f"{server} does not answer: {error}") from error
    return answers(reply, number, record_type)


def question(number: int, name: str, record_type: int) -> bytes:
    """The packet that asks for `name`, with recursion desired."""
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.rstrip(".").split("."))
    return _HEADER.pack(number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", record_type, 1)


def answers(reply: bytes, number: int, record_type: int) -> list[str]:
    """Records of the wanted type in a reply. Raises NoAnswerError for an error code or a malformed packet."""
    try:
        return _answers(reply, number, record_type)
    except (IndexError, ValueError, struct.error) as error:
        raise NoAnswerError("the reply is cut off") from error


def _answers(reply: bytes, number: int, record_type: int) -> list[str]:
    got, flags, questions, count, _, _ = _HEADER.unpack_from(reply)
    if got != number:
        raise NoAnswerError("the reply belongs to another question")
    if code := flags & 0x000F:
        raise NoAnswerError(_REPLY_CODES.get(code, f"reply code {code}"))
    position = _HEADER.size
    for _ in range(questions):
        position = _name(reply, position)[1] + 4
    found = []
    for _ in range(count):
        position = _name(reply, position)[1]
        kind, _, _, length = struct.unpack_from("!HHIH", reply, position)
        position += 10
        if kind == record_type == TYPE_A:
            found.append(socket.inet_ntoa(reply[position : position + length]))
        elif kind == record_type == TYPE_AAAA:
            found.append(socket.inet_ntop(socket.AF_INET6, reply[position : position + length]))
        elif kind == record_type == TYPE_PTR:
            found.append(_name(reply, position)[0])
        position += length
    if not found:
        raise NoAnswerError("no such record")
    return found


def _name(reply: bytes, position: int) -> tuple[str, int]:
    labels: list[str] = []
    after = None
    for _ in range(128):
        length = reply[position]
        if length >= _POINTER:
            after = after if after is not None else position + 2
            position = struct.unpack_from("!H", reply, position)[0] & 0x3FFF
        elif length == 0:
            return ".".join(labels), after if after is not None else position + 1
        else:
            labels.append(reply[position + 1 : position + 1 + length].decode("ascii", "replace"))
            position += 1 + length
    raise NoAnswerError("the reply points at itself")

"""Which Debian mirrors the machines use: those that this host is configured for, or a variable."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gridmill.lab.errors import LabError
from gridmill.lab.processes import run

SUITE = "trixie"
COMPONENTS = "main contrib non-free non-free-firmware"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR_VARIABLE = "GRIDMILL_LAB_MIRROR"

_CODENAMES = "buster|bullseye|bookworm|trixie|forky|duke|sid|stable|testing|unstable|oldstable"
_MAIN_SUITE = re.compile(rf"^({_CODENAMES})$")
_SECURITY_SUITE = re.compile(rf"^({_CODENAMES})(-security|/updates)$")
_HINT = (
    f"name a Debian mirror: {MIRROR_VARIABLE}='http://MIRROR/debian http://MIRROR/debian-security' "
    "(the second is optional)"
)


@dataclass(frozen=True)
class Mirrors:
    """Base addresses of the Debian archive and of its security archive (None when the host has none)."""

    archive: str
    security: str | None

    def sources(self) -> str:
        """The machines' sources in deb822 form."""
        text = _stanza(self.archive, f"{SUITE} {SUITE}-updates")
        return text + ("\n" + _stanza(self.security, f"{SUITE}-security") if self.security else "")

    def one_line_sources(self) -> list[str]:
        """The same as one-line entries, as a bootstrap takes them."""
        pairs = [(self.archive, SUITE), (self.archive, f"{SUITE}-updates")]
        pairs += [(self.security, f"{SUITE}-security")] if self.security else []
        return [f"deb [signed-by={KEYRING}] {address} {suite} {COMPONENTS}" for address, suite in pairs]

    def endpoints(self) -> set[tuple[str, int]]:
        """Host names and ports that the package proxy may speak to."""
        found = set()
        for address in filter(None, (self.archive, self.security)):
            parts = urlsplit(address)
            found.add((parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)))
        return found


def _stanza(address: str, suites: str) -> str:
    return f"Types: deb\nURIs: {address}\nSuites: {suites}\nComponents: {COMPONENTS}\nSigned-By: {KEYRING}\n"


@dataclass(frozen=True)
class Source:
    """One enabled binary source of a host, whichever form it was written in."""

    address: str
    suite: str
    components: tuple[str, ...]
    signed_by: str


def parse_deb822(text: str) -> Iterator[Source]:
    """Enabled binary sources of a `.sources` file."""
    for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[key] = f"{fields.get(key, '')} {line.strip()}"
            elif ":" in line:
                key, _, value = line.partition(":")
                key = key.strip().lower()
                fields[key] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in {
            "no",
            "false",
        }:
            continue
        for address in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(address, suite, tuple(fields.get("components", "").split()), fields.get("signed-by", ""))


def parse_one_line(text: str) -> Iterator[Source]:
    """Enabled binary sources of a `.list` file."""
    for line in text.splitlines():
        match = re.match(r"^\s*deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<rest>[^#]+)", line)
        if not match:
            continue
        words = match["rest"].split()
        options = dict(word.partition("=")[::2] for word in (match["options"] or "").split())
        minimum = 2  # address and suite
        if len(words) >= minimum:
            yield Source(words[0], words[1], tuple(words[2:]), options.get("signed-by", ""))


def host_sources(etc_apt: Path = Path("/etc/apt")) -> list[Source]:
    """All enabled binary sources of this host."""
    found: list[Source] = []
    for path in [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))]:
        if path.suffix == ".sources":
            found += parse_deb822(path.read_text())
        elif path.suffix == ".list" and path.exists():
            found += parse_one_line(path.read_text())
    return found


def choose(sources: list[Source], environment: Mapping[str, str]) -> Mirrors:
    """Mirrors for the machines: the variable when it is set, else the Debian archive among the host's sources."""
    if named := environment.get(MIRROR_VARIABLE, "").split():
        for address in named:
            if urlsplit(address).scheme not in {"http", "https"}:
                raise LabError(f"{MIRROR_VARIABLE}: {address!r} is not an http or https address", _HINT)
        return Mirrors(named[0].rstrip("/"), named[1].rstrip("/") if len(named) > 1 else None)
    debian = [source for source in sources if _is_debian(source)]
    archive = _first(debian, _MAIN_SUITE)
    if archive is None:
        raise LabError(
            "this host has no Debian archive among its APT sources, so the machines' mirror is not known",
            _HINT,
        )
    return Mirrors(archive, _first(debian, _SECURITY_SUITE))


def _is_debian(source: Source) -> bool:
    keyring = source.signed_by.strip()
    return "main" in source.components and (not keyring or "debian-archive" in keyring or "BEGIN PGP" in keyring)


def _first(sources: list[Source], suite: re.Pattern[str]) -> str | None:
    for source in sources:
        if suite.match(source.suite):
            for address in _resolve(source.address):
                if urlsplit(address).scheme in {"http", "https"}:
                    return address.rstrip("/")
    return None


def _resolve(address: str) -> list[str]:
    """An address, or the lines of the mirror list that it names (as cloud images have it)."""
    parts = urlsplit(address)
    if parts.scheme != "mirror+file":
        return [address]
    path = Path(parts.path)
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


@dataclass(frozen=True)
class AptSettings:
    """What of the host's own APT configuration the lab honours."""

    proxy: str | None
    check_valid_until: bool
    check_date: bool


def host_apt_settings(environment: Mapping[str, str] = os.environ) -> AptSettings:
    """Read the host's APT configuration (its proxy, and whether dates of release files are checked)."""
    text = run(["apt-config", "dump"])
    return parse_apt_settings(text, environment)


def parse_apt_settings(text: str, environment: Mapping[str, str]) -> AptSettings:
    """The settings out of `apt-config dump`; the environment's http_proxy stands behind APT's own."""
    values = dict(re.findall(r'^(Acquire::[\w:-]+) "([^"]*)";$', text, re.MULTILINE))
    proxy = values.get("Acquire::http::Proxy") or environment.get("http_proxy") or None
    return AptSettings(
        proxy=None if proxy in {None, "DIRECT", "false"} else proxy,
        check_valid_until=values.get("Acquire::Check-Valid-Until", "true").lower() not in {"false", "no", "0"},
        check_date=values.get("Acquire::Check-Date", "true").lower() not in {"false", "no", "0"},
    )

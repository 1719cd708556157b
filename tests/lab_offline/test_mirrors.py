from __future__ import annotations

from pathlib import Path

import pytest

from gridmill.lab.errors import LabError
from gridmill.lab.mirrors import (
    MIRROR_VARIABLE,
    Source,
    choose,
    host_sources,
    parse_apt_settings,
    parse_deb822,
    parse_one_line,
)

DEBIAN = """\
Types: deb deb-src
# a comment between fields
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
Enabled: no
URIs: http://disabled.example/debian
Suites: bookworm
Components: main
"""
THIRD_PARTY = """\
deb [arch=amd64 signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.example bookworm main
deb https://containers.example/linux/debian bookworm stable
# deb http://commented.example/debian bookworm main
"""
UBUNTU = """\
Types: deb
URIs: http://archive.example/ubuntu/
Suites: noble noble-updates noble-security
Components: main universe
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg
"""


def test_deb822_gives_one_source_per_address_and_suite() -> None:
    found = list(parse_deb822(DEBIAN))
    assert [(source.address, source.suite) for source in found] == [
        ("http://mirror.example/debian/", "bookworm"),
        ("http://mirror.example/debian/", "bookworm-updates"),
        ("http://mirror.example/debian-security", "bookworm-security"),
    ]
    assert found[0].components == ("main", "contrib")


def test_one_line_options_and_comments() -> None:
    found = list(
        parse_one_line("deb [arch=amd64 signed-by=/k.gpg] http://m.example/debian trixie main contrib # here\n")
    )
    assert found == [Source("http://m.example/debian", "trixie", ("main", "contrib"), "/k.gpg")]


def test_sources_and_binary_less_lines_are_not_taken() -> None:
    assert list(parse_one_line("deb-src http://m.example/debian trixie main\n# deb http://m.example x main\n")) == []


def test_debian_host_in_either_form() -> None:
    one_line = (
        "deb http://m.example/debian bookworm main\ndeb http://s.example/debian-security bookworm-security main\n"
    )
    assert choose(list(parse_deb822(DEBIAN)), {}).archive == "http://mirror.example/debian"
    mirrors = choose(list(parse_one_line(one_line)), {})
    assert (mirrors.archive, mirrors.security) == ("http://m.example/debian", "http://s.example/debian-security")


def test_suite_of_the_host_is_replaced() -> None:
    text = choose(list(parse_deb822(DEBIAN)), {}).sources()
    assert "Suites: trixie trixie-updates\n" in text
    assert "Suites: trixie-security\n" in text
    assert "bookworm" not in text
    assert "main contrib non-free non-free-firmware" in text


def test_third_party_archives_are_not_mistaken_for_debian() -> None:
    sources = [*parse_one_line(THIRD_PARTY), *parse_deb822(DEBIAN)]
    assert choose(sources, {}).archive == "http://mirror.example/debian"
    with pytest.raises(LabError, match="no Debian archive"):
        choose(list(parse_one_line(THIRD_PARTY)), {})


def test_ubuntu_host_is_told_the_variable() -> None:
    with pytest.raises(LabError) as caught:
        choose(list(parse_deb822(UBUNTU)), {})
    assert MIRROR_VARIABLE in caught.value.hint


def test_variable_wins_and_its_security_part_is_optional() -> None:
    both = choose(
        list(parse_deb822(DEBIAN)), {MIRROR_VARIABLE: "http://own.example:8080/debian/ https://own.example/sec"}
    )
    assert (both.archive, both.security) == ("http://own.example:8080/debian", "https://own.example/sec")
    assert both.endpoints() == {("own.example", 8080), ("own.example", 443)}
    assert choose([], {MIRROR_VARIABLE: "http://own.example/debian"}).security is None


def test_variable_must_name_a_web_address() -> None:
    with pytest.raises(LabError, match="not an http"):
        choose([], {MIRROR_VARIABLE: "/srv/mirror"})


def test_mirror_list_of_a_cloud_image(tmp_path: Path) -> None:
    (tmp_path / "debian.list").write_text("# written by the cloud\nhttps://near.example/debian\tpriority:1\n")
    source = Source(f"mirror+file://{tmp_path}/debian.list", "bookworm", ("main",), "")
    assert choose([source], {}).archive == "https://near.example/debian"


def test_files_of_a_host(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.example/debian bookworm main\n")
    (tmp_path / "sources.list.d" / "b.sources").write_text(DEBIAN)
    (tmp_path / "sources.list.d" / "c.list.save").write_text("deb http://old.example/debian bookworm main\n")
    addresses = {source.address for source in host_sources(tmp_path)}
    assert addresses == {
        "http://a.example/debian",
        "http://mirror.example/debian/",
        "http://mirror.example/debian-security",
    }


def test_apt_settings() -> None:
    text = 'Acquire::http::Proxy "http://cache.example:3128";\nAcquire::Check-Valid-Until "false";\n'
    settings = parse_apt_settings(text, {"http_proxy": "http://other.example"})
    assert settings.proxy == "http://cache.example:3128"
    assert (settings.check_valid_until, settings.check_date) == (False, True)
    assert parse_apt_settings("", {"http_proxy": "http://other.example"}).proxy == "http://other.example"
    assert parse_apt_settings('Acquire::http::Proxy "DIRECT";\n', {}).proxy is None

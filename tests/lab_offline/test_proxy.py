from __future__ import annotations

import pytest

from gridmill.lab.errors import LabError
from gridmill.lab.proxy import ProxySettings, render_configuration


def settings(upstream: str | None = None) -> ProxySettings:
    endpoints = frozenset({("mirror.example", 80), ("other.example", 8080)})
    return ProxySettings("198.18.0.1", "198.18.0.0/20", endpoints, upstream)


def test_serves_the_lab_only_and_mirrors_only() -> None:
    lines = render_configuration(settings()).splitlines()
    assert "http_port 198.18.0.1:3142" in lines
    assert "acl lab src 198.18.0.0/20" in lines
    assert "acl mirrors dstdomain mirror.example other.example" in lines
    assert "acl web_ports port 80 443 8080" in lines
    access = [line for line in lines if line.startswith("http_access")]
    assert access[-2:] == ["http_access allow lab mirrors", "http_access deny all"]
    assert access.index("http_access deny !mirrors") < access.index("http_access allow lab mirrors")


def test_object_size_is_set_before_the_cache_directory() -> None:
    text = render_configuration(settings())
    assert text.index("\nmaximum_object_size 2 GB") < text.index("\ncache_dir ")


def test_runs_unprivileged() -> None:
    assert "cache_effective_user proxy\n" in render_configuration(settings())


def test_no_upstream_without_a_host_proxy() -> None:
    assert "cache_peer" not in render_configuration(settings())


def test_the_hosts_own_proxy_becomes_the_parent() -> None:
    text = render_configuration(settings("http://someone:p%40ss@cache.example:8123"))
    assert "cache_peer cache.example parent 8123 0 no-query no-digest default login=someone:p@ss\n" in text
    assert text.endswith("never_direct allow all\n")


def test_an_upstream_that_is_not_http_is_refused_without_showing_its_password() -> None:
    with pytest.raises(LabError) as caught:
        render_configuration(settings("socks5h://someone:hidden@cache.example"))
    assert "hidden" not in str(caught.value)

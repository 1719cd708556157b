"""One virtual site for all tests here, brought up once; tests run in the order in which they stand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import testinfra
from testinfra.host import Host

from tests.e2e.only_run import AnotherRunError, only_run
from tests.e2e.site_copy import SiteCopy, site_copy

NODES = {
    "controller": ("pod-a-r1-u40", "198.19.20.104"),
    "store": ("pod-a-r1-u38", "198.19.20.102"),
    "gpu1": ("pod-a-r1-u01", "198.19.20.65"),
    "gpu2": ("pod-a-r1-u09", "198.19.20.73"),
    "gpu3": ("pod-a-r1-u17", "198.19.20.81"),
    "gpu_b": ("pod-b-r1-u01", "198.19.24.65"),
}


@pytest.fixture(scope="session")
def site() -> Iterator[SiteCopy]:
    """The copy with its machines racked and booted; nobody else has it, and its machines are gone at the end."""
    copy = site_copy()
    try:
        with only_run(copy.directory.parent):
            copy.prepare()
            try:
                copy.lab("up")
                copy.pulumi("stack", "init")
                yield copy
            finally:
                copy.lab("down")
    except AnotherRunError as error:
        pytest.exit(str(error), returncode=2)


def connect(site: SiteCopy, role: str) -> Host:
    """testinfra's host over SSH, host key checked."""
    _, address = NODES[role]
    options = f"-F /dev/null -o UserKnownHostsFile={site.access}/known_hosts -o StrictHostKeyChecking=yes"
    return testinfra.get_host(
        f"ssh://gridmill@{address}?sudo=true",
        ssh_identity_file=str(site.access / "id_ed25519"),
        ssh_extra_args=options,
        controlpersist=60,
    )


@pytest.fixture(scope="session")
def controller(site: SiteCopy) -> Host:
    return connect(site, "controller")


@pytest.fixture(scope="session")
def gpu1(site: SiteCopy) -> Host:
    return connect(site, "gpu1")


@pytest.fixture(scope="session")
def gpu2(site: SiteCopy) -> Host:
    return connect(site, "gpu2")


@pytest.fixture(scope="session")
def store(site: SiteCopy) -> Host:
    return connect(site, "store")

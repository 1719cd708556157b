"""A feature from elsewhere on machines: previewed with its impact, brought up, watched for drift, removed."""

from __future__ import annotations

import shutil

import pytest
from testinfra.host import Host

from tests.conftest import ROOT
from tests.e2e.conftest import NODES
from tests.e2e.site_copy import NAME, Done, SiteCopy

pytestmark = [pytest.mark.lab, pytest.mark.engine]

GPU_1 = NODES["gpu1"][0]
PATH = "/etc/motd.d/50-site"
TEXT = "Maintenance on Friday at 18:00"
STACK = f'    motd: {{text: "{TEXT}"}}\n    scheduler:\n'


@pytest.fixture(scope="module")
def featured(site: SiteCopy) -> SiteCopy:
    """The site with the example's folder beside its stack, and its keys in it."""
    shutil.copytree(ROOT / "examples" / "features" / "motd", site.directory / "features" / "motd")
    site.edit("    scheduler:\n", STACK)
    return site


def asking(site: SiteCopy, *arguments: str) -> Done:
    """Pulumi, which asks machines during previews as it does for users."""
    return site.run("env", "GRIDMILL_PREVIEW=", "pulumi", *arguments, "--stack", NAME, "--non-interactive")


def test_a_preview_says_what_it_would_do_and_what_that_means(featured: SiteCopy, gpu1: Host) -> None:
    done = asking(featured, "preview")
    assert "motd" in done.text and "impact: live" in done.text, done.text
    assert not gpu1.file(PATH).exists


def test_an_update_brings_it_to_every_machine_and_verifies_it(
    featured: SiteCopy, controller: Host, gpu1: Host, store: Host
) -> None:
    featured.pulumi("up", "--yes", "--skip-preview")
    for host in (controller, gpu1, store):
        file = host.file(PATH)
        assert file.content_string == f"{TEXT}\n" and file.mode == 0o644 and file.user == "root"
    featured.pulumi("preview", "--expect-no-changes")


def test_a_change_by_hand_is_drift(featured: SiteCopy, gpu1: Host) -> None:
    gpu1.check_output(f"echo by hand >> {PATH}")
    done = featured.gridmill("drift", NAME, check=False)
    assert done.status == 1 and f"file {PATH}" in done.text and GPU_1 in done.text, done.text


def test_without_its_keys_the_role_takes_away_what_it_wrote(featured: SiteCopy, controller: Host, gpu1: Host) -> None:
    featured.edit(STACK, "    scheduler:\n")
    featured.pulumi("up", "--yes", "--skip-preview")
    assert not gpu1.file(PATH).exists and not controller.file(PATH).exists


def test_without_its_folder_nothing_is_left_of_it(featured: SiteCopy) -> None:
    shutil.rmtree(featured.directory / "features")
    featured.pulumi("up", "--yes", "--skip-preview")
    assert "motd" not in featured.state_text()

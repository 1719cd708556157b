"""What was on a machine before Gridmill is kept, once, and told; what a cluster hangs on is not replaced unasked."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.system.unmanaged import copy_of, foreign, keep

from tests.playbooks.test_module_runs import load, run_module

OURS = "# Written by Gridmill.\nx\n"


@pytest.fixture
def module(tmp_path: Path) -> Any:
    loaded = load("preserve_unmanaged_file")
    loaded.BEFORE = tmp_path / "before"
    return loaded


def params(*files: Path, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"keys": [], "ours_with": None, "consent": None, "consented": False, "meaning": ""}
    return {"files": [str(file) for file in files], **base, **more}


def test_only_what_others_wrote_is_foreign(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    assert not foreign(file)
    file.write_text("")
    assert not foreign(file), "nothing is lost with an empty file"
    file.write_text("10.0.0.1 old\n")
    assert foreign(file)
    file.write_text(OURS)
    assert not foreign(file)
    link = tmp_path / "link"
    link.symlink_to(file)
    assert foreign(link), "a template replaces the link"


def test_a_key_is_ours_beside_a_file_of_ours(tmp_path: Path) -> None:
    key, unit = tmp_path / "slurm.key", tmp_path / "gridmill.conf"
    key.write_bytes(b"\0" * 32)
    assert foreign(key, unit)
    unit.write_text(OURS)
    assert not foreign(key, unit)


def test_the_first_version_is_kept_with_its_mode_for_root_only(tmp_path: Path) -> None:
    file, before = tmp_path / "sudoers", tmp_path / "kept" / "before"
    file.write_text("first\n")
    file.chmod(0o440)
    keep(file, before)
    copy = copy_of(file, before)
    assert copy.read_text() == "first\n" and stat.S_IMODE(copy.stat().st_mode) == 0o440
    assert stat.S_IMODE(before.stat().st_mode) == 0o700
    file.chmod(0o640)
    file.write_text("second\n")
    keep(file, before)
    assert copy.read_text() == "first\n"
    link = tmp_path / "resolv.conf"
    link.symlink_to("../run/stub")
    keep(link, before)
    assert copy_of(link, before).readlink() == Path("../run/stub")


def test_it_is_kept_once_and_told(module: Any, tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("10.0.0.1 old\n")
    predicted = run_module(module, params(file), check_mode=True)
    assert predicted["changed"] is True and not module.BEFORE.exists()
    answer = run_module(module, params(file))
    assert answer["changed"] is True and answer["gridmill_notes"] == predicted["gridmill_notes"]
    assert "was here before" in answer["gridmill_notes"][0]
    assert run_module(module, params(file))["changed"] is False
    file.write_text(OURS)
    assert run_module(module, params(file)) == {
        "failed": False,
        "changed": False,
        "gridmill_notes": [],
        "diff": {"prepared": ""},
    }


def test_another_cluster_stays_unless_the_stack_says_so(module: Any, tmp_path: Path) -> None:
    file, key = tmp_path / "slurm.conf", tmp_path / "slurm.key"
    file.write_text("ClusterName=old\n")
    key.write_bytes(b"\0" * 32)
    asked = {"keys": [str(key)], "ours_with": str(tmp_path / "none"), "consent": "slurm", "meaning": "another cluster"}
    refused = run_module(module, params(file, **asked))
    assert refused["failed"] is True
    assert f"{file}, {key}: not written by Gridmill; another cluster" in refused["msg"]
    assert "`adopt: [slurm]`" in refused["msg"] and not module.BEFORE.exists()
    previewed = run_module(module, params(file, **asked), check_mode=True)
    assert previewed["changed"] is False and previewed["gridmill_notes"][0].startswith("applied now, this would fail")
    allowed = run_module(module, params(file, **{**asked, "consented": True}))
    assert allowed["failed"] is False and copy_of(key, module.BEFORE).read_bytes() == b"\0" * 32

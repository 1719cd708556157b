"""Package sources: what is written, what is refused, and what goes again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.packages import sources as apt_sources
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result

from tests.conftest import ROOT
from tests.playbooks.test_module_runs import Machine, load, run_module

KEY = (ROOT / "inventories" / "ems1" / "keys" / "mirror.asc").read_text(encoding="utf-8")
SOURCE: dict[str, Any] = {
    "url": "https://packages.example/nvidia",
    "suites": ["./"],
    "components": [],
    "key": f"Somebody's key:\n{KEY}",
    "fingerprint": "721816512B7E38D964A774B008594AE99AF04F8C",
    "origin": "NVIDIA",
    "packages": ["*nvidia*", "cuda-*"],
}
KEYRING = "/etc/apt/keyrings/gridmill-source-mirror.asc"


def test_a_source_names_its_one_key_and_gives_what_it_is_meant_for() -> None:
    texts = apt_sources.files({"mirror": SOURCE}, "/etc/apt")
    assert list(texts) == [
        KEYRING,
        "/etc/apt/preferences.d/gridmill-source-mirror",
        "/etc/apt/sources.list.d/gridmill-source-mirror.sources",
    ]
    stanza = texts["/etc/apt/sources.list.d/gridmill-source-mirror.sources"]
    assert stanza.splitlines()[1:] == [
        "Types: deb",
        "URIs: https://packages.example/nvidia",
        "Suites: ./",
        f"Signed-By: {KEYRING}",
    ]
    assert texts[KEYRING].startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----"), "nothing around the key"
    assert (
        "Package: *\nPin: release o=NVIDIA\nPin-Priority: -1\n"
        in texts["/etc/apt/preferences.d/gridmill-source-mirror"]
    )
    assert "rusted" not in "".join(texts.values())
    with_suite = apt_sources.files({"m": {**SOURCE, "suites": ["trixie", "x"], "components": ["main"]}}, "/a")
    assert "Suites: trixie x\nComponents: main\n" in with_suite["/a/sources.list.d/gridmill-source-m.sources"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"fingerprint": "0" * 40}, "its key is 721816512B7E38D964A774B008594AE99AF04F8C, and not 000"),
        ({"key": "trust me"}, "its key is no OpenPGP public key"),
        ({"key": KEY.replace("PUBLIC", "PRIVATE")}, "its key is a private key"),
        ({"url": "https://packages.example\nTrusted: yes"}, "cannot stand on a line"),
        ({"origin": "NVIDIA\nPin-Priority: 1001"}, "cannot stand on a line"),
        ({"packages": ["*\n"]}, "cannot stand on a line"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], problem: str) -> None:
    [found] = apt_sources.problems({"mirror": {**SOURCE, **changes}})
    assert problem in found
    assert apt_sources.problems({"mirror": SOURCE}) == []
    assert len(apt_sources.problems({"../etc": SOURCE})) == 1


@pytest.fixture
def module(tmp_path: Path) -> Any:
    found = load("package_sources")
    found.LOCK = tmp_path / "lock"
    found.run = Machine()
    return found


def present(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


OURS = [
    "keyrings/gridmill-source-mirror.asc",
    "preferences.d/gridmill-source-mirror",
    "sources.list.d/gridmill-source-mirror.sources",
]


def test_sources_come_once_and_go_with_the_plan(module: Any, tmp_path: Path) -> None:
    root = tmp_path / "apt"
    (root / "sources.list.d").mkdir(parents=True)
    (root / "sources.list.d" / "debian.sources").write_text("theirs")
    params = {"wanted": {"mirror": SOURCE}, "directory": str(root)}
    predicted = run_module(module, params, check_mode=True)
    assert present(root) == ["sources.list.d/debian.sources"] and not module.run.ran
    done = run_module(module, params)
    assert done["written"] == predicted["written"] and present(root) == sorted([*OURS, "sources.list.d/debian.sources"])
    assert len(module.run.ran) == 1 and "APT::Update::Error-Mode=any" in module.run.ran[0]
    assert run_module(module, params)["changed"] is False and len(module.run.ran) == 1
    run_module(module, {**params, "wanted": {"mirror": {**SOURCE, "url": "https://other.example"}}})
    assert len(module.run.ran) == 2, "a source that changed is looked at again"
    gone = {**params, "wanted": {}}
    predicted = run_module(module, gone, check_mode=True)
    assert run_module(module, gone)["removed"] == predicted["removed"] and "sources.list.d" in predicted["removed"][0]
    assert present(root) == ["sources.list.d/debian.sources"]
    assert run_module(module, gone)["changed"] is False


def test_a_wrong_key_changes_nothing(module: Any, tmp_path: Path) -> None:
    params = {"wanted": {"mirror": {**SOURCE, "fingerprint": "0" * 40}}, "directory": str(tmp_path / "apt")}
    for check_mode in (True, False):
        answer = run_module(module, params, check_mode=check_mode)
        assert answer["failed"] is True and "nothing was changed" in answer["msg"]
    assert not (tmp_path / "apt").exists()


def test_a_source_that_cannot_be_verified_does_not_stay(module: Any, tmp_path: Path) -> None:
    root = tmp_path / "apt"
    module.run = Machine(**{"apt-get": Result(100, "", "E: The repository 'x' is not signed.\n")})
    params = {"wanted": {"mirror": SOURCE}, "directory": str(root)}
    answer = run_module(module, params)
    assert answer["failed"] is True and "is not signed" in answer["msg"]
    assert present(root) == OURS[:2], "without a definition nothing is fetched"
    module.run = Machine()
    assert run_module(module, params)["written"] == [str(root / OURS[2])], "the same command completes it"

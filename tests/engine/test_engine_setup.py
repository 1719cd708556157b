"""Decisions of the engine's set-up, without network and without an engine."""

from __future__ import annotations

import io
import os
import pwd
import re
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from gridmill.engine import build, download, ensure, found, locations, plugin
from gridmill.engine.environment import environment, unwanted
from gridmill.engine.errors import SetupError
from gridmill.engine.found import Engine
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, nothing forced, no program on PATH."""
    directory = tmp_path / "cache"
    monkeypatch.setenv("GRIDMILL_CACHE", str(directory))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    for name in ("GRIDMILL_ENGINE", "GRIDMILL_COMMAND_PLUGIN", "PULUMI_HOME"):
        monkeypatch.delenv(name, raising=False)
    return directory


def make_engine(directory: Path, version: str = "v3.259.0", *, without: str = "") -> Path:
    """Fake executables of an engine that says it is of this version."""
    directory.mkdir(parents=True)
    for name in locations.ENGINE_EXECUTABLES:
        if name != without:
            (directory / name).write_text(f"#!/bin/sh\necho {version}\n")
            (directory / name).chmod(0o755)
    return directory


@pytest.mark.parametrize(
    ("text", "version", "serves"),
    [
        ("v3.259.0\n", (3, 259, 0), True),
        ("3.260.1", (3, 260, 1), True),
        ("v3.258.9", (3, 258, 9), False),
        ("v4.0.0", (4, 0, 0), False),
        ("v3.300.0-alpha.1+dirty", None, False),
        ("", None, False),
        ("command not found", None, False),
    ],
)
def test_versions(text: str, version: tuple[int, int, int] | None, serves: bool) -> None:
    assert found.parse_version(text) == version
    assert found.new_enough(version) is serves


def test_the_users_engine_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = make_engine(tmp_path / "bin", "v3.261.0")
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)
    assert ensure.ensure_engine() == Engine(directory, users_own=True)


@pytest.mark.parametrize(
    ("version", "without", "reason"),
    [
        ("v3.200.0", "", r"version 3\.200\.0, 3\.259\.0 or a later 3\.x"),
        ("v3.259.0", "pulumi-language-python", "no pulumi-language-python beside it"),
    ],
)
def test_an_engine_that_does_not_serve_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, without: str, reason: str
) -> None:
    monkeypatch.setenv("PATH", str(make_engine(tmp_path / "bin", version, without=without)), prepend=os.pathsep)
    monkeypatch.setenv("GRIDMILL_ENGINE", "path")
    with pytest.raises(SetupError, match=reason):
        ensure.ensure_engine()


def test_our_cached_engine_on_path_is_not_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = make_engine(locations.own_engine())
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)
    assert found.engine_on_path()[0] is None
    assert found.find_engine() == Engine(directory, users_own=False)


def test_ways_are_tried_in_order_and_each_failure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def failing(name: str) -> ensure.Way:
        def way(binaries: Path, scratch: Path) -> None:
            tried.append(name)
            (binaries / "pulumi").write_text("half")
            raise SetupError(f"{name} is out of order")

        return way

    monkeypatch.setattr(ensure, "WAYS", {"download": failing("download"), "build": failing("build")})
    with pytest.raises(SetupError, match=r"(?s)no pulumi on PATH.*download is out.*build is out"):
        ensure.ensure_engine()
    assert tried == ["download", "build"]
    assert [entry.name for entry in locations.engines_directory().iterdir()] == [".lock"]


def test_a_way_that_leaves_something_out_is_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def incomplete(binaries: Path, scratch: Path) -> None:
        binaries.rmdir()
        make_engine(binaries, without="pulumi-language-python-exec")

    monkeypatch.setattr(ensure, "WAYS", {"build": incomplete})
    with pytest.raises(SetupError, match="not every executable"):
        ensure.ensure_engine()
    assert found.cached_engine() is None


def test_what_a_killed_set_up_left_is_cleared_and_a_half_made_engine_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = locations.engines_directory() / f"{ensure.STAGING_PREFIX}killed" / "engine"
    left.mkdir(parents=True)
    make_engine(locations.own_engine(), without="pulumi")

    def whole(binaries: Path, scratch: Path) -> None:
        binaries.rmdir()
        make_engine(binaries)

    monkeypatch.setattr(ensure, "WAYS", {"build": whole})
    assert ensure.ensure_engine() == Engine(locations.own_engine(), users_own=False)
    assert not left.parent.exists()
    assert found.is_complete(locations.own_engine())


def test_two_set_ups_at_once_make_one_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    first_is_at_it, second_may_look = threading.Event(), threading.Event()

    def slow(binaries: Path, scratch: Path) -> None:
        made.append(binaries)
        first_is_at_it.set()
        second_may_look.wait(0.3)
        binaries.rmdir()
        make_engine(binaries)

    monkeypatch.setattr(ensure, "WAYS", {"build": slow})
    results: list[Engine] = []
    threads = [threading.Thread(target=lambda: results.append(ensure.ensure_engine())) for _ in range(2)]
    threads[0].start()
    first_is_at_it.wait(5)
    threads[1].start()
    for thread in threads:
        thread.join(10)
    assert len(made) == 1
    assert len(results) == 2
    assert results[0] == results[1]


def test_an_unknown_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDMILL_ENGINE", "magic")
    with pytest.raises(SetupError, match="path, download or build"):
        ensure.ensure_engine()


def test_the_archives_checksum_is_looked_up_by_its_whole_name() -> None:
    checksums = "aa  pulumi-v3.259.0-linux-x64.tar.gz.sig\nBB *pulumi-v3.259.0-linux-x64.tar.gz\n"
    assert download.published_checksum(checksums, "pulumi-v3.259.0-linux-x64.tar.gz") == "bb"
    with pytest.raises(SetupError, match="do not name"):
        download.published_checksum(checksums, "pulumi-v3.259.0-linux-arm64.tar.gz")


def test_an_archive_gives_the_engine_and_nothing_else(tmp_path: Path) -> None:
    archive = tmp_path / "pulumi.tar.gz"
    with tarfile.open(archive, "w:gz") as contents:
        for name in (*locations.ENGINE_EXECUTABLES, "pulumi-language-go", "../escape"):
            member = tarfile.TarInfo(f"pulumi/{name}")
            member.size = 3
            contents.addfile(member, io.BytesIO(b"abc"))
    binaries = tmp_path / "bin"
    binaries.mkdir()
    download.unpack(archive, binaries)
    assert sorted(file.name for file in binaries.iterdir()) == sorted(locations.ENGINE_EXECUTABLES)
    assert found.is_complete(binaries)


def test_an_archive_that_is_not_what_was_published_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(url: str, target: Path) -> None:
        target.write_text(f"{'0' * 64}  {download.archive_name()}\n")

    monkeypatch.setattr(download, "_fetch", fetch)
    with pytest.raises(SetupError, match="published is 0000"):
        download.download_engine(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.21 linux/arm64", (1, 21, 0)),
        ("go version go1.24.4-debian linux/amd64", (1, 24, 4)),
        ("nothing", (0, 0, 0)),
    ],
)
def test_go_versions(text: str, version: tuple[int, int, int]) -> None:
    assert build.parse_go_version(text) == version


def test_only_an_older_go_fetches_its_toolchain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOTOOLCHAIN", "local")
    assert build.build_environment(build.wanted_go())["GOTOOLCHAIN"] == "local"
    assert build.build_environment((1, 24, 4))["GOTOOLCHAIN"] == "auto"


def test_an_old_go_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go version go1.19.8 linux/amd64\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(SetupError, match=r"1\.19\.8; the engine needs Go >= 1\.21"):
        build.find_go()


def test_the_pins_agree() -> None:
    requirements = (ROOT / "requirements.txt").read_text()
    modules = (locations.GO / "pulumi" / "go.mod").read_text()
    assert f"pulumi=={locations.ENGINE_VERSION_TEXT} " in requirements
    assert f"pulumi-command=={locations.PLUGIN_VERSION} " in requirements
    for module in ("pkg", "sdk"):
        assert re.search(rf"github\.com/pulumi/pulumi/{module}/v3 v{locations.ENGINE_VERSION_TEXT}\b", modules)


def test_the_stand_ins_libraries_are_the_locked_ones() -> None:
    entries = plugin.locked(plugin.LIBRARIES)
    assert re.findall(r"^([a-z-]+)==", entries, flags=re.MULTILINE) == sorted(plugin.LIBRARIES)
    assert entries.count("--hash=sha256:") >= len(plugin.LIBRARIES)
    with pytest.raises(SetupError, match="does not lock"):
        plugin.locked(("pulumi", "no-such-package"))


def test_a_half_made_plugin_is_none(tmp_path: Path) -> None:
    directory = tmp_path / "resource-command-v1.2.1"
    directory.mkdir()
    assert plugin.installed_kind(directory) is None
    (directory / plugin.EXECUTABLE).touch(mode=0o755)
    assert plugin.installed_kind(directory) == "official"
    (directory / plugin.MARKER).touch()
    assert plugin.installed_kind(directory) == "stand-in"
    directory.with_name(f"{directory.name}.partial").touch()
    assert plugin.installed_kind(directory) is None


def test_the_environment_leaves_the_users_own_settings_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path / "state"))
    ours = environment(Engine(tmp_path / "bin", users_own=False), "lab", {"PATH": "/usr/bin"})
    assert ours["PATH"] == f"{tmp_path}/bin:/usr/bin"
    assert ours["PULUMI_HOME"] == str(tmp_path / "cache" / "pulumi-home")
    assert ours["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/state/pulumi"
    assert ours["PULUMI_CONFIG_PASSPHRASE_FILE"].endswith("/lab/passphrase")

    own = {"PATH": "/usr/bin", "PULUMI_BACKEND_URL": "s3://states", "PULUMI_CONFIG_PASSPHRASE": ""}
    theirs = environment(Engine(tmp_path / "bin", users_own=True), "lab", own)
    assert set(theirs) == {"PULUMI_SKIP_UPDATE_CHECK", "PULUMI_CONFIG_PASSPHRASE_FILE"}
    assert environment(Engine(tmp_path / "bin", users_own=True), "mine", own) == {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    assert unwanted("lab", own) == ["PULUMI_CONFIG_PASSPHRASE"], "Pulumi would prefer it to the lab's file"
    assert unwanted("mine", own) == []


def test_only_the_lab_gets_the_public_passphrase(tmp_path: Path) -> None:
    for stack in ("gravelines", None):
        wanted = environment(Engine(tmp_path, users_own=True), stack, {})
        assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in wanted


@pytest.mark.parametrize(
    ("stack", "given", "left"),
    [
        (["--stack", "lab"], "", "/gridmill/lab/passphrase"),
        (["--stack", "gravelines"], "", ""),
        (["--stack", "gravelines"], "gridmill/lab/passphrase", ""),
        (["--stack", "gravelines"], "/srv/own", "/srv/own"),
        (["--stack", "lab"], "/srv/own", "/gridmill/lab/passphrase"),
        ([], "", ""),
    ],
)
def test_the_shell_of_a_site_never_has_the_labs_passphrase(
    stack: list[str], given: str, left: str, tmp_path: Path
) -> None:
    """The lab's is set for the lab, in the place of any other, and dropped again for other stacks, whose own stays."""
    name = "PULUMI_CONFIG_PASSPHRASE_FILE"
    make_engine(locations.own_engine())
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
    own = {name: str(ROOT / given)} if given else {}
    given_to_shell = {**kept, **own, "GRIDMILL_STATE": str(tmp_path / "state"), "PATH": "/usr/bin:/bin"}
    script = f'settings=$("$0" tools/engine.py env {" ".join(stack)}); eval "$settings"; echo "${{{name}-}}"'
    done = subprocess.run(
        ["/bin/sh", "-ec", script, sys.executable], cwd=ROOT, env=given_to_shell, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.strip().removeprefix(str(ROOT)) == left
    assert (f"set {name}" in done.stderr) == (not left)


def test_without_a_state_directory_of_ones_own_the_projects_backend_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GRIDMILL_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", pwd.getpwuid(os.getuid()).pw_dir)
    assert "PULUMI_BACKEND_URL" not in environment(Engine(tmp_path, users_own=True), "lab", {})

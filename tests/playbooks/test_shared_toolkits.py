"""Toolkits on a volume: fetched with APT from packages that dpkg-deb built, made current in one step, never half."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.cuda import packages as toolkit_packages
from ansible_collections.gridmill.site.plugins.module_utils.cuda import toolkits

from tests.playbooks.test_module_runs import load, run_module

NVCC = "#!/bin/sh\necho 'Cuda compilation tools, release VERSION, VVERSION.0 (simulated)'\n"
SOURCE = "Types: deb\nURIs: file:{}\nSuites: ./\nTrusted: yes\n"

# Only root may give files to another user, and toolkits are another's. `make test`, which needs root for its machines,
# leaves none of these out; the programs that build packages come with the set-up, and are no reason to skip.
# only root can give a file away; set-up, `make test` and CI run as root, so that nothing is skipped there
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")


class Site:
    """A volume, a package source, and the module as Ansible runs it."""

    def __init__(self, root: Path, module: Any) -> None:
        self.module = module
        self.repository, self.other, self.volume = root / "nvidia", root / "debian", root / "volume"
        self.source = root / "nvidia.sources"
        for path in (self.repository, self.other, self.volume):
            path.mkdir()
        self.volume.chmod(0o1777)
        self.directory = self.volume / "cuda"
        self.mounted(str(self.volume))

    def mounted(self, mount: str) -> None:
        self.module.MOUNTINFO = self.volume.parent / "mountinfo"
        self.module.MOUNTINFO.write_text(f"30 1 0:9 / {mount} rw - fuse mfs#x/software rw\n")

    def package(
        self, name: str, version: str, files: dict[str, str], depends: str = "", *, other: bool = False
    ) -> None:
        repository = self.other if other else self.repository
        root = repository / "build"
        (root / "DEBIAN").mkdir(parents=True)
        fields = {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "x", "Installed-Size": "1"}
        fields |= {"Depends": depends} if depends else {}
        text = "".join(f"{key}: {value}\n" for key, value in {**fields, "Description": "simulated"}.items())
        (root / "DEBIAN" / "control").write_text(text)
        script = root / "DEBIAN" / "postinst"
        script.write_text(f"#!/bin/sh\ntouch {self.volume}/script-ran\n")
        script.chmod(0o755)
        for path, content in files.items():
            file = root / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            file.chmod(0o755)
        run("dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), str(repository / f"{name}_{version}.deb"))
        shutil.rmtree(root)

    def toolkit(self, version: str, patch: str) -> None:
        """A toolkit of three packages, two of them with files of the toolkit, and one from elsewhere."""
        place, dashed = f"/usr/local/cuda-{version}", version.replace(".", "-")
        own = f"{version}.{patch}-1"
        self.package(f"cuda-toolkit-{dashed}", own, {}, f"cuda-nvcc-{dashed} (= {own}), cuda-nsight-{dashed}, libother")
        nvcc = {f"{place}/bin/nvcc": NVCC.replace("VERSION", version), f"{place}/lib/libcudart.so": f"{patch}"}
        self.package(f"cuda-nvcc-{dashed}", own, {**nvcc, f"/usr/share/doc/cuda-nvcc-{dashed}/x": ""})
        self.package(f"cuda-nsight-{dashed}", own, {"/opt/nvidia/nsight/ncu": "x"})

    def publish(self) -> None:
        for repository in (self.repository, self.other):
            (repository / "Packages").write_text(run("apt-ftparchive", "packages", ".", cwd=repository))
        self.source.write_text(SOURCE.format(self.repository))
        run("apt-get", "--quiet=2", "update")

    def converge(self, *versions: str, check: bool = False, pattern: str = "{}.*") -> dict[str, Any]:
        wanted = {one: {f"cuda-toolkit-{one.replace('.', '-')}": pattern.format(one)} for one in versions}
        params = {
            "directory": str(self.directory),
            "mount": str(self.volume),
            "mounted_from": "mfs#x/software",
            "versions": wanted,
            "owner": 1991,
            "source": str(self.source),
        }
        return run_module(self.module, params, check_mode=check)

    def as_predicted(self, *versions: str, pattern: str = "{}.*") -> list[str]:
        predicted = self.converge(*versions, check=True, pattern=pattern)
        done = self.converge(*versions, pattern=pattern)
        assert done["failed"] is False, done
        assert (done["changed"], done["actions"]) == (predicted["changed"], predicted["actions"])
        again = self.converge(*versions, pattern=pattern)
        assert again["changed"] is False
        actions: list[str] = done["actions"]
        return actions

    def names(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())


def run(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """APT of its own, with two sources: NVIDIA's and the distribution's; where the toolkits' user gets to, too."""
    with tempfile.TemporaryDirectory(prefix="gridmill-test-") as directory:
        yield made(Path(directory), monkeypatch)


def made(root: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    root.chmod(0o755)
    for name in (
        "apt/preferences.d",
        "apt/apt.conf.d",
        "apt/sources.list.d",
        "state/lists/partial",
        "cache/archives/partial",
    ):
        (root / name).mkdir(parents=True)
    module = load("shared_toolkits")
    module.LOCK = root / "lock"
    found = Site(root, module)
    (root / "apt" / "sources.list.d" / "nvidia.sources").symlink_to(found.source)
    (root / "apt" / "sources.list.d" / "debian.sources").write_text(SOURCE.format(found.other))
    (root / "status").touch()
    config = (
        f'Dir::Etc "{root}/apt";\nDir::State "{root}/state";\nDir::State::status "{root}/status";\n'
        f'Dir::Cache "{root}/cache";\nAPT::Architecture "amd64";\nAPT::Sandbox::User "root";\n'
    )
    (root / "apt.conf").write_text(config)
    monkeypatch.setenv("APT_CONFIG", str(root / "apt.conf"))
    monkeypatch.setattr(toolkit_packages, "FETCHED", root)
    found.package("libother", "1", {"/usr/local/cuda-12.4/from-elsewhere": "x"}, other=True)
    found.toolkit("12.4", "1")
    found.toolkit("12.8", "1")
    found.publish()
    return found


def test_two_versions_lie_side_by_side_and_only_what_is_theirs(site: Site) -> None:
    assert site.as_predicted("12.4", "12.8") == ["put toolkit 12.4 there", "put toolkit 12.8 there"]
    for version in ("12.4", "12.8"):
        said = run(str(site.directory / version / "bin" / "nvcc"), "--version")
        assert f"release {version}," in said
        found = sorted(str(one.relative_to(site.directory / version)) for one in (site.directory / version).rglob("*"))
        assert found == ["bin", "bin/nvcc", "gridmill-manifest.json", "lib", "lib/libcudart.so"]
    assert len(site.names()) == 4
    owners = {path.lstat().st_uid for path in [site.directory, *site.directory.rglob("*")]}
    assert owners == {1991}
    assert not (site.volume / "script-ran").exists(), "no script of a package is run"
    packages = toolkits.look(site.directory).ours["12.4"]["packages"]
    assert set(packages) == {"cuda-toolkit-12-4", "cuda-nvcc-12-4", "cuda-nsight-12-4"}


def test_what_lies_elsewhere_is_told(site: Site) -> None:
    assert site.converge("12.4")["gridmill_notes"] == [
        "toolkit 12.4 is without /opt/nvidia/nsight/ncu of cuda-nsight-12-4"
    ]


def test_an_upgrade_moves_in_one_step_and_the_old_one_stays_for_its_users(site: Site) -> None:
    site.as_predicted("12.4", "12.8")
    library = site.directory / "12.8" / "lib" / "libcudart.so"
    before = library.resolve()
    site.toolkit("12.8", "2")
    site.publish()
    assert site.converge("12.4", "12.8")["changed"] is False, "what fits stays, whatever is on offer"
    assert site.as_predicted("12.4", "12.8", pattern="{}.[12]-*") == []
    answer = site.converge("12.8", pattern="{}.2-*")
    assert answer["actions"] == ["remove toolkit 12.4", "put toolkit 12.8 there"]
    assert library.read_text() == "2" and before.read_text() == "1"
    assert not (site.directory / "12.4").exists()
    assert "clear away " + before.parents[1].name in site.as_predicted("12.4", "12.8", pattern="{}.*")
    assert not before.exists()


@pytest.mark.parametrize("moment", ["fetch", "run"])
def test_what_is_interrupted_leaves_nothing_half(site: Site, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        """What nobody can catch, as far as a test can have that."""

    def killed(*_: Any, **__: Any) -> Any:
        raise Killed

    (site.directory).mkdir()
    os.chown(site.directory, 1991, 1991)
    with monkeypatch.context() as patch:
        patch.setattr(toolkit_packages if moment == "fetch" else site.module, moment, killed)
        patch.setattr(
            site.module, "shutil", SimpleNamespace(rmtree=lambda *_: None)
        )  # a process that is killed clears nothing away
        patch.setattr(site.module, "not_mounted", lambda *_: "")
        with pytest.raises(Killed):
            site.converge("12.4")
    assert site.names() == [".new-12.4"]
    (site.directory / ".new-link").symlink_to(".new-12.4")
    assert site.as_predicted("12.4") == ["clear away .new-12.4", "clear away .new-link", "put toolkit 12.4 there"]


def test_a_file_that_is_not_the_one_in_the_lists_is_refused(site: Site) -> None:
    package = next(site.repository.glob("cuda-nvcc-12-4_*.deb"))
    package.write_bytes(package.read_bytes().replace(b"simulated", b"simulateD"))
    answer = site.converge("12.4")
    assert answer["failed"] and "cuda-nvcc-12-4" in answer["msg"]
    assert site.names() == []


def test_a_version_that_nobody_offers_changes_nothing(site: Site) -> None:
    for check in (True, False):
        answer = site.converge("12.9", check=check)
        assert answer["failed"] and "cuda-toolkit-12-9 12.9.*: apt offers none" in answer["msg"]
    assert not site.directory.exists()


def test_only_toolkits_of_ours_are_removed(site: Site) -> None:
    site.as_predicted("12.4", "12.8")
    own = site.directory / "11.8"
    own.mkdir()
    (site.directory / "12.4" / toolkits.MANIFEST).write_text("{}")
    assert site.as_predicted("12.8") == []
    assert own.is_dir() and (site.directory / "12.4" / "bin" / "nvcc").exists()
    answer = site.converge("12.4", "12.8")
    assert answer["failed"] and f"{site.directory}/12.4 is none of Gridmill's" in answer["msg"]


def test_nothing_is_written_while_the_volume_is_away(site: Site) -> None:
    site.mounted("/elsewhere")
    predicted = site.converge("12.4", check=True)
    assert predicted["actions"] == ["put toolkit 12.4 there"]
    answer = site.converge("12.4")
    assert answer["failed"] and "has nothing mounted" in answer["msg"] and list(site.volume.iterdir()) == []


def test_a_directory_in_which_others_may_write_is_not_trusted(site: Site) -> None:
    site.directory.mkdir(mode=0o777)
    for check in (True, False):
        answer = site.converge("12.4", check=check)
        assert answer["failed"] and "must be a directory of uid 1991" in answer["msg"]
    assert list(site.directory.iterdir()) == []


def test_a_volume_that_is_too_small_is_told_beforehand(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolkit_packages, "SPARE", 1e12)
    answer = site.converge("12.4")
    assert answer["failed"] and "GB are needed" in answer["msg"] and not site.directory.exists()


def links(
    tmp_path: Path, wanted: dict[str, str], *, check: bool = False, pending_change: bool = False
) -> dict[str, Any]:
    params = {"links": wanted, "record": str(tmp_path / "record" / "links.json"), "pending_change": pending_change}
    return run_module(load("toolkit_links"), params, check_mode=check)


def test_links_are_made_moved_and_removed_and_what_is_somebody_elses_stays(tmp_path: Path) -> None:
    places = [tmp_path / "local" / f"cuda-{one}" for one in ("12.4", "12.8", "13.0", "13.1")]
    mine, empty, own, foreign = places
    for path in (empty, own / "bin"):
        path.mkdir(parents=True)
    foreign.symlink_to("/opt/cuda")
    wanted = {str(path): f"/shared/cuda/{path.name}" for path in places}
    predicted, done = links(tmp_path, wanted, check=True), links(tmp_path, wanted)
    assert predicted["changed"] and predicted["diff"] == done["diff"]
    assert str(mine.readlink()) == "/shared/cuda/cuda-12.4" and empty.is_symlink()
    assert (own / "bin").is_dir() and str(foreign.readlink()) == "/opt/cuda"
    assert done["gridmill_notes"] == [
        f"{path} is somebody else's and stays; /shared/cuda/{path.name} is not seen there" for path in (own, foreign)
    ]
    assert links(tmp_path, wanted)["changed"] is False
    moved = {str(mine): "/other/cuda-12.4"}
    assert links(tmp_path, moved, check=True)["diff"] == links(tmp_path, moved)["diff"]
    assert str(mine.readlink()) == "/other/cuda-12.4" and not empty.is_symlink()
    mine.unlink()
    mine.symlink_to("/opt/cuda")
    links(tmp_path, {})
    assert mine.is_symlink(), "somebody made it his own"
    assert links(tmp_path, {})["changed"] is False


def test_packages_that_will_have_gone_are_not_in_the_way(tmp_path: Path) -> None:
    place = tmp_path / "cuda-12.4"
    (place / "bin").mkdir(parents=True)
    wanted = {str(place): "/shared/cuda/12.4"}
    assert links(tmp_path, wanted, check=True)["changed"] is False
    assert "link " in links(tmp_path, wanted, check=True, pending_change=True)["diff"]["prepared"]
    links(tmp_path, wanted, pending_change=True)
    assert (place / "bin").is_dir(), "a run looks for itself"

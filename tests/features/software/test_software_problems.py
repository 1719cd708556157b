"""Software that can't work together, or can't be had: each with its exact problem, and what would fit."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridmill.catalog import load_catalog
from gridmill.core.errors import ProblemsError, path_text
from gridmill.features.nvidia.problems import number
from gridmill.load import build_definition
from tests.conftest import PLAIN_LAB, ROOT

KEY = (ROOT / "inventories" / "ems1" / "keys" / "mirror.asc").read_text(encoding="utf-8")
FINGERPRINT = "721816512B7E38D964A774B008594AE99AF04F8C"
PRIVATE = KEY.replace("PUBLIC", "PRIVATE")
NVIDIA = "software.nvidia"
SHARED_HINT = "source: nvidia or mirror, or `toolkit: node`"
B200 = {"sku": "dgx-b200", "at": ["r1/u21"]}
VOLTA = """\
id: {id}
vendor: NVIDIA
model: NVIDIA V100
gresType: v100
architecture: volta
minimumDriver: "396.37"
memory: 32 GiB
nvlinks: 6
power: {{min: 150 W, max: 300 W, idle: 40 W}}
sources: [{{of: all, from: a test, confidence: unverified}}]
"""


@pytest.fixture
def data() -> dict[str, Any]:
    text = PLAIN_LAB
    found: dict[str, Any] = copy.deepcopy(yaml.safe_load(text)["config"]["gridmill:site"])
    found["grid"]["connection"] = "400 kVA"
    found["pods"]["pod-a"]["budget"] = "100 kW"
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project directory with the lab's SKUs and, for its sources, the sample key."""
    (tmp_path / "inventories" / "lab" / "keys").mkdir(parents=True)
    (tmp_path / "inventories" / "lab" / "skus").symlink_to(ROOT / "inventories" / "lab" / "skus")
    (tmp_path / "inventories" / "lab" / "keys" / "mirror.asc").write_text(KEY, encoding="utf-8")
    return tmp_path


def mirrored(data: dict[str, Any], **changes: Any) -> None:
    """The lab's software from a mirror of NVIDIA's repository."""
    software = data["software"]
    software["sources"] = {"mirror": {"url": "https://packages.example/nvidia", "fingerprint": FINGERPRINT, **changes}}
    software["nvidia"] = {"source": "mirror", "driver": "595.71.05", "nccl": "2.29.3"}


def problems(data: dict[str, Any], root: Path) -> list[tuple[str, str, str]]:
    try:
        build_definition(data, root)
    except ProblemsError as error:
        return [(path_text(one.path), one.message, one.hint) for one in error.problems]
    return []


def test_what_fits_is_accepted(data: dict[str, Any], root: Path) -> None:
    mirrored(data, fingerprint=" ".join(FINGERPRINT[at : at + 4] for at in range(0, 40, 4)).lower())
    data["pods"]["pod-a"]["nodes"]["big"] = B200
    data["software"]["nvidia"]["cuda"] = {"toolkit": "node", "versions": ["13.1", "13.2"]}
    assert problems(data, root) == []


def test_a_distributions_driver_cannot_run_b200(data: dict[str, Any], root: Path) -> None:
    data["pods"]["pod-a"]["nodes"]["big"] = B200
    assert problems(data, root) == [
        (
            "pods.pod-a.nodes.big.sku",
            "distro of debian-13 has no Fabric Manager and no NVLink subnet manager, without which no GPU of dgx-b200"
            " works",
            "software.nvidia.source: nvidia, or a mirror of it",
        ),
        (
            f"{NVIDIA}.driver",
            "550.163.01 can't run NVIDIA B200 (big of pod-a)",
            "nvidia offers 590.48.01, 595.71.05",
        ),
    ]


def test_blackwell_needs_open_kernel_modules(data: dict[str, Any], root: Path) -> None:
    mirrored(data)
    data["pods"]["pod-a"]["nodes"]["big"] = B200
    data["software"]["nvidia"]["kernelModules"] = "proprietary"
    message = "NVIDIA B200 (big of pod-a) can't work with proprietary kernel modules"
    assert problems(data, root) == [(f"{NVIDIA}.kernelModules", message, "kernelModules: open")]


def own_sku(root: Path, kind: str, name: str, text: str) -> None:
    """Give the site an entry of its own, beside the lab's."""
    skus = root / "inventories" / "lab" / "skus"
    if skus.is_symlink():
        source = skus.resolve()
        skus.unlink()
        (skus / "nodes").mkdir(parents=True)
        for file in (source / "nodes").iterdir():
            (skus / "nodes" / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    (skus / kind).mkdir(exist_ok=True)
    (skus / kind / f"{name}.yaml").write_text(text, encoding="utf-8")


def test_nothing_before_turing_has_open_kernel_modules(data: dict[str, Any], root: Path) -> None:
    own_sku(root, "gpus", "v100", VOLTA.format(id="v100"))
    text = (ROOT / "gridmill" / "catalog" / "nodes" / "srv-4xl40s.yaml").read_text(encoding="utf-8")
    own_sku(root, "nodes", "old", text.replace("srv-4xl40s", "old").replace("type: l40s", "type: v100"))
    data["pods"]["pod-a"]["nodes"]["gpu"]["sku"] = "old"
    message = "NVIDIA V100 (gpu of pod-a) can't work with open kernel modules"
    assert problems(data, root) == [(f"{NVIDIA}.kernelModules", message, "kernelModules: proprietary")]
    data["software"]["nvidia"]["kernelModules"] = "proprietary"
    assert problems(data, root) == []
    mirrored(data)
    data["software"]["nvidia"] |= {"kernelModules": "proprietary", "cuda": {"toolkit": "node", "versions": ["13.1"]}}
    message = "CUDA 13.1 no longer builds for NVIDIA V100 (gpu of pod-a)"
    assert problems(data, root) == [(f"{NVIDIA}.cuda.versions[0]", message, "")]


def test_prebuilt_modules_that_nobody_builds(data: dict[str, Any], root: Path) -> None:
    text = (ROOT / "gridmill" / "catalog" / "nodes" / "srv-4xl40s.yaml").read_text(encoding="utf-8")
    text = text.replace("srv-4xl40s", "signed").replace("sources:", "platform: {kernelModules: prebuilt}\nsources:")
    own_sku(root, "nodes", "signed", text)
    data["pods"]["pod-a"]["nodes"]["gpu"]["sku"] = "signed"
    message = "distro of debian-13 has no prebuilt open kernel modules for signed"
    hint = "`platform: {kernelModules: dkms}` in the SKU"
    assert problems(data, root) == [("pods.pod-a.nodes.gpu.sku", message, hint)]


OFFERED = """\
id: debian-13-mirror
os: debian-13
drivers: ["550.54.13", "595.71.05"]
nccl: ["2.29.3"]
cuda: ["12.4", "12.7"]
packages:
  driver: {nvidia-driver-cuda: ""}
  modules: {open: {dkms: {nvidia-kernel-open-dkms: ""}}}
  persistence: {}
  pinned: [x]
  nccl: {libnccl2: ""}
  cuda: {cuda-toolkit: ""}
sources: [{of: all, from: a test, confidence: unverified}]
"""


def test_a_toolkit_newer_than_the_driver(data: dict[str, Any], root: Path) -> None:
    own_sku(root, "software", "debian-13-mirror", OFFERED)
    mirrored(data)
    data["software"]["nvidia"] |= {"driver": "550.54.13", "cuda": {"toolkit": "node", "versions": ["12.4", "12.7"]}}
    assert problems(data, root) == [
        (
            f"{NVIDIA}.cuda.versions[0]",
            "programs of CUDA 12.4 need driver 550.54.14 or newer, not 550.54.13",
            '"12.2" at most, or a newer driver',
        ),
        (f"{NVIDIA}.cuda.versions[1]", "nothing is known of CUDA 12.7", ""),
    ]
    data["software"]["nvidia"] |= {"driver": "595.71.05", "cuda": {"toolkit": "node", "versions": ["12.4"]}}
    data["pods"]["pod-a"]["nodes"]["big"] = {"sku": "dgx-b200", "at": ["r1/u21"]}
    assert (f"{NVIDIA}.cuda.versions[0]", "CUDA 12.4 can't build for NVIDIA B200 (big of pod-a)", "") in problems(
        data, root
    )


@pytest.mark.parametrize(
    ("cuda", "expected"),
    [
        ({"toolkit": "node"}, ("versions", "no version of the toolkit", "or toolkit: none")),
        (
            {"versions": ["12.4"]},
            ("versions", "versions of a toolkit that is installed nowhere", "or remove the versions"),
        ),
        (
            {"toolkit": "node", "versions": ["12.4", "12.4"]},
            ("versions[1]", "distro of debian-13 has one toolkit at a time", "source: nvidia or mirror for several"),
        ),
        (
            {"toolkit": "shared", "versions": ["12.4"]},
            ("toolkit", "packages of distro lie in /usr, and can't be shared", SHARED_HINT),
        ),
        (
            {"toolkit": "node", "versions": ["12.4"], "volume": "scratch"},
            ("volume", "a volume for toolkits that lie on no volume", "remove it, or write `toolkit: shared`"),
        ),
        (
            {"toolkit": "node", "versions": ["13.1"]},
            ("versions[0]", "distro of debian-13 does not offer 13.1", 'write "12.4"'),
        ),
    ],
)
def test_toolkits(cuda: dict[str, Any], expected: tuple[str, str, str], data: dict[str, Any], root: Path) -> None:
    data["software"]["nvidia"]["cuda"] = cuda
    path, message, hint = expected
    assert (f"{NVIDIA}.cuda.{path}", message, hint) in problems(data, root)


SCRATCH: dict[str, Any] = {"kind": "moosefs", "servedBy": "store", "replicas": 1}


@pytest.mark.parametrize(
    ("cuda", "volumes", "expected"),
    [
        ({}, {}, None),
        ({"volume": "scratch"}, {"more": SCRATCH}, None),
        (
            {},
            {"more": SCRATCH},
            ("volume", "toolkits could lie on scratch or more", "one of them", "such as `volume: scratch`"),
        ),
        (
            {},
            {"scratch": {**SCRATCH, "holds": "users"}},
            (
                "toolkit",
                "no volume for toolkits",
                "a writable volume with `holds: shared`",
                "add a volume such as `software: {kind: ...}` under storage.volumes, or write `toolkit: node`",
            ),
        ),
        (
            {"volume": "tools"},
            {},
            ("volume", "tools is not a volume", "one of scratch", "such as `volume: scratch`"),
        ),
        (
            {"volume": "home"},
            {},
            ("volume", "home holds the users' homes", "one of scratch", "a volume of its own for software"),
        ),
        (
            {"volume": "more"},
            {"more": {**SCRATCH, "holds": "users"}},
            ("volume", "more holds the users' own directories", "one of scratch", "a volume of its own for software"),
        ),
        (
            {"volume": "more"},
            {"more": {**SCRATCH, "readOnly": True}},
            (
                "volume",
                "more is read-only",
                "one of scratch",
                "remove readOnly of more, or name another volume",
            ),
        ),
        (
            {"volume": "more"},
            {"more": {**SCRATCH, "clients": ["control"]}},
            (
                "volume",
                "more is not mounted by gpu",
                "a volume that every login machine and every node that runs jobs mounts",
                "add gpu to storage.volumes.more.clients, or name another volume",
            ),
        ),
    ],
)
def test_toolkits_on_a_volume(
    cuda: dict[str, Any],
    volumes: dict[str, Any],
    expected: tuple[str, str, str, str] | None,
    data: dict[str, Any],
    root: Path,
) -> None:
    mirrored(data)
    data["software"]["nvidia"]["cuda"] = {"toolkit": "shared", "versions": ["13.1", "13.2"], **cuda}
    data["storage"]["volumes"].update(volumes)
    found: list[tuple[str, str, str, str]] = []
    try:
        build_definition(data, root)
    except ProblemsError as error:
        found = [(path_text(one.path), one.message, one.expected, one.hint) for one in error.problems]
    assert found == ([(f"{NVIDIA}.cuda.{expected[0]}", *expected[1:])] if expected else [])


def test_toolkits_of_a_site_without_storage(data: dict[str, Any], root: Path) -> None:
    mirrored(data)
    data["software"]["nvidia"]["cuda"] = {"toolkit": "shared", "versions": ["13.1"]}
    del data["storage"]
    assert (f"{NVIDIA}.cuda.toolkit", "no volume for toolkits") in [one[:2] for one in problems(data, root)]
    data["software"]["nvidia"]["cuda"]["volume"] = "scratch"
    assert (f"{NVIDIA}.cuda.volume", "scratch is not a volume", "add it under storage.volumes") in problems(data, root)


def test_versions_that_the_source_does_not_offer(data: dict[str, Any], root: Path) -> None:
    mirrored(data)
    data["software"]["nvidia"] |= {"driver": "550.163.01", "nccl": "2.22.3"}
    data["software"]["slurm"]["version"] = "25.05"
    assert problems(data, root) == [
        (f"{NVIDIA}.driver", "mirror of debian-13 does not offer 550.163.01", 'write "595.71.05"'),
        (f"{NVIDIA}.nccl", "mirror of debian-13 does not offer 2.22.3", 'write "2.29.3"'),
        ("software.slurm.version", "distro of debian-13 does not offer 25.05", 'write "24.11"'),
    ]


def test_a_mirror_that_is_not_defined(data: dict[str, Any], root: Path) -> None:
    mirrored(data)
    del data["software"]["sources"]
    hint = "mirror: {url: https://..., fingerprint: ...}, and its key in inventories/<site>/keys/mirror.asc"
    assert problems(data, root) == [("software.sources.mirror", "no mirror is defined", hint)]


EXPORT = f"gpg --armor --export {FINGERPRINT} > inventories/lab/keys/mirror.asc"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (None, "does not exist", f"put it there: {EXPORT}"),
        ("", "is no OpenPGP public key in ASCII armor", EXPORT),
        (
            PRIVATE,
            "is a private key",
            "remove it and replace the key: whoever has it can sign packages",
        ),
        (KEY + KEY, "is several keys", EXPORT),
        ("x" * 70_000 + KEY, "is no OpenPGP public key in ASCII armor", EXPORT),
    ],
)
def test_key_files(text: str | None, message: str, hint: str, data: dict[str, Any], root: Path) -> None:
    mirrored(data)
    file = root / "inventories" / "lab" / "keys" / "mirror.asc"
    if text is None:
        file.unlink()
    else:
        file.write_text(text, encoding="utf-8")
    found = ("software.sources.mirror.key", f"inventories/lab/keys/mirror.asc {message}", hint)
    assert problems(data, root) == [found]


def test_a_key_with_another_fingerprint_is_not_trusted(data: dict[str, Any], root: Path) -> None:
    mirrored(data, fingerprint="0" * 40)
    message = f"inventories/lab/keys/mirror.asc holds the key {FINGERPRINT}"
    hint = "find out who signs the repository before you change either of them"
    assert problems(data, root) == [("software.sources.mirror.key", message, hint)]


def test_nvidias_own_key_is_told_by_the_catalogue(data: dict[str, Any], root: Path) -> None:
    mirrored(data)
    data["software"]["nvidia"]["source"] = "nvidia"
    [(path, message, hint)] = problems(data, root)
    assert (path, message) == ("software.sources.nvidia.key", "inventories/lab/keys/nvidia.asc does not exist")
    assert hint.endswith("/debian13/x86_64/8793F200.pub")
    (root / "inventories" / "lab" / "keys" / "nvidia.asc").write_text(KEY, encoding="utf-8")
    assert problems(data, root)[0][1] == f"inventories/lab/keys/nvidia.asc holds the key {FINGERPRINT}"


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"url": "ftp://packages.example"}, "url", "`ftp://packages.example` is not valid"),
        ({"url": "https://user:secret@packages.example"}, "url", "`https://user:secret@packages.example` is not valid"),
        ({"url": "https://packages.example/\nTrusted: yes"}, "url", "`https://packages.example/\\nTrusted: yes` is not valid"),
        ({"url": "https://{{ x }}/"}, "url", "`https://{{ x }}/` is not valid"),
        ({"trusted": True}, "trusted", "unknown key"),
        ({"key": "../../id_ed25519.asc"}, "key", "`../../id_ed25519.asc` is not valid"),
        ({"origin": "NVIDIA, n=trixie"}, "origin", "`NVIDIA, n=trixie` is not valid"),
        ({"fingerprint": "8793F200"}, "fingerprint", "8793F200 is not a fingerprint"),
        ({"suites": []}, "suites", "`a list` is not valid"),
        ({"suites": ["../x"]}, "suites[0]", "`../x` is not valid"),
        ({"suites": ["trixie"]}, "components", "a suite without components"),
        ({"components": ["main"]}, "components", "components of a suite that ends with /"),
    ],
)  # fmt: skip
def test_mirrors(changes: dict[str, Any], path: str, message: str, data: dict[str, Any], root: Path) -> None:
    mirrored(data, **changes)
    assert [(found[0], found[1]) for found in problems(data, root)] == [(f"software.sources.mirror.{path}", message)]


def test_versions_compare_as_numbers() -> None:
    assert number("550.54.9") < number("550.54.14") < number("550.163.01") < number("570.26")


def test_every_offered_toolkit_is_known_to_the_compatibility_data() -> None:
    catalog = load_catalog()
    known = catalog.compatibility["nvidia"]
    for offered in catalog.software.values():
        assert set(offered.cuda) <= set(known.cuda), offered.id
        newest = max(offered.drivers, key=number)
        assert all(number(known.cuda[version]) <= number(newest) for version in offered.cuda), offered.id
    for gpu in catalog.gpus.values():
        assert gpu.architecture in known.architectures

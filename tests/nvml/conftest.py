"""The library, compiled once, and machines described for it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pynvml
import pytest

SOURCES = Path(__file__).resolve().parents[2] / "gridmill" / "lab" / "nvml"

DGX_H100 = {
    "model": "NVIDIA H100 80GB HBM3",
    "count": "8",
    "memory_mib": "81559",
    "power_min_w": "200",
    "power_max_w": "700",
    "power_default_w": "700",
    "nvlinks": "18",
    "seed": "pod-a-r1-u01",
}


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled library, loaded: whoever asks for libnvidia-ml.so.1 in this process gets it."""
    path = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    compiled = subprocess.run([str(SOURCES / "compile.sh"), str(path)], check=False, capture_output=True, text=True)
    assert (compiled.returncode, compiled.stderr) == (0, "")
    ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    return path


def symbol_table() -> dict[str, str]:
    """Name to `ours` or `unsupported`, as the table in the tree says."""
    table = {}
    for line in (SOURCES / "symbols.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, kind = line.split()
            table[name] = kind
    return table


def write_settings(path: Path, settings: dict[str, str]) -> None:
    path.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of what callers change; others than its owner may look into it."""
    with tempfile.TemporaryDirectory(prefix="gridmill-nvml-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        monkeypatch.setenv("GRIDMILL_LAB_GPU_STATE", name)
        yield directory


@contextmanager
def initialised() -> Iterator[None]:
    """NVML between nvmlInit and nvmlShutdown."""
    pynvml.nvmlInit()
    try:
        yield
    finally:
        pynvml.nvmlShutdown()


@contextmanager
def without_permission(directory: Path) -> Iterator[None]:
    """As somebody who may read the directory and not write it, and who is not root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    else:
        directory.chmod(0o555)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        else:
            directory.chmod(0o755)


@pytest.fixture
def describe(library: Path, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Describe the machine of this test: an H100 machine, with what is given changed; None leaves a key out."""

    def write(**changes: str | None) -> None:
        settings = {**DGX_H100, **changes}
        path = state / "gpus.conf"
        write_settings(path, {key: value for key, value in settings.items() if value is not None})
        monkeypatch.setenv("GRIDMILL_LAB_GPUS", str(path))

    return write


@pytest.fixture
def gpus(describe: Callable[..., None]) -> Iterator[list[object]]:
    """The handles of a machine with eight H100."""
    describe()
    with initialised():
        yield [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]

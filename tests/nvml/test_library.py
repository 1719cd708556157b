"""The library as a file: what it exports, what it needs, what stands behind each name."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest

from tests.nvml.conftest import initialised, symbol_table

NAMES_OF_DRIVER_550 = 350
OLDEST_TARGET_GLIBC = (2, 41)  # Debian 13


def dynamic_symbols(library: Path) -> str:
    return subprocess.run(["objdump", "-T", str(library)], check=True, capture_output=True, text=True).stdout


def test_the_table_is_as_long_as_the_driver_says(library: Path) -> None:
    names = list(symbol_table())

    assert len(names) == NAMES_OF_DRIVER_550
    assert names == sorted(names)


def test_it_exports_the_names_of_the_table_and_no_others(library: Path) -> None:
    defined = re.findall(r" \.text\s+[0-9a-f]+\s+(?:Base\s+)?(\w+)$", dynamic_symbols(library), re.MULTILINE)

    assert sorted(defined) == sorted(symbol_table())


def test_every_name_of_the_table_resolves(library: Path) -> None:
    loaded = ctypes.CDLL(str(library))

    missing = [name for name in symbol_table() if not hasattr(loaded, name)]

    assert missing == []


def test_every_unsupported_name_says_so(library: Path) -> None:
    loaded = ctypes.CDLL(str(library))
    names = [name for name, kind in symbol_table().items() if kind == "unsupported"]

    answers = {name: getattr(loaded, name)(None, None, None) for name in names}

    assert names
    assert set(answers.values()) == {pynvml.NVML_ERROR_NOT_SUPPORTED}


def test_a_client_is_told_what_is_not_supported(gpus: list[object]) -> None:
    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetFanSpeed(gpus[0])


def test_the_trace_names_what_a_program_misses(
    gpus: list[object], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRIDMILL_LAB_GPU_TRACE", "1")

    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetFanSpeed(gpus[0])

    assert capfd.readouterr().err == "simulated NVML: nvmlDeviceGetFanSpeed is not supported\n"


def test_it_runs_with_the_c_library_of_the_machines(library: Path) -> None:
    versions = re.findall(r"GLIBC_(\d+)\.(\d+)", dynamic_symbols(library))

    assert versions
    assert max((int(major), int(minor)) for major, minor in versions) <= OLDEST_TARGET_GLIBC


def test_nothing_of_the_building_machine_is_inside(library: Path) -> None:
    contents = library.read_bytes()

    assert str(Path(__file__).resolve().parents[2]).encode() not in contents
    assert b"/tmp/" not in contents


def test_nothing_works_before_it_is_initialised(describe: Callable[..., None]) -> None:
    describe()
    with initialised():
        device = pynvml.nvmlDeviceGetHandleByIndex(0)

    with pytest.raises(pynvml.NVMLError_Uninitialized):
        pynvml.nvmlDeviceGetName(device)


def test_nvidia_smi_finds_the_table_that_it_insists_on(library: Path, gpus: list[object]) -> None:
    identifier = bytes.fromhex("c4fe3e6cc98f6c4ea327ee696e12f7c4")
    device_by_index = 81
    loaded = ctypes.CDLL(str(library))
    table = ctypes.POINTER(ctypes.c_void_p)()

    answer = loaded.nvmlInternalGetExportTable(ctypes.byref(table), identifier)

    assert answer == pynvml.NVML_SUCCESS
    function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)(table[device_by_index] or 0)
    handle = ctypes.c_void_p()
    assert function(len(gpus) - 1, ctypes.byref(handle)) == pynvml.NVML_SUCCESS
    assert function(len(gpus), ctypes.byref(handle)) == pynvml.NVML_ERROR_INVALID_ARGUMENT
    assert handle.value == ctypes.cast(gpus[-1], ctypes.c_void_p).value  # type: ignore[arg-type]

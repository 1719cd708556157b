"""Power: limits that all processes share, and a draw that honours them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest

from tests.nvml.conftest import initialised, without_permission

WORKER = Path(__file__).with_name("power_worker.py")


def start_worker(library: Path, *arguments: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WORKER), *map(str, arguments)],
        env={**os.environ, "LD_LIBRARY_PATH": str(library.parent)},
        stdout=subprocess.PIPE,
        text=True,
    )


def finish_worker(worker: subprocess.Popen[str]) -> int:
    output, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0
    return int(output)


def limits(gpus: list[object]) -> list[int]:
    return [pynvml.nvmlDeviceGetPowerManagementLimit(gpu) // 1000 for gpu in gpus]


def test_limits_begin_at_their_default(gpus: list[object]) -> None:
    assert limits(gpus) == [700] * 8
    assert pynvml.nvmlDeviceGetPowerManagementDefaultLimit(gpus[0]) == 700_000
    assert pynvml.nvmlDeviceGetPowerManagementLimitConstraints(gpus[0]) == [200_000, 700_000]


def test_a_limit_is_set_for_one_gpu(gpus: list[object]) -> None:
    pynvml.nvmlDeviceSetPowerManagementLimit(gpus[3], 500_000)

    assert limits(gpus) == [700, 700, 700, 500, 700, 700, 700, 700]
    assert pynvml.nvmlDeviceGetEnforcedPowerLimit(gpus[3]) == 500_000


def test_the_newer_call_sets_the_same_limit(gpus: list[object]) -> None:
    pynvml.nvmlDeviceSetPowerManagementLimit_v2(gpus[0], pynvml.NVML_POWER_SCOPE_GPU, 300_000)

    assert limits(gpus)[0] == 300


@pytest.mark.parametrize("milliwatts", [0, 199_999, 700_001, 4_000_000_000])
def test_a_limit_out_of_range_is_refused(gpus: list[object], milliwatts: int) -> None:
    with pytest.raises(pynvml.NVMLError_InvalidArgument):
        pynvml.nvmlDeviceSetPowerManagementLimit(gpus[0], milliwatts)

    assert limits(gpus)[0] == 700


@pytest.mark.parametrize("before", ["nothing was set", "something was set"])
def test_only_root_may_set(gpus: list[object], state: Path, before: str) -> None:
    expected = 700
    if before == "something was set":
        expected = 600
        pynvml.nvmlDeviceSetPowerManagementLimit(gpus[0], 600_000)

    with without_permission(state):
        assert limits(gpus)[0] == expected
        with pytest.raises(pynvml.NVMLError_NoPermission):
            pynvml.nvmlDeviceSetPowerManagementLimit(gpus[0], 500_000)
        with pytest.raises(pynvml.NVMLError_NoPermission):
            pynvml.nvmlDeviceSetPersistenceMode(gpus[0], pynvml.NVML_FEATURE_ENABLED)

    assert limits(gpus)[0] == expected


def test_other_processes_see_the_limit(library: Path, gpus: list[object]) -> None:
    pynvml.nvmlDeviceSetPowerManagementLimit(gpus[6], 450_000)

    assert finish_worker(start_worker(library, 6)) == 450
    assert finish_worker(start_worker(library, 6, 350)) == 350
    assert limits(gpus)[6] == 350


def test_processes_at_once_lose_nothing(library: Path, gpus: list[object]) -> None:
    wanted = {index: [300 + index, 400 + index] * 100 + [500 + index] for index in range(4)}

    workers = [start_worker(library, index, *watts) for index, watts in wanted.items()]
    while any(worker.poll() is None for worker in workers):
        assert all(200 <= watts <= 700 for watts in limits(gpus))

    assert [finish_worker(worker) for worker in workers] == [500, 501, 502, 503]
    assert limits(gpus) == [500, 501, 502, 503, 700, 700, 700, 700]


def test_limits_are_gone_after_a_reboot(gpus: list[object], state: Path) -> None:
    pynvml.nvmlDeviceSetPowerManagementLimit(gpus[0], 500_000)

    for path in state.glob("gpus.state*"):
        path.unlink()

    assert limits(gpus)[0] == 700


def test_a_limit_of_another_description_does_not_count(describe: Callable[..., None]) -> None:
    describe()
    with initialised():
        pynvml.nvmlDeviceSetPowerManagementLimit(pynvml.nvmlDeviceGetHandleByIndex(0), 700_000)
    describe(power_max_w="350", power_default_w="310", power_min_w="100")

    with initialised():
        assert limits([pynvml.nvmlDeviceGetHandleByIndex(0)]) == [310]


def test_an_idle_gpu_draws_like_one(gpus: list[object]) -> None:
    draws = [pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000 for gpu in gpus]

    assert all(65 <= draw <= 112 for draw in draws)
    assert len({round(draw) for draw in draws}) > 1
    assert all(pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu == 0 for gpu in gpus)


def test_load_raises_the_draw_up_to_the_limit(gpus: list[object], state: Path) -> None:
    pynvml.nvmlDeviceSetPowerManagementLimit(gpus[1], 400_000)
    lines = [f"gpu.{index}.utilization_percent = 100\n" for index in (0, 1)]
    (state / "gpus.load").write_text("".join(lines) + "gpu.1.memory_used_mib = 70000\n")

    free, capped = (pynvml.nvmlDeviceGetPowerUsage(gpus[index]) for index in (0, 1))
    clocks = [pynvml.nvmlDeviceGetClockInfo(gpus[index], pynvml.NVML_CLOCK_SM) for index in (0, 1)]
    reasons = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpus[1])

    assert 690_000 <= free <= 700_000
    assert 390_000 <= capped <= 400_000
    assert clocks[1] < clocks[0] == 1980
    assert reasons & pynvml.nvmlClocksThrottleReasonSwPowerCap
    assert pynvml.nvmlDeviceGetMemoryInfo(gpus[1]).used >= 70000 << 20
    assert pynvml.nvmlDeviceGetTemperature(gpus[0], 0) > pynvml.nvmlDeviceGetTemperature(gpus[2], 0)


def test_modes_are_kept_too(gpus: list[object]) -> None:
    pynvml.nvmlDeviceSetPersistenceMode(gpus[0], pynvml.NVML_FEATURE_ENABLED)
    pynvml.nvmlDeviceSetApplicationsClocks(gpus[0], 2619, 1500)

    assert [pynvml.nvmlDeviceGetPersistenceMode(gpu) for gpu in gpus[:2]] == [1, 0]
    assert pynvml.nvmlDeviceGetApplicationsClock(gpus[0], pynvml.NVML_CLOCK_SM) == 1500

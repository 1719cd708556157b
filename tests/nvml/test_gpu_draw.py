"""A meter outside a machine and NVML in it follow one model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pynvml
import pytest

from gridmill.lab import gpu_draw


def test_a_meter_sees_what_nvml_tells(gpus: list[object], library: Path) -> None:
    told = sum(pynvml.nvmlDeviceGetPowerUsage(gpu) for gpu in gpus) / 1000
    done = subprocess.run(
        [sys.executable, "-I", "-S", gpu_draw.__file__, str(library)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == pytest.approx(told, abs=8 * 700 / 500), "but for what flutters from second to second"
    assert float(done.stdout) > 8 * 60, "idle"

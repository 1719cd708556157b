"""Prints what a machine's simulated GPUs draw together, in W: `python gpu_draw.py LIBRARY`, a process per machine.

The library is the lab's NVML, so that a meter outside a machine and `nvidia-smi` in it follow one model. Which machine
it is, the environment says (GRIDMILL_LAB_GPUS, GRIDMILL_LAB_GPU_STATE).
"""

from __future__ import annotations

import ctypes
import sys


def total_w(library: str) -> float:
    """Draw of all GPUs; OSError when the library refuses."""
    nvml = ctypes.CDLL(library)

    def call(name: str, *arguments: object) -> None:
        if status := getattr(nvml, name)(*arguments):
            raise OSError(f"{name}: NVML error {status}")

    count, draw, device = ctypes.c_uint(), ctypes.c_uint(), ctypes.c_void_p()
    call("nvmlInit_v2")
    call("nvmlDeviceGetCount_v2", ctypes.byref(count))
    total = 0
    for index in range(count.value):
        call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(device))
        call("nvmlDeviceGetPowerUsage", device, ctypes.byref(draw))
        total += draw.value
    return total / 1000


if __name__ == "__main__":
    print(f"{total_w(sys.argv[1]):.1f}")

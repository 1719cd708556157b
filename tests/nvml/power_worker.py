"""A process of its own that caps one GPU again and again: power_worker.py INDEX WATT [WATT ...]."""

from __future__ import annotations

import sys

import pynvml


def main(arguments: list[str]) -> None:
    """Set each limit in turn (watts), then print the one that is read back."""
    index, *limits = (int(argument) for argument in arguments)
    pynvml.nvmlInit()
    device = pynvml.nvmlDeviceGetHandleByIndex(index)
    for watts in limits:
        pynvml.nvmlDeviceSetPowerManagementLimit(device, watts * 1000)
    print(pynvml.nvmlDeviceGetPowerManagementLimit(device) // 1000)
    pynvml.nvmlShutdown()


if __name__ == "__main__":
    main(sys.argv[1:])

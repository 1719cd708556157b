"""What all tests of components stand on."""

from __future__ import annotations

import asyncio

import pytest

LOOP = asyncio.new_event_loop()
"""The loop that Pulumi's mocks work in. Like Pulumi's root stack it lives as long as the process: closing it would end
its threads, and with them the loops that Pulumi leaves open in each."""


@pytest.fixture(autouse=True)
def in_pulumis_loop() -> None:
    """Whatever ran before on this worker: `asyncio.run` takes the thread's loop away, and Pulumi needs one."""
    asyncio.set_event_loop(LOOP)

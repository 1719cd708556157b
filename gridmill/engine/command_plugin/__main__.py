"""The plugin's process: the provider protocol on a loopback port, whose number it prints."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import grpc.aio  # type: ignore[import-untyped]
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2_grpc

from .service import CommandProvider

MESSAGE_LIMIT = 400 * 1024 * 1024
"""Largest gRPC message in bytes, both ways: the limit the engine and the SDKs use."""

PARENT_CHECK_SECONDS = 5.0

_OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
]


async def serve(engine_address: str | None) -> None:
    """Serve until the engine interrupts us or has gone away; `engine_address` is where log lines go."""
    parent = os.getppid()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    channel = grpc.aio.insecure_channel(engine_address, options=_OPTIONS) if engine_address else None
    provider = CommandProvider(engine_pb2_grpc.EngineStub(channel) if channel else None)
    server = grpc.aio.server(options=_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not stop.is_set() and os.getppid() == parent:
        try:
            await asyncio.wait_for(stop.wait(), PARENT_CHECK_SECONDS)
        except TimeoutError:
            continue
    provider.cancel_all()
    await server.stop(grace=None)
    if channel:
        await channel.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-check"]:
        sys.stdout.write("the stand-in for pulumi-resource-command starts\n")
    else:
        addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
        asyncio.run(serve(addresses[0] if addresses else None))

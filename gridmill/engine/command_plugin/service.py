"""The provider protocol for `command:local:Command` and `command:local:run`, as pulumi-command 1.2.1."""

# The protocol names the methods and documents them; its contexts and stubs are generated without types.
# ruff: noqa: N802, D102

from __future__ import annotations

import contextlib
import secrets
from typing import Any, Never

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import engine_pb2, plugin_pb2, provider_pb2, provider_pb2_grpc

from .diff import differences, replaces
from .inputs import FUNCTION_INPUTS, RESOURCE_INPUTS, invocation, problems
from .process import CommandFailedError, LogLine, Runner
from .properties import UNKNOWN, decode, encode, reveal
from .schema import SCHEMA

VERSION = "1.2.1"
"""The version of the official plugin whose place this one takes."""

COMMAND_TYPE = "command:local:Command"
RUN_FUNCTION = "command:local:run"
OUTPUTS = ("stdout", "stderr")


class CommandProvider(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine; commands run side by side, each in its own request."""

    def __init__(self, engine: Any | None) -> None:
        """Start with nothing running; `engine` is the stub that takes log lines, None drops them."""
        self._engine = engine
        self._runner = Runner()

    def cancel_all(self) -> None:
        """Kill the direct child of every command under way."""
        self._runner.cancel()

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    async def GetSchema(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetSchemaResponse(schema=SCHEMA)

    async def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    async def DiffConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    async def Configure(self, request: Any, context: Any) -> Any:
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=True)

    async def Cancel(self, request: Any, context: Any) -> Any:
        self.cancel_all()
        return empty_pb2.Empty()

    async def Check(self, request: Any, context: Any) -> Any:
        await _refuse_other_types(request.urn, context)
        found = problems(decode(request.news), RESOURCE_INPUTS)
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(found))

    async def Diff(self, request: Any, context: Any) -> Any:
        news, old_inputs = decode(request.news), decode(request.old_inputs)
        _keep_ignored(news, old_inputs, request.ignoreChanges)
        changes = differences(old_inputs, news)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=[path for path in changes if replaces(path)],
            diffs=sorted({path.split(".")[0].split("[")[0] for path in changes}),
            detailedDiff={
                path: provider_pb2.PropertyDiff(kind=_kind(change, replace=replaces(path)), inputDiff=False)
                for path, change in changes.items()
            },
            hasDetailedDiff=True,
        )

    async def Create(self, request: Any, context: Any) -> Any:
        inputs = decode(request.properties)
        name = request.urn.rpartition("::")[2]
        outputs: dict[str, Any] = dict.fromkeys(OUTPUTS, UNKNOWN if request.preview else "")
        if not request.preview and "create" in inputs:
            outputs = await self._run("create", inputs, outputs, request, context)
        return provider_pb2.CreateResponse(id=f"{name}{secrets.token_hex(4)}", properties=encode(inputs | outputs))

    async def Update(self, request: Any, context: Any) -> Any:
        olds, inputs = decode(request.olds), decode(request.news)
        _keep_ignored(inputs, olds, request.ignoreChanges)
        outputs: dict[str, Any] = {name: olds.get(name, "") for name in OUTPUTS}
        command = "update" if "update" in inputs else "create"
        if request.preview:
            # As the official plugin: a new input is no reason to doubt the outputs, a changed one is.
            if any(olds[name] != inputs.get(name) for name in RESOURCE_INPUTS if name in olds):
                outputs = dict.fromkeys(OUTPUTS, UNKNOWN)
        elif command in inputs:
            outputs = await self._run(command, inputs, outputs, request, context)
        return provider_pb2.UpdateResponse(properties=encode(inputs | outputs))

    async def Delete(self, request: Any, context: Any) -> Any:
        state = decode(request.properties)
        if "delete" in state:
            await self._run("delete", state, {name: state.get(name, "") for name in OUTPUTS}, request, context)
        return empty_pb2.Empty()

    async def Read(self, request: Any, context: Any) -> Any:
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    async def Invoke(self, request: Any, context: Any) -> Any:
        if request.tok != RUN_FUNCTION:
            await _not_here(context, request.tok)
        arguments = decode(request.args)
        if found := problems(arguments, FUNCTION_INPUTS):
            return provider_pb2.InvokeResponse(failures=_failures(found))
        outputs = await self._run("command", arguments, {}, request, context)
        return provider_pb2.InvokeResponse(**{"return": encode(arguments | outputs)})

    async def _run(
        self, command: str, inputs: dict[str, Any], previous: dict[str, Any], request: Any, context: Any
    ) -> dict[str, Any]:
        """Outputs of the command under the input `command`; its failure ends the request."""
        asked = invocation(reveal(inputs[command]), inputs, previous)
        try:
            result = await self._runner.run(
                asked, self._log(getattr(request, "urn", "")), getattr(request, "timeout", 0)
            )
        except CommandFailedError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
            raise
        return {"stdout": result.stdout, "stderr": result.stderr}

    def _log(self, urn: str) -> LogLine:
        async def log(line: str) -> None:
            if self._engine:
                request = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=line, urn=urn, ephemeral=True)
                with contextlib.suppress(grpc.aio.AioRpcError):  # a line that cannot be shown fails no command
                    await self._engine.Log(request)

        return log


async def _refuse_other_types(urn: str, context: Any) -> None:
    wanted = urn.split("::")[2].rsplit("$", maxsplit=1)[-1]
    if wanted != COMMAND_TYPE:
        await _not_here(context, wanted)


async def _not_here(context: Any, wanted: str) -> Never:
    await context.abort(
        grpc.StatusCode.UNIMPLEMENTED,
        f"{wanted} is not in this stand-in for the pulumi-command plugin; the official plugin has it",
    )
    raise AssertionError("abort does not return")


def _keep_ignored(news: dict[str, Any], olds: dict[str, Any], ignored: Any) -> None:
    for name in ignored:
        if name in olds:
            news[name] = olds[name]


def _failures(found: list[tuple[str, str]]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in found]


def _kind(change: str, *, replace: bool) -> Any:
    return provider_pb2.PropertyDiff.Kind.Value(f"{change.upper()}_REPLACE" if replace else change.upper())

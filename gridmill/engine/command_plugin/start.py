"""Start of the installed plugin: puts the plugin's own directory on the module path and runs it.

The installed directory holds `command_plugin/` (this package) and `lib/` (grpcio, protobuf and the Pulumi
SDK, of which only the protocol modules are used). Importing `pulumi` itself would load the whole SDK with its
tracing packages; two empty packages in its place halve the start of the plugin, which every `pulumi` command
pays for.
"""

from __future__ import annotations

import runpy
import sys
import types
from pathlib import Path


def main() -> None:
    """Run the plugin; arguments are those of any Pulumi plugin (the engine's address)."""
    directory = Path(__file__).resolve().parents[1]
    library = directory / "lib"
    sys.path[:0] = [str(directory), str(library)]
    for name in ("pulumi", "pulumi.runtime"):
        package = types.ModuleType(name)
        package.__path__ = [str(library.joinpath(*name.split(".")))]
        sys.modules[name] = package
    runpy.run_module("command_plugin", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

"""`gridmill engine ensure | plugin | env [--stack NAME]`: the Pulumi engine that runs projects with sites.

ensure  make sure that an engine is there, and print its directory
plugin  make sure that the command plugin is installed for that engine
env     print shell lines that set the environment: eval "$(gridmill engine env --stack lab)"
        The lab's public passphrase is set for stack lab only; any other stack needs one of your own.

Progress goes to standard error. In a checkout without a virtual environment: `python3 tools/engine.py`, which needs
Python >= 3.11 without packages.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from .ensure import ensure_engine
from .environment import LAB_STACK, PASSPHRASE_FILE, environment, passphrase_set, unwanted
from .errors import SetupError
from .found import Engine, find_engine
from .locations import backend_directory
from .plugin import ensure_plugin


def add_engine_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of `gridmill engine`."""
    command.add_argument("action", choices=("ensure", "plugin", "env"), help="make sure of the engine, of its plugin,"
                         " or print what a shell is to evaluate")  # fmt: skip
    command.add_argument("--stack", help="stack that `env` is for; without it, no passphrase is set")


def engine(options: argparse.Namespace) -> int:
    """Do one of the three things; returns the exit status."""
    try:
        if options.action == "ensure":
            sys.stdout.write(f"{ensure_engine().directory}\n")
        elif options.action == "plugin":
            ensure_plugin(_engine())
        else:
            _print_environment(options.stack)
    except SetupError as error:
        sys.stderr.write(f"engine: {error}\n")
        return 1
    return 0


def main(arguments: list[str]) -> int:
    """The same for `python3 tools/engine.py`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_engine_arguments(parser)
    return engine(parser.parse_args(arguments))


def _print_environment(stack: str | None) -> None:
    backend_directory().mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = _engine()
    wanted = environment(engine, stack, os.environ)
    for name, value in wanted.items():
        if name == "PATH":  # the shell's own, not ours: a Python behind a shim sees another one
            directory = shlex.quote(str(engine.directory))
            line = f'case ":$PATH:" in *:{directory}:*) ;; *) export PATH={directory}:"$PATH" ;; esac'
        else:
            line = f"export {name}={shlex.quote(value)}"
        sys.stdout.write(f"{line}\n")
    for name in (dropped := unwanted(stack, os.environ)):
        sys.stdout.write(f"unset {name}\n")
    if stack == LAB_STACK and (dropped or (PASSPHRASE_FILE in wanted and PASSPHRASE_FILE in os.environ)):
        sys.stderr.write("engine: this shell has the lab's passphrase now; `env --stack NAME` for another stack\n")
    elif dropped or (PASSPHRASE_FILE not in wanted and not passphrase_set(os.environ)):
        hint = "" if stack else "; for the virtual site: --stack lab"
        sys.stderr.write(f"engine: set {PASSPHRASE_FILE} to a file with your stack's passphrase{hint}\n")


def _engine() -> Engine:
    engine = find_engine()
    if engine is None:
        raise SetupError("no engine is set up; run `gridmill engine ensure` (in a checkout `make setup`)")
    return engine

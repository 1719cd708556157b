"""Set-up of the Pulumi engine: `python3 tools/engine.py ensure | plugin | env [--stack NAME]`.

ensure  make sure that an engine is there, and print its directory
plugin  make sure that the command plugin is installed for that engine
env     print shell lines that set the environment: eval "$(python3 tools/engine.py env --stack lab)"
        The lab's public passphrase is set for stack lab only; any other stack needs one of your own.

Runs on any Python >= 3.11 without packages. Progress goes to standard error.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.engine_setup.ensure import ensure_engine
from tools.engine_setup.environment import LAB_STACK, PASSPHRASE_FILE, environment, passphrase_set, unwanted
from tools.engine_setup.errors import SetupError
from tools.engine_setup.found import Engine, find_engine
from tools.engine_setup.locations import backend_directory
from tools.engine_setup.plugin import ensure_plugin


def main(arguments: list[str]) -> int:
    """Do one of the three things; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("ensure", "plugin", "env"))
    parser.add_argument("--stack", help="stack that `env` is for; without it, no passphrase is set")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.action == "ensure":
            sys.stdout.write(f"{ensure_engine().directory}\n")
        elif chosen.action == "plugin":
            ensure_plugin(_engine())
        else:
            _print_environment(chosen.stack)
    except SetupError as error:
        sys.stderr.write(f"engine: {error}\n")
        return 1
    return 0


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
        raise SetupError("no engine is set up; run `make setup` (or `python3 tools/engine.py ensure`)")
    return engine


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

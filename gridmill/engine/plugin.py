"""The command plugin in PULUMI_HOME: the official one, or where it cannot be had the stand-in."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gridmill.operations.places import TOOLKIT

from .errors import SetupError
from .found import Engine
from .locations import HERE, PLUGIN_VERSION, own_pulumi_home
from .progress import run, say, step

EXECUTABLE = "pulumi-resource-command"
MARKER = "STAND-IN"
"""File in the installed stand-in: first line is the digest of what it was made of."""

SOURCES = HERE / "command_plugin"
LIBRARIES = ("grpcio", "protobuf", "pulumi", "typing-extensions")
"""What the stand-in needs of the locked requirements; of `pulumi` only the protocol modules."""

OFFICIAL_SECONDS = 180.0
INSTALL_SECONDS = 300.0


def ensure_plugin(engine: Engine) -> str:
    """Make sure that the plugin is installed; returns "official" or "stand-in".

    GRIDMILL_COMMAND_PLUGIN=official|stand-in allows only that one.

    Raises:
        SetupError: neither can be installed.
    """
    forced = os.environ.get("GRIDMILL_COMMAND_PLUGIN", "")
    if forced not in ("", "official", "stand-in"):
        raise SetupError(f"GRIDMILL_COMMAND_PLUGIN is {forced!r}; it can be official or stand-in")
    installed = installed_kind(plugin_directory(engine))
    if installed == "official" and forced != "stand-in":
        say(f"the official command plugin {PLUGIN_VERSION} is installed")
        return installed
    if installed == "stand-in" and forced != "official" and _is_current(plugin_directory(engine)):
        say(f"the stand-in for the command plugin {PLUGIN_VERSION} is installed")
        return installed
    if forced == "official" or (not forced and installed is None):
        try:
            _install_official(engine)
        except SetupError as error:
            if forced:
                raise
            say(f"the official command plugin cannot be had ({str(error).splitlines()[-1].strip()})")
        else:
            return "official"
    _install_stand_in(engine)
    return "stand-in"


def plugin_directory(engine: Engine) -> Path:
    """Where the engine keeps the plugin."""
    users_home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    home = users_home if engine.users_own else own_pulumi_home()
    return home / "plugins" / f"resource-command-v{PLUGIN_VERSION}"


def installed_kind(directory: Path) -> str | None:
    """What is installed in the plugin's directory: "official", "stand-in", or None (half-made)."""
    if not os.access(directory / EXECUTABLE, os.X_OK) or directory.with_name(f"{directory.name}.partial").exists():
        return None
    return "stand-in" if (directory / MARKER).is_file() else "official"


def digest() -> str:
    """Digest of everything the stand-in is made of: its source, its locked libraries."""
    content = hashlib.sha256()
    for file in sorted(SOURCES.glob("*.py")):
        content.update(file.name.encode() + b"\0" + file.read_bytes())
    content.update(locked(LIBRARIES).encode())
    return content.hexdigest()


def locked(names: tuple[str, ...]) -> str:
    """The entries of the locked requirements for these packages, hashes included."""
    text = (TOOLKIT / "requirements.txt").read_text()
    entries = re.findall(r"^[A-Za-z0-9][^\n]*(?:\n[ \t]+[^\n]*)*", text, flags=re.MULTILINE)
    chosen = [entry for entry in entries if re.split(r"[=<>\[ ;]", entry)[0] in names]
    if len(chosen) != len(names):
        raise SetupError(f"requirements.txt does not lock each of {', '.join(names)}")
    return "\n".join(chosen) + "\n"


def make_stand_in(target: Path, scratch: Path) -> None:
    """Lay out the plugin in the empty directory `target`: launcher, source, libraries, marker."""
    requirements = scratch / "requirements.txt"
    requirements.write_text(locked(LIBRARIES))
    arguments = [
        _python_with_pip(),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    arguments += [
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--target",
        str(target / "lib"),
        "-r",
        str(requirements),
    ]
    run(arguments, environment=dict(os.environ), log=scratch / "pip.log", timeout_seconds=INSTALL_SECONDS)
    package = target / "command_plugin"
    shutil.copytree(SOURCES, package, ignore=shutil.ignore_patterns("__pycache__"))
    launcher = target / EXECUTABLE
    launcher.write_text(_launcher())
    launcher.chmod(0o755)
    (target / MARKER).write_text(f"{digest()}\nThis is Gridmill's stand-in for the pulumi-command plugin.\n")


def _launcher() -> str:
    python = _interpreter()
    return f"""#!/bin/sh
# Gridmill's stand-in for the pulumi-command plugin; see command_plugin/README.md beside this file.
if ! [ -x '{python}' ]; then
    echo 'The stand-in for the command plugin was made for {python}, which is gone.' >&2
    echo 'Make it again: gridmill engine plugin' >&2
    exit 1
fi
exec '{python}' -I "${{0%/*}}/command_plugin/start.py" "$@"
"""


def _interpreter() -> str:
    """The Python that outlives any virtual environment: the one this one was made from."""
    named = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return str(named if named.exists() else Path(sys.executable).resolve())


def _python_with_pip() -> str:
    """A Python of this very version that has pip: this one, or that of a checkout's virtual environment."""
    version = f"import sys, pip; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    for python in (sys.executable, str(TOOLKIT / ".venv" / "bin" / "python")):
        if (
            Path(python).exists()
            and subprocess.run([python, "-c", version], capture_output=True, check=False).returncode == 0
        ):
            return python
    raise SetupError("no Python with pip here: make the virtual environment first, or install the package python3-pip")


def _is_current(directory: Path) -> bool:
    """Whether the installed stand-in is made of what is here now, and starts."""
    if (directory / MARKER).read_text().partition("\n")[0] != digest():
        return False
    check = [str(directory / EXECUTABLE), "--self-check"]
    return subprocess.run(check, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def _install_official(engine: Engine) -> None:
    with (
        tempfile.TemporaryDirectory() as scratch,
        step(f"installation of the command plugin {PLUGIN_VERSION}"),
    ):
        _pulumi_install(engine, [], Path(scratch), OFFICIAL_SECONDS)


def _install_stand_in(engine: Engine) -> None:
    what = f"installation of the stand-in for the command plugin {PLUGIN_VERSION}"
    with tempfile.TemporaryDirectory() as name, step(what):
        scratch = Path(name)
        made = scratch / "plugin"
        made.mkdir()
        make_stand_in(made, scratch)
        _pulumi_install(engine, ["--reinstall", "--file", str(made)], scratch, INSTALL_SECONDS)


def _pulumi_install(engine: Engine, more: list[str], scratch: Path, timeout_seconds: float) -> None:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    if not engine.users_own:
        environment["PULUMI_HOME"] = str(own_pulumi_home())
    arguments = [
        str(engine.directory / "pulumi"),
        "plugin",
        "install",
        "resource",
        "command",
        PLUGIN_VERSION,
        *more,
    ]
    # Not in the checkout: there the engine would look up the project's packages first.
    run(
        arguments,
        environment=environment,
        log=scratch / "install.log",
        directory=scratch,
        timeout_seconds=timeout_seconds,
    )

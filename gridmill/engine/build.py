"""The engine built from pinned Go modules, where the release archive cannot be had."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from .errors import SetupError
from .locations import ENGINE_VERSION_TEXT, GO
from .progress import run, say, step

SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3"
ENGINE_COMMAND = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
HOST_COMMAND = "github.com/pulumi/pulumi/sdk/python/cmd/pulumi-language-python/v3"
SDK_SCRIPTS = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")

OLDEST_GO = (1, 21, 0)
"""The first Go that can fetch the toolchain which a module asks for."""

_GO_VERSION = re.compile(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?")
_USUAL_PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin")


def build_engine(binaries: Path, scratch: Path) -> None:
    """Fill the directory `binaries`: two programs built, two scripts out of the SDK's module.

    Raises:
        SetupError: no Go, one too old, or a build that failed; the text says what to do.
    """
    go = find_go()
    environment = build_environment(go_version(go))
    log = scratch / "build.log"
    for module, command in ((GO / "language-python", HOST_COMMAND), (GO / "pulumi", ENGINE_COMMAND)):
        with step(f"build of {command.removesuffix('/v3').rpartition('/')[2]} (minutes, when Go's cache is cold)"):
            arguments = [go, "build", "-ldflags", linker_flags(), "-o", f"{binaries}/", command]
            run(arguments, environment=environment, log=log, directory=module)
    sources = _module_directory(go, environment)
    for script in SDK_SCRIPTS:
        target = binaries / Path(script).name
        shutil.copyfile(sources / script, target)
        target.chmod(0o755)


def find_go() -> str:
    """Path of a Go that serves, on PATH or where Go is usually put."""
    go = shutil.which("go") or shutil.which("go", path=os.pathsep.join(_USUAL_PLACES))
    if go is None and (go := _install_go()) is None:
        raise SetupError(
            "no Go (>= 1.21) to build the engine with: install the package golang-go (Debian 13, Ubuntu "
            "24.04) or Go from https://go.dev/dl, or Pulumi as https://www.pulumi.com/docs/install says"
        )
    if go_version(go) < OLDEST_GO:
        raise SetupError(
            f"{go} is of version {'.'.join(map(str, go_version(go)))}; the engine needs Go >= 1.21, which "
            "fetches the one it wants: install a newer one from https://go.dev/dl, or Pulumi itself"
        )
    return go


def go_version(go: str) -> tuple[int, int, int]:
    """Version of a Go command; (0, 0, 0) when it does not say one."""
    try:
        answer = subprocess.run(
            [go, "version"],
            env={**os.environ, "GOTOOLCHAIN": "local"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    except OSError:
        return (0, 0, 0)
    return parse_go_version(answer)


def parse_go_version(text: str) -> tuple[int, int, int]:
    """The number in `go version go1.26.8 linux/amd64`; (0, 0, 0) when there is none."""
    match = _GO_VERSION.search(text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)


def wanted_go() -> tuple[int, int, int]:
    """The Go version that the pinned modules name; an older one has to fetch it."""
    for line in (GO / "pulumi" / "go.mod").read_text().splitlines():
        if line.startswith("go "):
            return parse_go_version(f"go{line.removeprefix('go ').strip()}")
    raise SetupError("go/pulumi/go.mod names no Go version")


def build_environment(version: tuple[int, int, int]) -> dict[str, str]:
    """Environment for the build: no C compiler needed, no workspace or flags of the user in the way."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-trimpath -buildvcs=false"}
    if version < wanted_go():
        environment["GOTOOLCHAIN"] = "auto"
    return environment


def linker_flags() -> str:
    """Without symbols (a third smaller), and with the version, which the engine otherwise does not know."""
    return f"-s -w -X {SDK_MODULE}/go/common/version.Version=v{ENGINE_VERSION_TEXT}"


def _module_directory(go: str, environment: dict[str, str]) -> Path:
    answer = subprocess.run(
        [go, "mod", "download", "-json", f"{SDK_MODULE}@v{ENGINE_VERSION_TEXT}"],
        env=environment,
        cwd=GO / "pulumi",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise SetupError(f"go mod download of {SDK_MODULE} failed:\n{answer.stderr or answer.stdout}")
    return Path(json.loads(answer.stdout)["Dir"])


def _install_go() -> str | None:
    """Install the distribution's Go where its package is new enough and we may; None where not."""
    candidate = _debian_candidate()
    if os.geteuid() != 0 or candidate is None or candidate < OLDEST_GO:
        return None
    say(f"no Go here; installing the package golang-go (Go {candidate[0]}.{candidate[1]})")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    arguments = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "golang-go"]
    with step("installation of golang-go"):
        status = subprocess.run(
            arguments, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
        )
    return shutil.which("go") if status.returncode == 0 else None


def _debian_candidate() -> tuple[int, int, int] | None:
    """Version of the package golang-go that apt would install."""
    if shutil.which("apt-cache") is None:
        return None
    environment = {**os.environ, "LC_ALL": "C"}
    policy = subprocess.run(
        ["apt-cache", "policy", "golang-go"], env=environment, capture_output=True, text=True, check=False
    ).stdout
    match = re.search(r"Candidate:\s*(?:\d+:)?(\d+)\.(\d+)", policy)
    return (int(match[1]), int(match[2]), 0) if match else None

"""Packages of a toolkit: what belongs to it, fetched from one signed source, and unpacked without being installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ansible_collections.gridmill.site.plugins.module_utils.cuda.toolkits import (
    Patterns,
    parse_contents,
    parse_show,
    parse_simulated,
)
from ansible_collections.gridmill.site.plugins.module_utils.packages.apt import choose, parse_offered
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result, run

TIMEOUT = 1800.0
SPARE = 1.1
"""Room that is asked for, as a multiple of what packages say they need."""
FETCHED = Path("/var/tmp")  # noqa: S108 - a directory of our own in it
SHOWN = 3

Fields = dict[str, str]
Offer = dict[str, Fields]
"""Fields of each package of a toolkit that the source offers, by name."""


class PackagesError(Exception):
    """Why a toolkit can't be had."""


def only(source: Path) -> list[str]:
    """Options under which APT knows no other source; its own cache is left as it is."""
    options = [f"Dir::Etc::SourceList={source}", "Dir::Etc::SourceParts=/dev/null"]
    options += ["Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache="]
    return [f"--option={one}" for one in options]


def refresh(source: Path) -> Result:
    """Fetch the lists of the source, and verify who signed them."""
    options = ["APT::Get::List-Cleanup=0", "APT::Update::Error-Mode=any", "DPkg::Lock::Timeout=300"]
    return run(["apt-get", "--quiet=2", *only(source), *(f"--option={one}" for one in options), "update"], TIMEOUT)


def offer(patterns: Patterns, source: Path) -> Offer:
    """What belongs to a toolkit, as far as it comes from the source. Raises PackagesError.

    APT decides on versions, as for a machine on which nothing is installed yet: what this one has is of no matter.
    """
    madison = ["apt-cache", *only(source), "madison", *patterns]
    specifications, problems = choose(dict(patterns), {}, parse_offered(run(madison).output))
    if problems and refresh(source).ok:  # the lists may be older than what is wanted
        specifications, problems = choose(dict(patterns), {}, parse_offered(run(madison).output))
    if problems:
        raise PackagesError("; ".join(problems))
    words = ["--quiet=2", "--yes", "--no-install-recommends", "--option=Dir::State::status=/dev/null", "--simulate"]
    answer = run(["apt-get", *words, "install", *specifications], TIMEOUT)
    if not answer.ok:
        raise PackagesError(f"apt-get can't install {' '.join(specifications)}: {answer.complaint()}")
    versions = parse_simulated(answer.output)
    wanted = [f"{name}={version}" for name, version in sorted(versions.items())]
    shown = parse_show(run(["apt-cache", *only(source), "show", *wanted], 120.0).output)
    found = {name: fields for (name, version), fields in sorted(shown.items()) if versions.get(name) == version}
    if missing := sorted(set(patterns) - set(found)):
        raise PackagesError(f"APT would take {', '.join(missing)} from another source")
    return found


def room(offers: Mapping[str, Offer], mount: Path) -> None:
    """Raises PackagesError where the volume has less free than the toolkits need."""
    kibibytes = sum(int(fields.get("Installed-Size", "0")) for one in offers.values() for fields in one.values())
    there = os.statvfs(mount)
    needed, free = int(kibibytes * 1024 * SPARE), there.f_bavail * there.f_frsize
    if needed > free:
        raise PackagesError(f"{needed / 1e9:.1f} GB are needed, and {mount} has {free / 1e9:.1f} GB free")


def unpack(
    packages: Offer, version: str, source: Path, new: Path, owner: int
) -> tuple[dict[str, Fields], dict[str, list[str]]]:
    """Fetch and unpack, one package after the other, below `new`/root, as the user `owner`. Raises PackagesError.

    Returns version and digest of each package, and the files of some of them that don't lie with the toolkit.
    """
    become = [] if os.geteuid() == owner else ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups"]
    taken, left_out = {}, {}
    for name, fields in packages.items():
        with tempfile.TemporaryDirectory(prefix="gridmill-toolkit-", dir=FETCHED) as directory:
            package = fetch(name, fields, source, Path(directory))
            listed = run(["dpkg-deb", "--contents", str(package)], TIMEOUT)
            inside, others = parse_contents(listed.output, version)
            if not listed.ok:
                raise PackagesError(f"{name}: {listed.complaint()}")
            if inside:
                done = run([*become, "dpkg-deb", "--extract", str(package), str(new / "root")], TIMEOUT)
                if not done.ok:
                    raise PackagesError(f"{name} can't be unpacked: {done.complaint()}")
        taken[name] = {"version": fields["Version"], "sha256": fields["SHA256"]}
        if others:
            left_out[name] = [f"/{one}" for one in others[:SHOWN]] + ["..."] * (len(others) > SHOWN)
    return taken, left_out


def fetch(name: str, fields: Fields, source: Path, into: Path) -> Path:
    """The file of a package: APT fetches it, and accepts no other than the one in the signed lists."""
    into.chmod(0o755)
    with suppress(LookupError, PermissionError):
        shutil.chown(into, "_apt")
    specification = f"{name}={fields['Version']}"
    words = ["--quiet=2", *only(source), "--option=APT::Get::AllowUnauthenticated=false", "download", specification]
    answer = run(["env", f"--chdir={into}", "apt-get", *words], TIMEOUT)
    files = list(into.glob("*.deb"))
    if not answer.ok or len(files) != 1:
        raise PackagesError(f"{specification} can't be fetched: {answer.complaint()}")
    with files[0].open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != fields["SHA256"]:
        raise PackagesError(f"{specification} is another file than the source's lists say")
    files[0].chmod(0o644)
    return files[0]

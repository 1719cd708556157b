"""Machines that boot, until they can be used: SSH answers, systemd is done, package lists are those of the site."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from gridmill.lab import keys
from gridmill.lab.errors import LabError
from gridmill.lab.ssh import wait_for_port

if TYPE_CHECKING:
    from gridmill.lab.rack import RackedHost
    from gridmill.lab.site import LabSite

_BOOT_SECONDS = 90.0
_COMMAND_SECONDS = 90.0
_REFRESH_SECONDS = 300.0
_EXIT_SSH = 255
_AGAIN = 4
_PAUSE_SECONDS = 2.0
_LAST_LINES = 3
_FAILED = "systemctl list-units --failed --plain --no-legend | cut -d' ' -f1"


def in_parallel(hosts: Sequence[RackedHost], work: Callable[[RackedHost], None]) -> None:
    """Do something with several machines at once; LabError with the complaints of all that failed."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        futures = [(host, pool.submit(work, host)) for host in hosts]
    failures = []
    for _, future in futures:
        error = future.exception()
        if isinstance(error, LabError):
            failures.append(str(error))
        elif error is not None:
            raise error
    if failures:
        raise LabError("\n".join(failures))


def make_ready(site: LabSite, hosts: Sequence[RackedHost], packages_digest: str | None = None) -> None:
    """Wait until machines that were just booted are up.

    `packages_digest` are the packages that the site offers now: to whom they are new reads them.
    """
    failed: dict[str, list[str]] = {}

    def wait(host: RackedHost) -> None:
        failed[host.name] = _wait(site, host)
        if packages_digest is not None:
            _refresh_packages(site, host, packages_digest)

    in_parallel(hosts, wait)
    if len(hosts) > 1:
        in_parallel([host for host in hosts if failed[host.name]], lambda host: _start_again(site, host))


def _wait(site: LabSite, host: RackedHost) -> list[str]:
    """Units that failed while it booted."""
    started = site.progress.seconds()
    logs = f"see: python -m gridmill.lab logs {host.name}"
    machine = site.machine(host.name)
    if not wait_for_port(host.address, seconds=_BOOT_SECONDS, runs=lambda: machine.running() is not None):
        if machine.running() is None:
            said = "; ".join(machine.console(_LAST_LINES))
            raise LabError(f"{host.name} ended while it booted, and said last: {said or 'nothing'}", logs)
        raise LabError(f"{host.name}: no SSH at {host.address} within {_BOOT_SECONDS:.0f} s", logs)
    command = f"systemctl is-system-running --wait; {_FAILED}"
    until = time.monotonic() + _BOOT_SECONDS
    done = site.access.run(host.address, command, timeout=_COMMAND_SECONDS)
    while done.returncode == _EXIT_SSH and time.monotonic() < until:  # a machine that boots lets nobody in yet
        time.sleep(0.5)
        done = site.access.run(host.address, command, timeout=_COMMAND_SECONDS)
    if done.returncode == _EXIT_SSH:
        raise LabError(f"{host.name}: SSH refused: {done.stderr.strip()}", logs)
    state, *failed = done.stdout.split() or ["unknown"]
    text = f"SSH up, systemd {state}" + (f", failed: {', '.join(failed)}" if failed else "")
    site.progress.line(host.name, f"{text} ({site.progress.seconds() - started:.1f} s)")
    return failed


def _start_again(site: LabSite, host: RackedHost) -> None:
    """Start what failed once more: it may have asked a machine that booted at the same time and was not up yet."""
    command = f'units=$({_FAILED}); test -z "$units" || sudo systemctl start $units; {_FAILED}'
    for _ in range(_AGAIN):
        failed = site.access.run(host.address, command, timeout=_COMMAND_SECONDS).stdout.split()
        if not failed:
            site.progress.line(host.name, "what had failed was started again")
            return
        time.sleep(_PAUSE_SECONDS)
    site.progress.line(host.name, f"still failed: {', '.join(failed)}")


def _refresh_packages(site: LabSite, host: RackedHost, digest: str) -> None:
    """Let the machine read the package lists when the lab's own packages are new to it."""
    marker = site.paths.machine(host.name).base / "packages.digest"
    if marker.exists() and marker.read_text() == digest:
        return
    started = site.progress.seconds()
    done = site.access.run(host.address, "sudo apt-get update --quiet --error-on=any", timeout=_REFRESH_SECONDS)
    if done.returncode != 0:
        raise LabError(f"{host.name}: apt-get update failed", (done.stderr or done.stdout).strip()[-2000:])
    keys.write_atomically(marker, digest)
    site.progress.line(host.name, f"package lists read ({site.progress.seconds() - started:.1f} s)")

"""The caching package proxy on the bridge: the one way from the machines to packages."""

from __future__ import annotations

import os
import shutil
import socket
import time
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gridmill.lab.errors import LabError
from gridmill.lab.keys import PRIVATE
from gridmill.lab.layout import SitePaths
from gridmill.lab.processes import ProcessRecord, run, start_detached
from gridmill.lab.records import read_process, write_process

PORT = 3142
_USER = "proxy"
_SPOOL = "/var/spool/squid"
_LOG = "/var/log/squid"
_START_SECONDS = 20.0
_STOP_SECONDS = 8.0
_WEB_PORTS = {80, 443}

# squid sees the cache and the log at its package's usual places, in a mount name space of its own:
# the user that it runs as need not (and often can't) reach into the lab's directories
_START_SCRIPT = f'mount --bind "$1" {_SPOOL} && mount --bind "$2" {_LOG} && shift 2 && exec squid -N "$@"'


@dataclass(frozen=True)
class ProxySettings:
    """What the proxy serves, and to whom."""

    address: str
    supernet: str
    endpoints: frozenset[tuple[str, int]]
    upstream: str | None

    @property
    def url(self) -> str:
        """Address for clients."""
        return f"http://{self.address}:{PORT}"


def render_configuration(settings: ProxySettings) -> str:
    """Text of squid.conf."""
    hosts = sorted({host for host, _ in settings.endpoints})
    ports = sorted({port for _, port in settings.endpoints} | _WEB_PORTS)
    lines = [
        f"http_port {settings.address}:{PORT}",
        "visible_hostname gridmill-lab",
        f"cache_effective_user {_USER}",
        f"cache_effective_group {_USER}",
        "pid_filename none",
        f"cache_log {_LOG}/cache.log",
        f"access_log stdio:{_LOG}/access.log",
        "logfile_rotate 0",
        f"coredump_dir {_SPOOL}",
        "pinger_enable off",
        "shutdown_lifetime 1 seconds",
        "via off",
        "forwarded_for delete",
        "",
        "# the lab's machines, to the mirrors' hosts, and nothing else",
        f"acl lab src {IPv4Network(settings.supernet)}",
        f"acl mirrors dstdomain {' '.join(hosts)}",
        f"acl web_ports port {' '.join(str(port) for port in ports)}",
        "acl tunnel_ports port 443",
        "acl tunnel method CONNECT",
        "http_access deny !lab",
        "http_access deny !mirrors",
        "http_access deny !web_ports",
        "http_access deny tunnel !tunnel_ports",
        "http_access allow lab mirrors",
        "http_access deny all",
        "icp_access deny all",
        "htcp_access deny all",
        "",
        "cache_mem 16 MB",
        "maximum_object_size_in_memory 256 KB",
        "maximum_object_size 2 GB",
        f"cache_dir aufs {_SPOOL} 20000 16 256",
        "collapsed_forwarding on",
        "quick_abort_min -1 KB",
        "range_offset_limit none",
        "# a package never changes under its name; indexes are asked about each time",
        r"refresh_pattern -i \.u?deb$ 129600 100% 129600 override-expire override-lastmod ignore-reload",
        r"refresh_pattern /by-hash/ 129600 100% 129600 override-expire override-lastmod ignore-reload",
        r"refresh_pattern (InRelease|Release|Release\.gpg|Packages(\.gz|\.xz)?)$ 0 0% 0 refresh-ims",
        "refresh_pattern . 0 20% 4320",
    ]
    if settings.upstream:
        lines += ["", *_upstream_lines(settings.upstream)]
    return "\n".join(lines) + "\n"


def _upstream_lines(upstream: str) -> list[str]:
    parts = urlsplit(upstream if "://" in upstream else f"http://{upstream}")
    if parts.scheme != "http" or not parts.hostname:
        raise LabError(f"this host's APT proxy {parts.scheme}://{parts.hostname} is not an http proxy")
    login = f" login={unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
    return [
        "# the host's own APT proxy",
        f"cache_peer {parts.hostname} parent {parts.port or 3128} 0 no-query no-digest default{login}",
        "never_direct allow all",
    ]


def _record(paths: SitePaths) -> Path:
    return paths.proxy_state / "process.json"


def running(paths: SitePaths) -> ProcessRecord | None:
    """The proxy's process when it runs."""
    record = read_process(_record(paths))
    return record if record and record.is_alive() else None


def ensure_running(paths: SitePaths, settings: ProxySettings) -> bool:
    """Start the proxy unless it runs with this very configuration; True when it was started."""
    paths.proxy_state.mkdir(parents=True, exist_ok=True)
    paths.proxy_cache.mkdir(parents=True, exist_ok=True)
    configuration = paths.proxy_state / "squid.conf"
    text = render_configuration(settings)
    current = running(paths)
    if current and configuration.exists() and configuration.read_text() == text and _answers(settings):
        return False
    stop(paths)
    configuration.unlink(missing_ok=True)
    configuration.touch(mode=PRIVATE)  # it may hold the upstream proxy's login
    configuration.write_text(text)
    logs = paths.proxy_state / "log"
    logs.mkdir(exist_ok=True)
    for directory in (paths.proxy_cache, logs):
        shutil.chown(directory, _USER, _USER)
    # a service name of its own: squid derives its shared memory's names from it
    options = ["-n", f"gridmill{os.getpid()}", "-f", str(configuration)]
    start = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", _START_SCRIPT, "sh"]
    command = [*start, str(paths.proxy_cache), str(logs), *options]
    if not (paths.proxy_cache / "00").is_dir():
        run([*command, "-z"])
    pid = start_detached(command, output=logs / "start.log")
    record = write_process(_record(paths), pid)
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(settings):
        if record is None or not record.is_alive() or time.monotonic() > deadline:
            raise LabError("the package proxy (squid) did not start", f"its log: {logs}/cache.log, {logs}/start.log")
        time.sleep(0.1)
    return True


def _answers(settings: ProxySettings) -> bool:
    try:
        socket.create_connection((settings.address, PORT), timeout=1).close()
    except OSError:
        return False
    return True


def stop(paths: SitePaths) -> None:
    """End the proxy if it runs."""
    current = running(paths)
    if current:
        current.stop(grace_seconds=_STOP_SECONDS)
    _record(paths).unlink(missing_ok=True)

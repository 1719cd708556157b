"""Checks of storage: what is mounted, and what its servers say."""

from __future__ import annotations

from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.storage import moosefs
from ansible_collections.gridmill.site.plugins.module_utils.storage.mounts import parse_mountinfo, unit_name
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run


def mounted(wanted: dict[str, Any], run: Run) -> Check:
    """`source` is mounted at `path`, writable unless `read_only`, and its server answers."""
    path, source, read_only = str(wanted["path"]), str(wanted["source"]), bool(wanted.get("read_only"))
    listed = run(["cat", "/proc/self/mountinfo"])
    now = parse_mountinfo(listed.output).get(path) if listed.ok else None
    if now is None:
        ok, found = False, "nothing mounted" if listed.ok else listed.complaint()
    else:
        answer = run(["stat", "--file-system", "--format=%T", path])
        ok = answer.ok and now.source == source and now.read_only == read_only
        found = f"{now.source}, {'read-only' if now.read_only else 'writable'}"
        found += "" if answer.ok else f", but no answer: {answer.complaint()}"
    return result(
        f"mounted {path}",
        ok=ok,
        expected=f"{source}, {'read-only' if read_only else 'writable'}",
        found=found,
        hint=f"journalctl --unit '{unit_name(path)}' on this host says why",
    )


def moosefs_servers(wanted: dict[str, Any], run: Run) -> Check:
    """The master has all chunk servers at `addresses` connected, and beside them at most those at `others`."""
    expected = sorted(str(one) for one in wanted["addresses"])
    answer = run(["mfscli", "-H", str(wanted["master"]), "-SCS", "-j"])
    try:
        servers = moosefs.parse_servers(answer.output) if answer.ok else {}
    except ValueError as error:
        return result("chunk servers", ok=False, expected=expected, found=error, hint="mfscli gave another answer")
    connected = {address for address, there in servers.items() if there}
    found = sorted(connected - {str(one) for one in wanted.get("others", [])})
    return result(
        "chunk servers",
        ok=answer.ok and found == expected,
        expected=", ".join(expected),
        found=", ".join(found) or (answer.complaint() if not answer.ok else "none"),
        hint="journalctl --unit moosefs-chunkserver on a missing one says why; one too many is yours to take out",
    )


def nfs_exports(wanted: dict[str, Any], run: Run) -> Check:
    """Each of `paths` is exported."""
    answer = run(["exportfs", "-s"])
    exported = {line.split()[0] for line in answer.output.splitlines() if line.startswith("/")} if answer.ok else set()
    missing = sorted({str(path) for path in wanted["paths"]} - exported)
    return result(
        "exports",
        ok=answer.ok and not missing,
        expected=", ".join(wanted["paths"]),
        found=answer.complaint() if not answer.ok else f"{', '.join(sorted(exported)) or 'none'}",
        hint="journalctl --unit nfs-server on this host says why",
    )

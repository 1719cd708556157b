"""Records of started processes, as files that survive the command that started them."""

from __future__ import annotations

import json
from pathlib import Path

from gridmill.lab.keys import write_atomically
from gridmill.lab.processes import ProcessRecord


def read_process(path: Path) -> ProcessRecord | None:
    """The recorded process; None without a readable record."""
    try:
        data = json.loads(path.read_text())
        return ProcessRecord(pid=int(data["pid"]), start_time=int(data["start_time"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write_process(path: Path, pid: int) -> ProcessRecord | None:
    """Record a process just started; None when it is gone already."""
    record = ProcessRecord.of(pid)
    if record:
        write_atomically(path, json.dumps({"pid": record.pid, "start_time": record.start_time}) + "\n")
    return record

#!/usr/bin/env python3
"""One line for every difference, and every machine that could not be looked at: ci/drift_lines.py FILE, which is what
`gridmill drift --json` printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if "error" in found:
        print(found["error"])
    for host in found.get("hosts", ()):
        for one in host["differences"]:
            print(f"{host['name']} drift: {one['phase']}: {one['kind']} {one['name']}: {one['found']}")
        if host["unseen"]:
            print(f"{host['name']} unseen: {host['unseen']}")

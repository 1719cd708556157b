#!/bin/sh
# What drifted on a site's machines: ci/drift.sh STACK; changes nothing, and writes drift.json at the project's root.
# Ends with the command's status: 0 nothing drifted, 1 something did, 2 some machine could not be looked at.
set -eu
cd "$(dirname "$0")/.."
status=0
.venv/bin/gridmill drift "$1" --json > drift.json || status=$?
.venv/bin/python ci/drift_lines.py drift.json
exit "$status"

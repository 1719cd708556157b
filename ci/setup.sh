#!/bin/sh
# What the other scripts need: the virtual environment with the Gridmill that is pinned, the schema for editors, Pulumi's
# engine and its plugin.
# In a checkout of Gridmill itself, what `make setup` does. A second run is quick.
set -eu
cd "$(dirname "$0")/.."
if [ -f tools/setup.py ]; then exec python3 tools/setup.py; fi
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt
.venv/bin/gridmill schema > site.schema.json
.venv/bin/gridmill engine ensure > /dev/null
.venv/bin/gridmill engine plugin

#!/bin/sh
# Preview of one stack for a merge request: ci/preview.sh STACK [OPTIONS of `gridmill ci preview`]
# Writes preview.md (the comment) and preview.html beside the checkout's root; ends with the command's status:
# 0 nothing beyond what is allowed, 2 needs approval, 1 a problem.
set -eu
cd "$(dirname "$0")/.."
stack=$1
shift
if settings=$(python3 tools/engine.py env); then eval "$settings"; fi
exec .venv/bin/gridmill ci preview "$stack" --markdown preview.md --html preview.html "$@"

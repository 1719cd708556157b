#!/bin/sh
# Preview of one stack for a merge request: ci/preview.sh STACK [OPTIONS of `gridmill ci preview`]
# Writes preview.md (the comment), preview.html and plan.json (for ci/apply.sh) at the project's root; ends with the
# command's status: 0 nothing beyond what is allowed, 2 needs approval, 1 a problem (then there is no plan.json).
set -eu
cd "$(dirname "$0")/.."
stack=$1
shift
if settings=$(.venv/bin/gridmill engine env --stack "$stack"); then eval "$settings"; fi
exec .venv/bin/gridmill ci preview "$stack" --markdown preview.md --html preview.html --plan plan.json "$@"

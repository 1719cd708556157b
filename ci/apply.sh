#!/bin/sh
# Apply what was approved: ci/apply.sh STACK PLAN [OPTIONS of `gridmill apply`]
# Ends with the command's status: 0 applied, 2 refused since something moved, 1 the update failed.
set -eu
cd "$(dirname "$0")/.."
stack=$1
plan=$2
shift 2
if settings=$(.venv/bin/gridmill engine env --stack "$stack"); then eval "$settings"; fi
exec .venv/bin/gridmill apply "$plan" --site "$stack" "$@"

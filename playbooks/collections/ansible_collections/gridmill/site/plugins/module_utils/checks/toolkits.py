"""Check of a toolkit that lies on a volume: this machine sees it, and its compiler answers."""

from __future__ import annotations

from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import MISSING, Run

PREFIX = "cuda-"


def toolkit(wanted: dict[str, Any], run: Run) -> Check:
    """`path` is a link to `target`, or somebody else's own, with a compiler; which tells that version if it `answers`.

    nvcc prints `Cuda compilation tools, release 12.8, V12.8.93`. Programs of the volume are asked with a time limit.
    """
    path, target = str(wanted["path"]), str(wanted["target"])
    version = path.rpartition(PREFIX)[2]
    compiler = f"{path}/bin/nvcc"
    link = run(["readlink", path])
    leads = link.output.strip() if link.ok else ""
    place = f"a link to {leads}" if leads else "somebody else's own directory"
    there = run(["test", "-x", compiler])
    ok = there.ok and leads in {target, ""} and link.status != MISSING
    found = place if there.ok else f"no {compiler}"
    if ok and wanted.get("answers"):
        answer = run([compiler, "--version"])
        ok = answer.ok and f"release {version}," in answer.output
        found += ", which answers" if ok else f", whose nvcc says {answer.complaint()}"
    elif not there.ok and there.status == MISSING:
        found = there.complaint()
    return result(
        f"toolkit {version}",
        ok=ok,
        expected=f"{target} at {path}",
        found=found,
        hint=f"is the volume mounted, and is {target} there? The controller's run puts it there",
    )

"""`gridmill forget SITE`: removes a stack from Pulumi once its site is down, and keeps the definition.

Pulumi itself advises `pulumi stack rm`, which deletes `Pulumi.<site>.yaml`, and with it the definition.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gridmill.operations.directories import state_directory
from gridmill.operations.errors import OperationError
from gridmill.operations.preview.approved_plan import exported_state, run_pulumi_command


def add_forget_arguments(command: argparse.ArgumentParser) -> None:
    """What can be said beside the stack."""
    command.add_argument(
        "--force", action="store_true", help="although the stack still has resources: their machines are gone for good"
    )


def forget(stack: str, root: Path, *, force: bool) -> tuple[dict[str, Any], str]:
    """Remove the stack (its name, or its file's) and its history from Pulumi; the definition in `root` stays.

    OperationError while it has resources, unless forced.
    """
    stack = Path(stack).stem.removeprefix("Pulumi.") if stack.endswith(".yaml") else stack
    resources = (exported_state(stack).get("deployment") or {}).get("resources") or []
    left = sum(one["type"] != "pulumi:pulumi:Stack" and "pulumi:providers:" not in one["type"] for one in resources)
    if left and not force:
        raise OperationError(
            f"{stack} still has {left} resources: take it down first, `pulumi destroy --stack {stack}`; "
            "if its machines are gone for good, add --force"
        )
    run_pulumi_command(stack, "stack", "rm", stack, "--yes", "--preserve-config", *(["--force"] if resources else []))
    kept = [str(path) for path in (root / f"Pulumi.{stack}.yaml", state_directory() / "sites" / stack) if path.exists()]
    text = f"{stack}: Pulumi has forgotten the stack; kept: {', '.join(kept) or 'nothing'}"
    return {"ok": True, "stack": stack, "resources": left, "kept": kept}, text

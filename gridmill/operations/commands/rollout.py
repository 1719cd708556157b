"""`gridmill rollout SITE pause|continue|abort`: orders to a run that changes nodes of the site in waves."""

from __future__ import annotations

from typing import Any

from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.document import plan_connection
from gridmill.operations.record.lease import Ask, ask_lease_host
from gridmill.operations.record.runs import revision, this_run

ORDERS = ("pause", "continue", "abort")
SAID = {
    "pause": "no further wave begins; the current one is finished",
    "continue": "waves go on",
    "abort": "the run stops before its next wave; the remaining nodes stay as they are",
}


def order(plan: SitePlan, what: str, ask: Ask | None = None) -> tuple[dict[str, Any], str]:
    """Leave the order on the controller; it is kept in the journal. OperationError without a controller."""
    controller = plan.with_service("controller")[0]
    ask = ask or ask_lease_host(plan_connection(plan), controller.name, controller.address)
    run = this_run()
    entry = {
        "site": plan.name,
        "scope": "rollout",
        "action": "",
        "who": run.user,
        "machine": run.machine,
        "run": run.id,
        "revision": revision(),
    }
    working = ask({"action": "halt", "order": what, "entry": entry})["working"]
    text = f"{plan.name}: {SAID[what]}" if working else f"{plan.name}: no run is in progress"
    told = {"ok": bool(working), "order": what, "working": working}
    return told | ({} if working else {"error": text}), text

"""Drift with the real engine: a change where something drifted, repaired once, and no change before or after.

A copy of the checkout whose runner, dry run, lease host and drift checks are stand-ins; no machine is contacted.
"""

from __future__ import annotations

import json
import textwrap

import pytest

from tests.engine.test_apply import Checkout, checkout

__all__ = ["checkout"]

pytestmark = pytest.mark.engine

RUNNER = """
with open("ran", "a") as file:
    file.write(document["scope"] + " " + os.environ.get("GRIDMILL_DRIFT", "") + "\\n")
"""
HAND_CHANGES = '''
def ask(plan):
    """Says what the file `drift` has, and writes down that it was asked."""
    with Path("asked").open("a") as file:
        file.write("x\\n")
    return json.loads(Path("drift").read_text())
findings = lambda found: found
site_drift = ask
'''
CLEAN: dict[str, object] = {"hosts": {}, "unseen": {}}
DEAD = {"hosts": {}, "unseen": {"pod-a-r1-u01": "unreachable: dead"}}
DRIFT = {"hosts": {"pod-a-r1-u09": {"pod-a": ["unit chrony: is not running"]}}, "unseen": {}}


def test_drift_is_a_change_that_is_made_once(checkout: Checkout) -> None:
    place = checkout.place
    for name, text in (("converge", RUNNER), ("preview/hand_changes", HAND_CHANGES)):
        path = place / "gridmill" / "operations" / f"{name}.py"
        head, main, tail = path.read_text(encoding="utf-8").partition('if __name__ == "__main__":\n')
        added = textwrap.indent(text, "    ")
        path.write_text(head + main + (tail + added if name == "converge" else added + tail), encoding="utf-8")
    checkout.edit("Pulumi.lab.yaml", "    scheduler:\n", "    changes: {drift: check}\n    scheduler:\n")

    def drifted(found: object) -> None:
        (place / "drift").write_text(json.dumps(found), encoding="utf-8")

    def asked() -> int:
        file = place / "asked"
        times = len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0
        file.unlink(missing_ok=True)
        return times

    def ran() -> list[str]:
        file = place / "ran"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [line for line in lines if line.partition(" ")[2].startswith("20")]

    drifted(CLEAN)
    checkout.pulumi("up", "--yes")
    assert asked() == 1, "the update takes what its preview found"
    checkout.pulumi("preview", "--expect-no-changes")
    drifted(DRIFT)
    asked()
    ran()
    checkout.pulumi("up", "--yes")
    found = ran()
    assert len(found) == 1 and found[0].startswith("pod-a ") and found[0].endswith(" pod-a-r1-u09"), found
    assert asked() == 1
    for after in (CLEAN, DEAD):
        drifted(after)
        checkout.pulumi("preview", "--expect-no-changes")
    drifted(DRIFT)
    file, plan = checkout.preview()
    assert list(plan["report"]["drift"]["hosts"]) == ["pod-a-r1-u09"]
    assert [one["name"] for one in plan["report"]["resources"]] == ["lab-pod-a-converge"]
    drifted({"hosts": {"pod-a-r1-u01": {"pod-a": ["file /x: gone"]}}, "unseen": {}})
    status, said, _ = checkout.apply(file)
    assert (status, [move["what"] for move in said["moved"]]) == (
        2, ["changed by hand on pod-a-r1-u01", "changed by hand on pod-a-r1-u09"]
    )  # fmt: skip
    drifted(DRIFT)
    status, said, lines = checkout.apply(file)
    assert status == 0, said
    assert [line for line in lines if line.endswith(f"{plan['report']['drift']['at']} pod-a-r1-u09")], lines

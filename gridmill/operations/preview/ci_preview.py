"""`gridmill ci preview`: `pulumi preview` of a stack as a report for a merge request, and a verdict by policy."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gridmill.compare.change import Effect, Holdings, site_effects
from gridmill.core.errors import ProblemsError
from gridmill.core.impact import CLASSES, NONE, worst
from gridmill.kernel.definition import Definition
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.dry_run import REPORT
from gridmill.operations.errors import OperationError
from gridmill.operations.places import project
from gridmill.operations.preview.approved_plan import PREVIEW_MODE, bound, make_plan, no_pulumi, write_plan
from gridmill.operations.preview.hand_changes import FOUND, GIVEN
from gridmill.plan import plan_site
from gridmill.report.change import SCHEMA, allows, markdown, page

OK, PROBLEM, APPROVAL = 0, 1, 2
"""Exit statuses."""
STATUS = {"ok": OK, "problem": PROBLEM, "approval": APPROVAL}
EMPTY: dict[str, Any] = {
    "schema": SCHEMA, "site": "", "simulated": False, "verdict": "problem", "allowed": "", "impact": NONE,
    "reasons": [], "problems": [], "effects": [], "power": [], "resources": [], "phases": [], "drift": {}, "plan": {},
}  # fmt: skip
"""A report that knows of nothing but a problem."""
TIMEOUT_S = 1800
TOKENS = {"site": "gridmill:index:Site", "power": "gridmill:index:SitePower", "command": "command:local:Command"}


def add_ci_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments before and beside the stack."""
    command.add_argument("what", choices=("preview",), help="what to do")
    command.add_argument("--allow", choices=CLASSES, default="live", help="worst impact that needs no approval")
    command.add_argument("--html", metavar="FILE", help="write the report as a page, too")
    command.add_argument("--markdown", metavar="FILE", help="write the comment into a file, too")
    command.add_argument("--plan", metavar="FILE", help="write a plan that `gridmill apply FILE` holds itself to")


def ci_preview(options: argparse.Namespace, definition_of: Callable[[str], Definition]) -> int:
    """Run it, print the comment (or JSON), and return the status: 0 allowed, 2 needs approval, 1 problem."""
    file = Path(options.plan) if options.plan else None
    if file:
        file.unlink(missing_ok=True)  # whatever happens, no older plan stands for this preview
    try:
        definition = definition_of(options.stack)
        plan = plan_site(definition)
        bound_to = bound(definition, plan) if file else {}
        report = preview_report(plan, options.allow)
        if file and report["verdict"] != "problem":
            report["plan"] = keep_plan(plan, bound_to, report, file)
    except ProblemsError as error:
        name = Path(options.stack).stem.removeprefix("Pulumi.")
        report = {**EMPTY, "site": name, "allowed": options.allow, "problems": str(error).splitlines()}
    if options.html:
        Path(options.html).write_text(page(report), encoding="utf-8")
    if options.markdown:
        Path(options.markdown).write_text(markdown(report), encoding="utf-8")
    print(json.dumps(report, indent=2, ensure_ascii=False) if options.json else markdown(report).rstrip())
    return STATUS[report["verdict"]]


def keep_plan(plan: SitePlan, bound_to: dict[str, Any], report: dict[str, Any], file: Path) -> dict[str, Any]:
    """Write the plan of what was found; its digest, and until when it may be applied. OperationError when Pulumi's own
    plan can't be had."""
    with tempfile.TemporaryDirectory(prefix="gridmill-preview-") as directory:
        update, by_hand = Path(directory) / "update.json", Path(directory) / "by-hand.json"
        by_hand.write_text(json.dumps(report["drift"]), encoding="utf-8")
        # asks no machine: in previews that do, phases don't depend on each other, which an update would not match
        status, text, complaint = run_pulumi(plan.name, directory, "--save-plan", str(update), **asks_nobody(by_hand))
        if status:
            digest = json.loads(text) if text.startswith("{") else {}
            raise OperationError("\n".join(said(digest, complaint)))
        made = make_plan(plan, bound_to, report, json.loads(update.read_text(encoding="utf-8")))
    write_plan(file, made)
    return {"digest": made["digest"], "until": made["until"]}


def preview_report(plan: SitePlan, allowed: str) -> dict[str, Any]:
    """What a preview says, with the verdict."""
    with tempfile.TemporaryDirectory(prefix="gridmill-preview-") as directory:
        status, text, complaint = run_pulumi(plan.name, directory)
        phases = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(directory).glob("*.json"))]
        by_hand = Path(directory) / FOUND / f"{FOUND}.json"
        drift = json.loads(by_hand.read_text(encoding="utf-8")) if by_hand.exists() else {}
    try:
        digest = json.loads(text)
    except ValueError:
        digest, status = {}, status or 1
    problems = said(digest, complaint) if status else []
    return report_of(plan, digest.get("steps", []), phases, problems, allowed) | {"drift": drift}


def asks_nobody(by_hand: Path) -> dict[str, str]:
    """Environment of a preview that asks no machine, and takes what was changed by hand from this file."""
    return {PREVIEW_MODE: "plan", GIVEN: str(by_hand)}


def run_pulumi(stack: str, directory: str, *more: str, **environment: str) -> tuple[int, str, str]:
    """Status, standard output and standard error of the preview; phases write what they predict into `directory`."""
    command = ["pulumi", "preview", "--json", "--stack", stack, "--non-interactive", *more]
    try:
        done = subprocess.run(
            command, cwd=project(), env={**os.environ, REPORT: directory, **environment}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
        )  # fmt: skip
    except FileNotFoundError:
        return 1, "", no_pulumi(stack)
    except subprocess.TimeoutExpired:
        return 1, "", f"pulumi preview did not end within {TIMEOUT_S} s"
    return done.returncode, done.stdout, done.stderr


def said(digest: dict[str, Any], complaint: str) -> list[str]:
    """What Pulumi complains of, line by line."""
    errors = [item["message"] for item in digest.get("diagnostics") or [] if item.get("severity") == "error"]
    text = "\n".join(errors) or complaint or "pulumi preview failed, and did not say why"
    return [line for line in text.splitlines() if line.strip()]


def report_of(
    plan: SitePlan, steps: list[dict[str, Any]], phases: list[dict[str, Any]], problems: list[str], allowed: str
) -> dict[str, Any]:
    """The report: docs/reference/preview.md."""
    changed = [step for step in steps if step["op"] != "same"]
    effects = effects_of(changed)
    silent = unasked(changed, phases)
    impact = worst([*(phase["impact"] for phase in phases), *(effect.impact for effect in effects), NONE])
    failing = [f"{name} would fail: {text}" for phase in phases for name, host in phase["hosts"].items()
               for text in host["failures"]]  # fmt: skip
    refused = [f"consent is missing: {effect.consent}" for effect in effects if effect.refused]
    unknown = [reason for phase in phases for reason in not_known(phase)] + silent
    verdict, reasons = "ok", list[str]()
    if not allows(allowed, impact):
        verdict, reasons = "approval", [f"impact {impact}, allowed without approval is {allowed}"]
    if unknown:
        verdict, reasons = "approval", [*reasons, *unknown]
    if problems or failing or refused:
        verdict, reasons = "problem", [*failing, *refused, *reasons]
    return {
        "schema": SCHEMA,
        "site": plan.name,
        "simulated": plan.simulated,
        "verdict": verdict,
        "allowed": allowed,
        "impact": impact,
        "reasons": reasons,
        "problems": problems,
        "effects": [{"impact": one.impact, "what": one.what, "nodes": list(one.nodes), "consent": one.consent,
                     "given": one.given} for one in effects],
        "power": power_of(changed),
        "resources": [resource(step) for step in changed],
        "phases": phases,
        "drift": {},
        "plan": {},
    }  # fmt: skip


def effects_of(steps: list[dict[str, Any]]) -> list[Effect]:
    """What the site loses, from its resource's inputs before and after."""
    for step in steps:
        if _type(step) == TOKENS["site"]:
            before, after = (Holdings.read(_inputs(step, state)) for state in ("oldState", "newState"))
            return site_effects(before, after) if before and after else []
    return []


def not_known(phase: dict[str, Any]) -> list[str]:
    """What a phase could not find out."""
    found = [f"{phase['scope']}: {phase['complaint']}"] if phase["complaint"] else []
    found += [f"{name} was not asked: {reason}" for name, reason in phase["unreached"].items()]
    found += [f"{name} was not asked completely: the time limit was up" for name in phase["unfinished"]]
    return found + ([f"running jobs are not known: {phase['jobsUnknown']}"] if phase["jobsUnknown"] else [])


def unasked(steps: list[dict[str, Any]], phases: list[dict[str, Any]]) -> list[str]:
    """Phases that change and predicted nothing: no machine may be asked, or the time limit was up."""
    heard = {phase["scope"] for phase in phases}
    names = []
    for step in steps:
        if _type(step) == TOKENS["command"] and step["op"] in {"create", "update"}:
            scope = json.loads(_inputs(step, "newState").get("stdin") or "{}").get("scope", "")
            if scope and scope != "acceptance" and scope not in heard:
                names.append(scope)
    return [f"{scope}: no machine was asked" for scope in names]


def power_of(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Levels of the site's power that change: what is planned on them before and after, and the margin then, in W."""
    for step in steps:
        if _type(step) == TOKENS["power"]:
            before, after = (_levels(_inputs(step, state)) for state in ("oldState", "newState"))
            return [
                {
                    "what": name,
                    "before": before.get(name, {}).get("planned_w"),
                    "after": after.get(name, {}).get("planned_w"),
                    "margin": after.get(name, {}).get("margin_w"),
                }
                for name in {**before, **after}
                if before.get(name) != after.get(name)
            ]
    return []


def _levels(inputs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Levels by a name for people."""
    found = {"at the meter": inputs["meter"]} if "meter" in inputs else {}
    found |= {f"feed {key}": level for key, level in inputs.get("feeds", {}).items()}
    return found | dict(inputs.get("pods", {}))


def resource(step: dict[str, Any]) -> dict[str, Any]:
    """One changed resource: operation, type, name, and which inputs change; none of one that comes or goes."""
    before, after = _inputs(step, "oldState"), _inputs(step, "newState")
    return {
        "op": step["op"],
        "type": _type(step),
        "name": _name(step),
        "inputs": sorted(key for key in {**before, **after} if before.get(key) != after.get(key)) if before else [],
    }


def _inputs(step: dict[str, Any], state: str) -> dict[str, Any]:
    found: dict[str, Any] = (step.get(state) or {}).get("inputs") or {}
    return found


def _type(step: dict[str, Any]) -> str:
    return str(step["urn"].split("::")[2].rpartition("$")[2])


def _name(step: dict[str, Any]) -> str:
    return str(step["urn"].rpartition("::")[2])

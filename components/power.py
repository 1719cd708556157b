"""Power as resources: a pod's budget, and the site level by level. Their numbers show in every preview's diff, and one
line says them in words, before and after."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Optional, TypedDict

import pulumi

from gridmill.kernel.site_plan import PowerPlan
from gridmill.power.levels import PowerLevel, PowerLevels, levels_text

from .engine import calls_hooks


class PowerBudgetArgs(TypedDict):
    budget_w: pulumi.Input[int]
    """IT power that the pod may draw, in W."""
    allocated_w: pulumi.Input[int]
    """What the caps guarantee, in W; never over the budget."""
    nameplate_w: pulumi.Input[int]
    """Sum of nameplates without caps, in W."""
    typical_w: pulumi.Input[int]
    """Sum of the nodes' observed draw under load, in W."""
    idle_w: pulumi.Input[int]
    """Sum of the nodes' draw without work, in W."""


class PowerBudget(pulumi.ComponentResource):
    """What a pod may draw, and what its nodes can draw at most."""

    margin_w: pulumi.Output[int]
    """Budget minus what is allocated, in W."""

    def __init__(self, name: str, args: PowerBudgetArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("gridmill:index:PowerBudget", name, dict(args), opts)
        self.margin_w = pulumi.Output.all(args["budget_w"], args["allocated_w"]).apply(lambda w: int(w[0] - w[1]))
        self.register_outputs({"margin_w": self.margin_w})


def power_budget_args(power: PowerPlan) -> PowerBudgetArgs:
    """The arguments for a planned budget."""
    return {
        "budget_w": power.budget_w,
        "allocated_w": power.allocated_w,
        "nameplate_w": power.nameplate_w,
        "typical_w": power.typical_w,
        "idle_w": power.idle_w,
    }


class PowerLevelArgs(TypedDict):
    planned_w: pulumi.Input[int]
    """What the plan puts on it, in W."""
    limit_w: pulumi.Input[int]
    """What it carries, in W."""
    margin_w: pulumi.Input[int]
    """What is left, in W."""
    situation: pulumi.Input[str]
    """What was lost when least is left; empty in normal operation."""
    element: pulumi.Input[str]
    """What carries it, where the level's name doesn't say."""


class SitePowerArgs(TypedDict):
    meter: pulumi.Input[PowerLevelArgs]
    """At the meter."""
    feeds: pulumi.Input[Mapping[str, pulumi.Input[PowerLevelArgs]]]
    """Feeds that have a breaker or a UPS of their own, by letter."""
    pods: pulumi.Input[Mapping[str, pulumi.Input[PowerLevelArgs]]]
    """Pods and their budgets, by key."""
    tightest: pulumi.Input[PowerLevelArgs]
    """Whichever limit has the smallest share of itself left."""


class SitePower(pulumi.ComponentResource):
    """The site's power, level by level. A preview that changes it says what was and what will be."""

    def __init__(
        self, name: str, levels: PowerLevels, opts: Optional[pulumi.ResourceOptions] = None, before: str = ""
    ) -> None:
        """`before` stands before what it says, where a program has several sites."""
        if pulumi.runtime.is_dry_run() and calls_hooks():
            said = pulumi.ResourceHook(f"{name}-said", _sayer(before), pulumi.ResourceHookOptions(on_dry_run=True))
            hooks = pulumi.ResourceHookBinding(before_create=[said], before_update=[said])
            opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks))
        super().__init__("gridmill:index:SitePower", name, dict(site_power_args(levels)), opts)
        self.register_outputs({})


def site_power_args(levels: PowerLevels) -> SitePowerArgs:
    """The arguments for planned levels."""
    return {
        "meter": _level_args(levels.meter),
        "feeds": {key: _level_args(level) for key, level in levels.feeds.items()},
        "pods": {key: _level_args(level) for key, level in levels.pods.items()},
        "tightest": _level_args(levels.tightest),
    }


def _level_args(level: PowerLevel) -> PowerLevelArgs:
    return {**asdict(level), "margin_w": level.margin_w}  # type: ignore[typeddict-item]


def levels_of(inputs: Mapping[str, Any]) -> PowerLevels:
    """The levels that a state or a new resource has as its inputs; the engine hands numbers over as floats."""
    return PowerLevels(
        meter=_level_of(inputs["meter"]),
        feeds={key: _level_of(level) for key, level in sorted(inputs.get("feeds", {}).items())},
        pods={key: _level_of(level) for key, level in sorted(inputs.get("pods", {}).items())},
        tightest=_level_of(inputs["tightest"]),
    )


def _level_of(found: Mapping[str, Any]) -> PowerLevel:
    return PowerLevel(
        int(found["planned_w"]), int(found["limit_w"]), str(found.get("situation", "")), str(found.get("element", ""))
    )


def _sayer(start: str) -> Callable[[pulumi.ResourceHookArgs], None]:
    def say(args: pulumi.ResourceHookArgs) -> None:
        """Before and after, in one line. What was before is what the state says; nothing for a site that is new."""
        before = levels_of(args.old_inputs) if args.old_inputs else None
        pulumi.log.info(start + levels_text(before, levels_of(args.new_inputs or {})))

    return say

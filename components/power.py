"""The power budget of a pod, as a resource: its numbers show in every preview's diff."""

from typing import Optional, TypedDict

import pulumi

from gridmill.plan import PowerPlan


class PowerBudgetArgs(TypedDict):
    budget_w: pulumi.Input[int]
    """IT power that the pod may draw, in W."""
    nameplate_w: pulumi.Input[int]
    """Sum of the nodes' nameplates, in W; never over the budget."""
    typical_w: pulumi.Input[int]
    """Sum of the nodes' observed draw under load, in W."""
    idle_w: pulumi.Input[int]
    """Sum of the nodes' draw without work, in W."""


class PowerBudget(pulumi.ComponentResource):
    """What a pod may draw, and what its nodes can draw at most."""

    margin_w: pulumi.Output[int]
    """Budget minus nameplate, in W."""

    def __init__(self, name: str, args: PowerBudgetArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("gridmill:index:PowerBudget", name, dict(args), opts)
        self.margin_w = pulumi.Output.all(args["budget_w"], args["nameplate_w"]).apply(lambda w: int(w[0] - w[1]))
        self.register_outputs({"margin_w": self.margin_w})


def power_budget_args(power: PowerPlan) -> PowerBudgetArgs:
    """The arguments for a planned budget."""
    return {
        "budget_w": power.budget_w,
        "nameplate_w": power.nameplate_w,
        "typical_w": power.typical_w,
        "idle_w": power.idle_w,
    }

"""The addresses of a pod, as a resource."""

from collections.abc import Mapping
from typing import NotRequired, Optional, TypedDict

import pulumi

from gridmill.kernel.site_plan import PodPlan


class PodNetworkArgs(TypedDict):
    network: pulumi.Input[str]
    """The pod's block of addresses, in CIDR form."""
    domain: pulumi.Input[str]
    """The site's DNS domain."""
    addresses: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """Address of every machine by name."""
    network6: NotRequired[pulumi.Input[str]]
    """The pod's /64, in CIDR form; only with IPv6."""
    addresses6: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """IPv6 address of every machine by name; only with IPv6."""


class PodNetwork(pulumi.ComponentResource):
    """A pod's block of the management network, and who has which address in it."""

    network: pulumi.Output[str]
    """The pod's block of addresses, in CIDR form."""

    def __init__(self, name: str, args: PodNetworkArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("gridmill:index:PodNetwork", name, dict(args), opts)
        self.network = pulumi.Output.from_input(args["network"])
        self.register_outputs({"network": self.network})


def pod_network_args(pod: PodPlan, domain: str) -> PodNetworkArgs:
    """The arguments for a planned pod."""
    args: PodNetworkArgs = {
        "network": pod.network,
        "domain": domain,
        "addresses": {host.name: host.address for host in pod.hosts},
    }
    if pod.network6:
        args["network6"] = pod.network6
        args["addresses6"] = {host.name: host.address6 for host in pod.hosts if host.address6}
    return args

"""`Site`: a whole site from its definition, for programs in Python and, hosted, in every language of Pulumi."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, Optional, TypedDict

import pulumi

from gridmill.kernel.definition import Definition
from gridmill.plan import plan_site

from .consent import consent_hook
from .outputs import BootstrapOutputs, PodOutputs, PowerOutputs, SlurmOutputs
from .site import PlannedSite
from .stack import site_definition, stack_host_keys, stack_secrets


class SiteArgs(TypedDict):
    definition: NotRequired[pulumi.Input[Mapping[str, Any]]]
    """The site's definition, with the keys that stand under `gridmill:site` in a stack file. `name` may be left out: it
    is the resource's. Outputs in it must be known when the program runs, in a preview, too."""
    file: NotRequired[str]
    """A file with the definition instead, laid out as `Pulumi.<site>.yaml`; relative to the project. Its own SKUs, keys
    and machines stand in `inventories/<site>/` beside it. With neither, it is the stack's own, `gridmill:site`."""
    directory: NotRequired[str]
    """Directory in whose `inventories/<site>/` a `definition` has its own SKUs, keys and machines; relative to the
    project, which is what it is unless said."""
    secrets: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Secrets by name, such as `breakGlassPasswordHash`; one that is not given is taken from the stack's configuration,
    `gridmill:<name>`."""
    host_keys: NotRequired[Mapping[str, str]]
    """Fingerprints (`SHA256:...`) of machines' host keys by address; unless given, they are read from the definition's
    `knownHostsFile`. A machine that gets another one is converged anew."""


class Site(PlannedSite):
    """A modular AI factory from one definition: planned, converged, and accepted by a job on every GPU partition."""

    name: pulumi.Output[str]
    """Name of the site, and of its Slurm cluster."""
    domain: pulumi.Output[str]
    """DNS domain of its machines."""
    controller: pulumi.Output[str]
    """Full name of the first controller."""
    pods: pulumi.Output[Mapping[str, PodOutputs]]
    """Pods by key, without planned ones: machines, GPUs, addresses, power in W."""
    nodes: pulumi.Output[Mapping[str, Sequence[str]]]
    """Names of the machines by group, as host list expressions."""
    power: pulumi.Output[PowerOutputs]
    """The site's power in W."""
    slurm: pulumi.Output[SlurmOutputs]
    """Where Slurm is reached."""
    bootstrap: pulumi.Output[BootstrapOutputs]
    """The login by which machines are brought up."""
    accepted: pulumi.Output[bool]
    """Whether every acceptance job went well; known when the site is up."""
    summary: pulumi.Output[dict[str, Any]]
    """One versioned object with nodes, GPUs, power and what the acceptance jobs said; known when the site is up."""

    def __init__(self, name: str, args: SiteArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        definition, composed = site_definition(name, args)
        super().__init__(
            name,
            plan_site(definition),
            stack_secrets(definition, args.get("secrets") or {}),
            self._host_keys(definition, args),
            pulumi.ResourceOptions.merge(opts, consent_hook(name)),
            composed,
        )
        planned = self.planned
        self.name = pulumi.Output.from_input(planned["name"])
        self.domain = pulumi.Output.from_input(planned["domain"])
        self.controller = pulumi.Output.from_input(planned["controller"])
        self.pods = pulumi.Output.from_input(planned["pods"])
        self.nodes = pulumi.Output.from_input(planned["nodes"])
        self.power = pulumi.Output.from_input(planned["power"])
        self.slurm = pulumi.Output.from_input(planned["slurm"])
        self.bootstrap = pulumi.Output.from_input(planned["bootstrap"])

    @staticmethod
    def _host_keys(definition: Definition, args: SiteArgs) -> Mapping[str, str]:
        given = args.get("host_keys")
        return stack_host_keys(definition) if given is None else given

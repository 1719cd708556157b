"""What a change takes away is told in every preview, and refused in a run without the consent that the stack must name.

The site's own resource comes before all others, so a refusal leaves everything as it is.
"""

from collections.abc import Mapping
from typing import Any

import pulumi

from gridmill.compare.change import Holdings, effect_lines, site_effects
from gridmill.core.impact import LIVE

from .engine import calls_hooks


def consent_hook(name: str) -> pulumi.ResourceOptions:
    """Options for the site's resource: a hook that compares what it held with what it will hold."""
    if not calls_hooks():
        return pulumi.ResourceOptions()
    hook = pulumi.ResourceHook(f"{name}-consent", check_consent, pulumi.ResourceHookOptions(on_dry_run=True))
    return pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_update=[hook]))


def check_consent(args: pulumi.ResourceHookArgs) -> None:
    """RuntimeError, in a run, for what nobody consented to; in a preview a warning."""
    before, after = read(args.old_inputs), read(args.new_inputs)
    if before is None or after is None:
        return
    effects = site_effects(before, after)
    refused = any(effect.refused for effect in effects)
    if not any(effect.impact != LIVE for effect in effects):
        return
    text = "\n".join([f"site {args.name}:", *(f"  {line}" for line in effect_lines(effects))])
    if refused and not pulumi.runtime.is_dry_run():
        raise RuntimeError(text)
    (pulumi.log.warn if refused else pulumi.log.info)(text)


def read(inputs: Mapping[str, Any] | None) -> Holdings | None:
    """What a resource's inputs say that the site holds."""
    return Holdings.read(inputs or {})

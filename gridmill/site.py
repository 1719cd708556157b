"""The model of a whole site: the core's parts, and a section of every feature that has one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, cast

from pydantic import Field, create_model
from pydantic.alias_generators import to_camel, to_snake

from gridmill.core.sections.site import Site
from gridmill.kernel.feature import Feature
from gridmill.registry import features


def site_model(known: Sequence[Feature] | None = None) -> type[Site]:
    """The model for these features; by default Gridmill's own."""
    return _model(tuple(features() if known is None else known))


def section_key(feature: Feature) -> str:
    """Where a feature's section stands in the stack definition."""
    return feature.key or to_camel(feature.name)


@cache
def _model(known: tuple[Feature, ...]) -> type[Site]:
    fields: dict[str, Any] = {}
    names = {}
    for feature in known:
        if feature.section is not None:
            name = names[feature.section] = to_snake(section_key(feature))
            fields[name] = _field(feature)
    words = tuple(sorted({word for feature in known for word in feature.consents}))
    description = Site.model_fields["adopt"].description
    fields["adopt"] = (list[Literal[words]], Field(default_factory=list, description=description))  # type: ignore[valid-type]
    model = cast(type[Site], create_model("Site", __base__=Site, __doc__=Site.__doc__, __module__=__name__, **fields))
    model.sections = MappingProxyType(names)
    return model


def _field(feature: Feature) -> Any:
    """Type and settings of a section, as pydantic takes them."""
    section: Any = feature.section
    if feature.required:
        return section, Field(description=feature.summary)
    if feature.default:
        return section, Field(default_factory=feature.default, description=feature.summary)
    return section | None, Field(default=None, description=feature.summary)

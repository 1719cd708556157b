"""A site of which some parts have problems, so that rules about the others can still speak."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError

from gridmill.core.diagnose import problems_of
from gridmill.core.errors import Problem
from gridmill.core.sections.site import Site


class NotTypedError(Exception):
    """A rule asked for a part of the site that has problems of its own, which are named already."""


class _Partial:
    """Mixed into a site without the parts that have problems; asking for one of them is a NotTypedError."""

    def __getattr__(self, name: str) -> Any:
        """Only called for what is not there."""
        if name in type(self).model_fields:  # type: ignore[attr-defined]  # of the model that it is mixed into
            raise NotTypedError(name)
        raise AttributeError(name)


def read_site(data: Any, model: type[Site]) -> tuple[Site | None, list[Problem]]:
    """The typed site, or what of it could be typed, with every problem of the rest; None when nothing could be."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        problems = problems_of(error, model)
        places = [item["loc"] for item in error.errors(include_url=False, include_input=False)]
    if not isinstance(data, dict) or () in places:
        return None, problems
    bad = {place[0] for place in places}
    typed = {}
    for name, field in model.model_fields.items():
        keys = {field.alias or name, name}
        for key in keys & set(data) if not keys & bad else ():
            typed[name] = TypeAdapter(field.rebuild_annotation()).validate_python(data[key])
    partial: type[Site] = type("PartialSite", (_Partial, model), {"__module__": __name__})
    site = partial.model_construct(**typed)
    for name, field in model.model_fields.items():
        if {field.alias or name, name} & bad:
            site.__dict__.pop(name, None)
    return site, problems


def has(site: Site, part: str) -> bool:
    """Whether this part of the site is there."""
    return part in site.__dict__

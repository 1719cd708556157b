"""A site of which some parts have problems, so that rules about the others can still speak."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError

from gridmill.core.diagnose import problems_of
from gridmill.core.errors import Problem
from gridmill.core.sections.site import Site


class NotTypedError(Exception):
    """A rule asked for a part of the site that has problems of its own, which are named already."""


class PartialSite(Site):
    """A site without the parts that have problems; asking for one of them is a NotTypedError."""

    def __getattr__(self, name: str) -> Any:
        """Only called for what is not there."""
        if name in Site.model_fields:
            raise NotTypedError(name)
        raise AttributeError(name)


def read_site(data: Any) -> tuple[Site | None, list[Problem]]:
    """The typed site, or what of it could be typed, with every problem of the rest; None when nothing could be."""
    try:
        return Site.model_validate(data), []
    except ValidationError as error:
        problems = problems_of(error, Site)
        places = [item["loc"] for item in error.errors(include_url=False, include_input=False)]
    if not isinstance(data, dict) or () in places:
        return None, problems
    bad = {place[0] for place in places}
    typed = {}
    for name, field in Site.model_fields.items():
        keys = {field.alias or name, name}
        for key in keys & set(data) if not keys & bad else ():
            typed[name] = TypeAdapter(field.rebuild_annotation()).validate_python(data[key])
    site = PartialSite.model_construct(**typed)
    for name, field in Site.model_fields.items():
        if {field.alias or name, name} & bad:
            site.__dict__.pop(name, None)
    return site, problems


def has(site: Site, part: str) -> bool:
    """Whether this part of the site is there."""
    return part in site.__dict__

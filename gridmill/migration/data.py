"""What a stack file of version 1 means in version 2, as plain data: what a rewritten text is held against."""

from __future__ import annotations

from typing import Any

from gridmill.core.schema_version import ANY, MOVED, RENAMED, RENAMED_SECRETS, SCHEMA_VERSION, SITE_KEY, Renamed


def migrated_document(document: dict[str, Any]) -> dict[str, Any]:
    """A whole stack file; nothing of the original is changed."""
    config = {RENAMED_SECRETS.get(key, key): value for key, value in document["config"].items()}
    return {**document, "config": {**config, SITE_KEY: migrated_site(config[SITE_KEY])}}


def migrated_site(site: dict[str, Any]) -> dict[str, Any]:
    """The site object; one that is of this version already stays as it is."""
    if site.get("schemaVersion") == SCHEMA_VERSION:
        return site
    site = {**site, "schemaVersion": SCHEMA_VERSION}
    for one in RENAMED:
        site = _renamed(site, one.place, one)
    for (section, key), new in MOVED.items():
        holder = site.get(section)
        if isinstance(holder, dict) and key in holder:
            site[section] = {name: value for name, value in holder.items() if name != key}
            site[new] = holder[key]
    return site


def _renamed(value: Any, place: tuple[str, ...], one: Renamed) -> Any:
    if not isinstance(value, dict):
        return value
    here, *rest = place
    if rest:
        return {key: _renamed(item, tuple(rest), one) if here in (ANY, key) else item for key, item in value.items()}
    return {one.key if key == here else key: listed(item, one) if key == here else item for key, item in value.items()}


def listed(value: Any, one: Renamed) -> Any:
    """A value as it stands under its new key."""
    return [value] if one.listed and isinstance(value, (str, int, float)) else value

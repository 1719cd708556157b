#!/usr/bin/python
"""Ansible module: links to toolkits that lie on a volume."""

from __future__ import annotations

import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.cuda import toolkits

DOCUMENTATION = r"""
module: toolkit_links
short_description: Makes links to toolkits on a volume, and removes those of ours that are no longer wanted
description:
  - What somebody else put at such a place stays, and is told. What the links name need not be there yet.
options:
  links:
    description: Target by path of the link.
    type: dict
    required: true
  record:
    description: File that remembers which links this module made.
    type: path
    default: /var/lib/gridmill/toolkit-links.json
  pending_change:
    description: Whether an earlier task that has changed nothing yet, in check mode, removes what is in the way.
    type: bool
    default: false
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Make links to toolkits
  gridmill.site.toolkit_links:
    links: {/usr/local/cuda-12.8: /shared/software/cuda/12.8}
"""

RETURN = r"""
gridmill_notes:
  description: Places that somebody else has taken.
  returned: always
  type: list
  elements: str
"""


def remembered(record: Path) -> dict[str, str]:
    return dict(json.loads(record.read_text(encoding="utf-8"))["links"]) if record.exists() else {}


def remember(record: Path, links: dict[str, str]) -> None:
    record.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = record.with_name(f".{record.name}.new")
    new.write_text(json.dumps({"links": links}, sort_keys=True) + "\n", encoding="utf-8")
    new.chmod(0o644)
    new.replace(record)


def link(place: Path, target: str) -> None:
    """Make or move a link in one step."""
    if place.is_dir() and not place.is_symlink():
        place.rmdir()  # empty
    new = place.with_name(f".{place.name}.gridmill-new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(place)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "links": {"type": "dict", "required": True},
            "record": {"type": "path", "default": "/var/lib/gridmill/toolkit-links.json"},
            "pending_change": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    wanted, record = module.params["links"], Path(module.params["record"])
    recorded = remembered(record)
    work = toolkits.compare_links(
        wanted, recorded, pending_change=module.check_mode and module.params["pending_change"]
    )
    own = {path: target for path, target in wanted.items() if path not in work.kept}
    if not module.check_mode:
        if {**recorded, **own} != recorded:
            remember(record, {**recorded, **own})  # before: a link without a record is somebody else's
        for path in work.remove:
            Path(path).unlink()
        for path, target in work.make.items():
            Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            link(Path(path), target)
        if remembered(record) != own:
            remember(record, own)
    lines = [f"remove link {path}" for path in work.remove]
    lines += [f"link {path} to {target}" for path, target in work.make.items()]
    module.exit_json(
        changed=bool(lines or recorded != own),
        gridmill_notes=[f"{path} is somebody else's and stays; {wanted[path]} is not seen there" for path in work.kept],
        diff={"prepared": "".join(f"+{line}\n" for line in lines)},
    )


if __name__ == "__main__":
    main()

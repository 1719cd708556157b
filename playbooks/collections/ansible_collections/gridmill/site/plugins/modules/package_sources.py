#!/usr/bin/python
"""Ansible module: package repositories, each with the one key that may sign it."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.packages.sources import (
    DIRECTORIES,
    PREFIX,
    files,
    problems,
    source_file,
    stale,
)
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result, run
from ansible_collections.gridmill.site.plugins.module_utils.system.locks import RUNTIME, alone

DOCUMENTATION = r"""
module: package_sources
short_description: Defines package sources, each signed by one key
description:
  - Writes a key, a definition and preferences per source; each key only after its fingerprint was found to be right.
  - Fetches the lists of a source that is new or changed before its definition is put in place. If its signature can't
    be verified, APT gets no definition of it, and the task fails.
  - Removes the files of sources that are no longer wanted. Files that this module did not write are left alone.
options:
  wanted:
    description: Sources by name; dicts with url, suites, components, key, fingerprint, origin and packages.
    type: dict
    required: true
  directory:
    description: Where APT's configuration is.
    type: path
    default: /etc/apt
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Define the mirror
  gridmill.site.package_sources:
    wanted:
      mirror:
        url: https://packages.example/nvidia
        suites: ["./"]
        components: []
        key: "{{ lookup('file', 'mirror.asc') }}"
        fingerprint: 0123456789ABCDEF0123456789ABCDEF01234567
        origin: NVIDIA
        packages: ["*nvidia*"]
"""

RETURN = r"""
written:
  description: Files that were written, or would be in check mode.
  returned: always
  type: list
  elements: str
removed:
  description: Files that were removed, or would be in check mode.
  returned: always
  type: list
  elements: str
"""

TIMEOUT = 600.0
LOCK = RUNTIME / "packages.lock"
LOCK_WAIT = 300.0


def update(source: str) -> Result:
    """Fetch the lists of this source alone; anything that is wrong with it is an error."""
    options = [
        f"Dir::Etc::SourceList={source}",
        "Dir::Etc::SourceParts=/dev/null",
        "APT::Get::List-Cleanup=0",
        "APT::Update::Error-Mode=any",
        "DPkg::Lock::Timeout=300",
    ]
    return run(["apt-get", "--quiet=2", *(f"--option={one}" for one in options), "update"], timeout=TIMEOUT)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.parent / f".{path.name}.new"
    new.write_text(text, encoding="utf-8")
    new.chmod(0o644)
    new.replace(path)


def try_out(module: AnsibleModule, definition: str, text: str, otherwise: str) -> None:
    """Put a definition in place when its lists could be fetched and verified; a run that is killed leaves none."""
    staged = LOCK.parent / Path(definition).name
    write(staged, text)
    answer = update(str(staged))
    staged.unlink()
    if not answer.ok:
        Path(definition).unlink(missing_ok=True)
        module.fail_json(msg=f"{otherwise}: {said(answer)}")
    write(Path(definition), text)


def said(answer: Result) -> str:
    lines = [" ".join(line.split()) for line in answer.error.splitlines() if line.strip()]
    return " / ".join(lines[-4:]) or answer.complaint()


def work(module: AnsibleModule) -> None:
    wanted, root = module.params["wanted"], module.params["directory"]
    if found := problems(wanted):
        module.fail_json(msg=f"nothing was changed; {'; '.join(found)}")
    texts = files(wanted, root)
    present = [str(path) for name in DIRECTORIES for path in (Path(root) / name).glob(f"{PREFIX}*")]
    written = [path for path, text in texts.items() if path not in present or Path(path).read_text("utf-8") != text]
    removed = stale(present, texts)
    if not module.check_mode:
        for path in removed:
            Path(path).unlink(missing_ok=True)
        definitions = {source_file(root, name): name for name in wanted}
        for path in written:
            if path not in definitions:
                write(Path(path), texts[path])
        for definition, name in definitions.items():
            if {path for path in written if Path(path).name.removesuffix(Path(path).suffix) == f"{PREFIX}{name}"}:
                try_out(module, definition, texts[definition], f"{name} is not used; {wanted[name]['url']}")
    lines = [f"~{path}" for path in written] + [f"-{path}" for path in removed]
    module.exit_json(
        changed=bool(written or removed),
        written=written,
        removed=removed,
        diff={"prepared": "".join(f"{line}\n" for line in lines)},
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "wanted": {"type": "dict", "required": True},
            "directory": {"type": "path", "default": "/etc/apt"},
        },
        supports_check_mode=True,
    )
    try:
        with alone(LOCK, LOCK_WAIT):
            work(module)
    except TimeoutError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

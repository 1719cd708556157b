"""`gridmill new`: a Pulumi project for sites, in a repository of its own."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gridmill.core.base import PLAIN_KEY, SiteName
from gridmill.operations.commands.pin import LOCK, SOURCE, WHEELS, Pin, add_index_argument, chosen
from gridmill.operations.errors import OperationError
from gridmill.operations.places import PACKAGE, TOOLKIT
from gridmill.schema import schema_text, site_schema

TEMPLATES = PACKAGE / "templates"
FORGES = {
    "github": ".github/workflows/gridmill.yml",
    "forgejo": ".forgejo/workflows/gridmill.yml",
    "gitlab": ".gitlab-ci.yml",
}
"""Where a forge looks for its workflow."""
NO_FORGE = "none"
SAMPLE = "lab"
"""The virtual site that comes with Gridmill."""


@dataclass(frozen=True)
class File:
    """A file of the new project."""

    content: bytes
    mode: int = 0o644


def add_new_arguments(command: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    command.add_argument("directory", type=Path, metavar="DIR", help="where; what is there already stays")
    command.add_argument("--name", help=f"of the first site; by default DIR's, and with --lab {SAMPLE}")
    command.add_argument("--lab", action="store_true", help="the site is a virtual one, on this host")
    command.add_argument("--ci", choices=(*FORGES, NO_FORGE), default="github", help="forge whose workflow is written")
    command.add_argument(
        "--wheel", type=Path, metavar="FILE", help="wheel to pin; by default the one that this Gridmill came from"
    )
    add_index_argument(command)


def new(options: argparse.Namespace) -> int:
    """Write the project, or say what is in the way, and write nothing."""
    place: Path = options.directory.absolute()
    name = options.name or (SAMPLE if options.lab else place.name)
    try:
        TypeAdapter(SiteName).validate_python(name)
    except ValidationError as error:
        raise OperationError(f"{name!r} cannot be a site's name; {PLAIN_KEY}, at most 24: --name NAME") from error
    files = dict(project_files(name, chosen(options.wheel, index=options.index), lab=options.lab, forge=options.ci))
    taken = [path for path in files if (place / path).exists()]
    if taken:
        raise OperationError(f"{place} has {', '.join(taken)} already; nothing was written")
    for path, file in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(file.content)
        (place / path).chmod(file.mode)
    print(f"{options.directory}: a project with site {name}, {len(files)} files; README.md says how to go on")
    return 0


def project_files(name: str, pin: Pin, *, lab: bool, forge: str) -> Iterator[tuple[str, File]]:
    """Every file by its path."""

    def template(path: str) -> File:
        return File((TEMPLATES / path).read_text(encoding="utf-8").replace("SITE", name).encode())

    yield "Pulumi.yaml", template("Pulumi.yaml")
    yield "__main__.py", template("main.py.in")
    yield f"Pulumi.{name}.yaml", File(virtual_stack(name).encode()) if lab else template("Pulumi.site.yaml")
    yield from _inventory(name, lab=lab)
    yield "policy/PulumiPolicy.yaml", template("policy/PulumiPolicy.yaml")
    yield "policy/__main__.py", template("policy/main.py.in")
    yield "site.schema.json", File(schema_text(site_schema()).encode())
    yield ".gitignore", template("gitignore")
    secrets = template("secrets-lab.md" if lab else "secrets-site.md").content.rstrip()
    yield "README.md", File(template("README.md.in").content.replace(b"SECRETS", secrets))
    requirement = pin.requirement(lab=lab)
    yield SOURCE, File(f"# What this repository needs; `gridmill pin` changes the line.\n{requirement}\n".encode())
    yield LOCK, File(pin.lock(lab=lab).encode())
    if pin.file:
        yield f"{WHEELS}/{pin.file.name}", File(pin.file.read_bytes())
    for path in sorted((TOOLKIT / "ci").iterdir()):
        if path.suffix in {".sh", ".py"}:
            yield f"ci/{path.name}", File(path.read_bytes(), 0o755)
    if forge != NO_FORGE:
        text = (TOOLKIT / "ci" / f"{forge}.yml").read_text(encoding="utf-8")
        yield FORGES[forge], File(text.replace("SITE", name).encode())


def virtual_stack(name: str) -> str:
    """The stack of the virtual site that comes with Gridmill, under another name."""
    text = (TOOLKIT / f"Pulumi.{SAMPLE}.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^encryptionsalt:.*\n", "", text, flags=re.MULTILINE)  # of the public passphrase
    text = text.replace("./docs/reference/site.schema.json", "./site.schema.json")
    for old, new_ in (
        (f"name: {SAMPLE}\n", f"name: {name}\n"),
        (f"{{state}}/lab/{SAMPLE}/", f"{{state}}/lab/{name}/"),
        (f"{SAMPLE}.gridmill.test", f"{name}.gridmill.test"),
        (f"inventories/{SAMPLE}/", f"inventories/{name}/"),
    ):
        text = text.replace(old, new_)
    return text


def _inventory(name: str, *, lab: bool) -> Iterator[tuple[str, File]]:
    """What stands beside the stack."""
    beside = f"inventories/{name}"
    sample = TOOLKIT / "inventories" / SAMPLE
    text = (sample / "gridmill.yml").read_text(encoding="utf-8")
    text = text.replace(f"inventories/{SAMPLE} ", f"{beside} ").replace(f"Pulumi.{SAMPLE}.yaml", f"Pulumi.{name}.yaml")
    yield f"{beside}/gridmill.yml", File(text.encode())
    for path in sorted((sample / "skus").rglob("*.yaml")) if lab else ():
        yield f"{beside}/{path.relative_to(sample)}", File(path.read_bytes())

#!/usr/bin/env python3
"""Keep a plan between its merge request and the job that applies it: ci/plan_store.py WHAT FORGE SITE FILE.

WHAT is put, get or name; FORGE is github, forgejo or gitlab. A plan is kept under the content that it was made for (the
tree of the commit, which a merge does not change), as a generic package of GitLab and Forgejo, or as an artifact of
GitHub Actions: there the workflow uploads it under the name that `name` prints. From the environment: PLAN_API (such
as https://api.github.com), PLAN_PROJECT (owner/name; a number with GitLab), PLAN_TOKEN. Needs only Python and git.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

FILE = "plan.json"
TIMEOUT_S = 60
CONFLICT = 409
HEADERS = {"gitlab": "JOB-TOKEN", "forgejo": "Authorization", "github": "Authorization"}


def tree() -> str:
    """The content that is checked out, as git names it."""
    command = ["git", "rev-parse", "HEAD^{tree}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def call(method: str, url: str, forge: str, data: bytes | None = None) -> bytes:
    """What the forge answers; urllib.error.HTTPError for a status that is not a success."""
    if not url.startswith(("https://", "http://")):
        raise SystemExit(f"{url} is not an address of a forge")
    request = urllib.request.Request(url, data, method=method)  # noqa: S310 - checked above
    token = os.environ["PLAN_TOKEN"]
    header = HEADERS[forge]
    # not handed on to wherever the forge sends us
    request.add_unredirected_header(header, token if header == "JOB-TOKEN" else f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        found: bytes = answer.read()
        return found


def package(forge: str, site: str) -> str:
    """Address of the plan for what is checked out."""
    api, project = os.environ["PLAN_API"], os.environ["PLAN_PROJECT"]
    if forge == "gitlab":
        place = f"{api}/projects/{urllib.parse.quote(project, safe='')}/packages/generic/plan-{site}"
    else:
        owner, _, name = project.partition("/")
        place = f"{api}/packages/{owner}/generic/{name}-plan-{site}"
    return f"{place}/{tree()}/{FILE}"


def put(forge: str, site: str, file: Path) -> None:
    """Keep it, in the place of one made before for the same content."""
    if not file.exists():
        print("no plan to keep: the preview found a problem")
        return
    url, data = package(forge, site), file.read_bytes()
    try:
        call("PUT", url, forge, data)
    except urllib.error.HTTPError as error:
        if error.code != CONFLICT:
            raise
        call("DELETE", url, forge)
        call("PUT", url, forge, data)


def get(forge: str, site: str, file: Path) -> None:
    """Fetch the newest that was made for what is checked out."""
    if forge == "github":
        base = f"{os.environ['PLAN_API']}/repos/{os.environ['PLAN_PROJECT']}/actions/artifacts"
        found = json.loads(call("GET", f"{base}?name={name(site)}&per_page=100", forge))["artifacts"]
        alive = sorted((one["created_at"], one["archive_download_url"]) for one in found if not one["expired"])
        if not alive:
            raise SystemExit(f"no plan of {site} was kept for this content (tree {tree()})")
        archive = zipfile.ZipFile(io.BytesIO(call("GET", alive[-1][1], forge)))
        file.write_bytes(archive.read(FILE))
    else:
        file.write_bytes(call("GET", package(forge, site), forge))


def name(site: str) -> str:
    """Name of the artifact."""
    return f"plan-{site}-{tree()}"


def main(arguments: list[str]) -> None:
    """As the text above says."""
    if len(arguments) != 4 or arguments[1] not in HEADERS or not re.fullmatch("[a-z0-9-]+", arguments[2]):  # noqa: PLR2004
        raise SystemExit(__doc__)
    what, forge, site, file = arguments
    if what == "name":
        print(f"name={name(site)}")
    elif what == "put" and forge != "github":
        put(forge, site, Path(file))
    elif what == "get":
        try:
            get(forge, site, Path(file))
        except urllib.error.HTTPError as error:
            raise SystemExit(f"no plan of {site} for this content (tree {tree()}): {error}") from error
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

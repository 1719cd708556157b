#!/usr/bin/env python3
"""Put a preview's comment onto a merge request, in the place of the one before: ci/comment.py FORGE FILE.

FORGE is github, forgejo or gitlab. The first line of FILE is the marker by which the comment before is found. From the
environment: COMMENT_API (such as https://api.github.com), COMMENT_PROJECT (owner/name; a number with GitLab),
COMMENT_NUMBER (of the merge request), COMMENT_TOKEN. Needs nothing but Python.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

LONGEST = 60_000
"""Characters; GitHub takes 65,536."""
PAGE = 100
TIMEOUT_S = 30


def call(method: str, url: str, headers: dict[str, str], body: dict[str, str] | None = None) -> Any:
    """What the forge answers; urllib.error.HTTPError for a status that is not a success."""
    if not url.startswith(("https://", "http://")):
        raise SystemExit(f"{url} is not an address of a forge")
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - checked above
        url, data, {**headers, "Content-Type": "application/json", "Accept": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        return json.load(answer)


def put(forge: str, text: str, environment: dict[str, str]) -> str:
    """Write the comment; `updated` or `created`."""
    api, project, number, token = (environment[f"COMMENT_{name}"] for name in ("API", "PROJECT", "NUMBER", "TOKEN"))
    if forge == "gitlab":
        project = urllib.parse.quote(project, safe="")
        comments = one = f"{api}/projects/{project}/merge_requests/{number}/notes"
        headers, size, change = {"PRIVATE-TOKEN": token}, "per_page", "PUT"
    else:
        comments = f"{api}/repos/{project}/issues/{number}/comments"
        one = f"{api}/repos/{project}/issues/comments"
        headers, change = {"Authorization": f"Bearer {token}"}, "PATCH"
        size = "per_page" if forge == "github" else "limit"
    marker = text.splitlines()[0]
    body = {"body": text if len(text) <= LONGEST else f"{text[:LONGEST]}\n\n*cut; the page has all of it*\n"}
    page = 1
    while found := call("GET", f"{comments}?{size}={PAGE}&page={page}", headers):
        for comment in found:
            if (comment.get("body") or "").startswith(marker):
                call(change, f"{one}/{comment['id']}", headers, body)
                return "updated"
        if len(found) < PAGE:
            break
        page += 1
    call("POST", comments, headers, body)
    return "created"


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in {"github", "forgejo", "gitlab"}:  # noqa: PLR2004 - forge and file
        raise SystemExit(__doc__)
    print(put(sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8"), dict(os.environ)))

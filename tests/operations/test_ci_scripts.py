"""The scripts that workflows run, and that the workflows run these: a forge on loopback, a command that is a stand-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

MARKER = "<!-- gridmill-preview: lab -->"


class Forge(HTTPServer):
    """Keeps comments, and notes what was asked."""

    comments: list[dict[str, Any]]
    asked: list[tuple[str, str, str]]


class Handler(BaseHTTPRequestHandler):
    server: Forge

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        token = self.headers.get("Authorization") or self.headers.get("PRIVATE-TOKEN") or ""
        self.server.asked.append((self.command, self.path.partition("?")[0], token))
        reply: Any = self.server.comments if "page=1" in self.path else []
        if self.command == "POST":
            self.server.comments.append({"id": 7, **body})
        elif self.command in {"PATCH", "PUT"}:
            self.server.comments[-1].update(body)
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_PUT = answer  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def forge() -> Iterator[Forge]:
    server = Forge(("127.0.0.1", 0), Handler)
    server.comments, server.asked = [{"id": 1, "body": "somebody's"}], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("kind", "list_path", "change", "one_path", "token"),
    [
        ("github", "/repos/o/n/issues/5/comments", "PATCH", "/repos/o/n/issues/comments/7", "Bearer t"),
        ("forgejo", "/repos/o/n/issues/5/comments", "PATCH", "/repos/o/n/issues/comments/7", "Bearer t"),
        ("gitlab", "/projects/o%2Fn/merge_requests/5/notes", "PUT", "/projects/o%2Fn/merge_requests/5/notes/7", "t"),
    ],
)
def test_the_comment_is_made_once_and_then_updated(
    forge: Forge, tmp_path: Path, kind: str, list_path: str, change: str, one_path: str, token: str
) -> None:
    file = tmp_path / "preview.md"
    api = f"http://127.0.0.1:{forge.server_port}"
    given = {"COMMENT_API": api, "COMMENT_PROJECT": "o/n", "COMMENT_NUMBER": "5", "COMMENT_TOKEN": "t"}
    for text, said in (("first", "created"), ("second", "updated")):
        file.write_text(f"{MARKER}\n{text}\n", encoding="utf-8")
        command = [sys.executable, str(ROOT / "ci" / "comment.py"), kind, str(file)]
        done = subprocess.run(command, env={**os.environ, **given}, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == said
    assert [comment["body"] for comment in forge.comments] == ["somebody's", f"{MARKER}\nsecond\n"]
    asked = [("GET", list_path), ("POST", list_path), ("GET", list_path), (change, one_path)]
    assert forge.asked == [(*one, token) for one in asked]


def test_the_preview_script_hands_on_the_status(tmp_path: Path) -> None:
    for name, text in (
        (".venv/bin/gridmill", '#!/bin/sh\necho "$FROM_ENGINE $*"\nexit 2\n'),
        ("tools/engine.py", "print('export FROM_ENGINE=engine')"),
        ("ci/preview.sh", (ROOT / "ci" / "preview.sh").read_text(encoding="utf-8")),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    script = [str(tmp_path / "ci" / "preview.sh"), "lab", "--allow", "drain"]
    done = subprocess.run(script, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 2
    assert done.stdout == "engine ci preview lab --markdown preview.md --html preview.html --allow drain\n"


@pytest.mark.parametrize("name", ["github", "forgejo", "gitlab"])
def test_every_step_of_a_workflow_is_a_script_of_ours(name: str) -> None:
    workflow = yaml.safe_load((ROOT / "ci" / f"{name}.yml").read_text(encoding="utf-8"))
    if name == "gitlab":
        lines = workflow["preview"]["script"]
    else:
        lines = [step["run"] for step in workflow["jobs"]["preview"]["steps"] if "run" in step]
    assert len(lines) >= 2
    for line in lines:
        words = line.split()
        assert words[0] == "make" or (ROOT / words[0]).is_file(), line
    assert any(line.startswith("ci/preview.sh ") for line in lines)
    assert any(line.startswith(f"ci/comment.py {name} preview.md") for line in lines + workflow_after(workflow))


def workflow_after(workflow: dict[str, Any]) -> list[str]:
    found: list[str] = workflow.get("preview", {}).get("after_script", [])
    return found

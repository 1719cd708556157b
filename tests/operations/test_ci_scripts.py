"""The scripts that workflows run, and that the workflows run these: a forge on loopback, a command that is a stand-in."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import zipfile
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


def test_scripts_hand_on_the_status(tmp_path: Path) -> None:
    for name, text in (
        (
            ".venv/bin/gridmill",
            '#!/bin/sh\nif [ "$1" = engine ]; then echo "export FROM_ENGINE=$4"; exit; fi\n'
            'echo "$FROM_ENGINE $*"\nexit 2\n',
        ),
        ("ci/preview.sh", (ROOT / "ci" / "preview.sh").read_text(encoding="utf-8")),
        ("ci/apply.sh", (ROOT / "ci" / "apply.sh").read_text(encoding="utf-8")),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    script = [str(tmp_path / "ci" / "preview.sh"), "lab", "--allow", "drain"]
    done = subprocess.run(script, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 2
    files = "--markdown preview.md --html preview.html --plan plan.json"
    assert done.stdout == f"lab ci preview lab {files} --allow drain\n"
    script = [str(tmp_path / "ci" / "apply.sh"), "lab", "plan.json", "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode, done.stdout) == (2, "lab apply plan.json --site lab --check\n")


def test_the_drift_script_tells_and_hands_on_the_status(tmp_path: Path) -> None:
    found = {"hosts": [
        {"name": "n1", "differences": [{"phase": "pod-a", "kind": "file", "name": "/x", "found": "gone"}], "unseen": ""},
        {"name": "n2", "differences": [], "unseen": "dead"},
    ]}  # fmt: skip
    for name, text in (
        (".venv/bin/gridmill", f"#!/bin/sh\necho '{json.dumps(found)}'\nexit 1\n"),
        (".venv/bin/python", f'#!/bin/sh\nexec {sys.executable} "$@"\n'),
        *((f"ci/{name}", (ROOT / "ci" / name).read_text(encoding="utf-8")) for name in ("drift.sh", "drift_lines.py")),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    drift = [str(tmp_path / "ci" / "drift.sh"), "lab"]
    done = subprocess.run(drift, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "n1 drift: pod-a: file /x: gone\nn2 unseen: dead\n"), done.stderr
    assert json.loads((tmp_path / "drift.json").read_text(encoding="utf-8")) == found
    failed = '#!/bin/sh\necho \'{"ok": false, "error": "no key"}\'\nexit 2\n'
    (tmp_path / ".venv" / "bin" / "gridmill").write_text(failed, encoding="utf-8")
    done = subprocess.run(drift, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "no key\n"), done.stderr


class Store(HTTPServer):
    """Keeps packages; refuses to write one twice, as Forgejo does; and has artifacts of GitHub Actions."""

    files: dict[str, bytes]
    asked: list[tuple[str, str, str]]


class StoreHandler(BaseHTTPRequestHandler):
    server: Store

    def answer(self) -> None:
        token = self.headers.get("Authorization") or self.headers.get("JOB-TOKEN") or ""
        self.server.asked.append((self.command, self.path, token))
        status, data = 200, self.server.files.get(self.path, b"")
        if self.command == "PUT":
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = 409 if self.path in self.server.files else 201
            self.server.files.setdefault(self.path, body)
        elif self.command == "DELETE":
            del self.server.files[self.path]
        elif self.path not in self.server.files:
            status = 404
        elif data.startswith(b"to "):
            status = 302
        self.send_response(status)
        if status == 302:
            self.send_header("Location", data.removeprefix(b"to ").decode())
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def store() -> Iterator[Store]:
    server = Store(("127.0.0.1", 0), StoreHandler)
    server.files, server.asked = {}, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "repository"
    place.mkdir()
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        who = ["-c", "user.name=x", "-c", "user.email=x@x.test", "-c", "core.hooksPath=/dev/null"]
        subprocess.run(["git", *who, *command], cwd=place, check=True)
    return place


TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""git's name of a tree without files."""


def plan_store(store: Store, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    api = f"http://127.0.0.1:{store.server_port}"
    given = {"PLAN_API": api, "PLAN_PROJECT": "o/n", "PLAN_TOKEN": "t"}
    return subprocess.run(
        [sys.executable, str(ROOT / "ci" / "plan_store.py"), *arguments], cwd=place,
        env={**os.environ, **given}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "address", "token"),
    [
        ("gitlab", f"/projects/o%2Fn/packages/generic/plan-lab/{TREE}/plan.json", "t"),
        ("forgejo", f"/packages/o/generic/n-plan-lab/{TREE}/plan.json", "Bearer t"),
    ],
)
def test_a_plan_is_kept_under_its_content(store: Store, repository: Path, kind: str, address: str, token: str) -> None:
    assert "no plan to keep" in plan_store(store, repository, "put", kind, "lab", "plan.json").stdout
    missing = plan_store(store, repository, "get", kind, "lab", "got.json")
    assert missing.returncode == 1 and f"no plan of lab for this content (tree {TREE})" in missing.stderr
    for text in ("first", "second"):
        (repository / "plan.json").write_text(text, encoding="utf-8")
        assert plan_store(store, repository, "put", kind, "lab", "plan.json").returncode == 0
        assert plan_store(store, repository, "get", kind, "lab", "got.json").returncode == 0
        assert (repository / "got.json").read_text(encoding="utf-8") == text
    assert set(store.files) == {address}
    assert {one[1:] for one in store.asked} == {(address, token)}


def test_a_plan_of_github_is_the_newest_artifact(store: Store, repository: Path) -> None:
    assert plan_store(store, repository, "name", "github", "lab", "x").stdout == f"name=plan-lab-{TREE}\n"
    base = f"http://127.0.0.1:{store.server_port}"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("plan.json", "the plan")
    artifacts = [
        {"created_at": f"2026-11-2{day}", "expired": day == 3, "archive_download_url": f"{base}/zip{day}"}
        for day in (1, 2, 3)
    ]
    listed = f"/repos/o/n/actions/artifacts?name=plan-lab-{TREE}&per_page=100"
    store.files[listed] = json.dumps({"artifacts": []}).encode()
    none = plan_store(store, repository, "get", "github", "lab", "got.json")
    assert none.returncode == 1 and "no plan of lab was kept" in none.stderr
    store.files |= {
        listed: json.dumps({"artifacts": artifacts}).encode(),
        "/zip2": b"to /blob",
        "/blob": stream.getvalue(),
    }
    store.asked.clear()
    assert plan_store(store, repository, "get", "github", "lab", "got.json").returncode == 0
    assert (repository / "got.json").read_text(encoding="utf-8") == "the plan"
    assert store.asked == [
        ("GET", listed, "Bearer t"), ("GET", "/zip2", "Bearer t"), ("GET", "/blob", "")
    ], "the token stays with the forge"  # fmt: skip


@pytest.mark.parametrize("name", ["github", "forgejo", "gitlab"])
def test_every_step_of_a_workflow_is_a_script_of_ours(name: str) -> None:
    workflow = yaml.safe_load((ROOT / "ci" / f"{name}.yml").read_text(encoding="utf-8"))
    lines: dict[str, list[str]] = {}
    for job in ("preview", "apply", "drift"):
        if name == "gitlab":
            lines[job] = [*workflow[job]["script"], *workflow[job].get("after_script", [])]
        else:
            lines[job] = [step["run"] for step in workflow["jobs"][job]["steps"] if "run" in step]
        assert lines[job][0] == "ci/setup.sh"
        for line in lines[job][1:]:
            assert os.access(ROOT / line.split()[0], os.X_OK), line
    keep = "name github" if name == "github" else f"put {name}"
    assert [line.partition(" >> ")[0] for line in lines["preview"][1:]] == [
        "ci/preview.sh SITE --allow live", f"ci/comment.py {name} preview.md", f"ci/plan_store.py {keep} SITE plan.json"
    ]  # fmt: skip
    assert lines["apply"][1:] == [f"ci/plan_store.py get {name} SITE plan.json", "ci/apply.sh SITE plan.json"]
    assert lines["drift"][1:] == ["ci/drift.sh SITE"]

"""Runs the steps of a bundle on this machine, one after the other, each in a process forked from this one.

So Python starts once and reads Ansible's code once. What a step found is appended to a file in memory that the receiver
hands on; a step that fails is the last one. TERM has the step in hand end, and no other begin.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import IO, Any

from ansible.module_utils import basic
from ansible_collections.gridmill.site.plugins.module_utils.bundle.deferred import DeferredExpressionError, value

LARGEST_DIFF = 100 * 1024
"""Bytes of a file above which no difference is shown."""
LOCK_S = 5.0

Result = dict[str, Any]


class Runner:
    """One bundle."""

    def __init__(self, place: Path, events: IO[bytes]) -> None:
        self.place = place
        self.events = events
        self.manifest = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
        self.results: dict[str, Any] = dict(self.manifest["skipped"])
        self.stopped = False

    def stop(self, *_: object) -> None:
        """Begin no other step."""
        self.stopped = True

    def run(self) -> dict[str, Any]:
        """All steps, until one fails; how it ended."""
        for number, step in enumerate(self.manifest["steps"]):
            if self.stopped:
                return {"ok": False, "stopped": True}
            self.say(event="begin", step=number)
            result = self.step(step)
            if register := step.get("register"):
                self.results[register] = result
            self.say(event="step", step=number, result=told(step, result))
            if result.get("failed"):
                return {"ok": False}
        return {"ok": True}

    def say(self, **event: Any) -> None:
        """One event, whole or not at all."""
        self.events.write(json.dumps(event, default=str).encode() + b"\n")
        self.events.flush()

    def step(self, step: dict[str, Any]) -> Result:
        """The result of a task, as Ansible would have it."""
        try:
            if not all(value(tree, self.results) for tree in step.get("when", ())):
                return {"changed": False, "skipped": True}
            late = {name: value(tree, self.results) for name, tree in step.get("late", {}).items()}
        except (DeferredExpressionError, TypeError, AttributeError) as error:
            return {"changed": False, "failed": True, "msg": f"what depends on tasks before: {error}"}
        found = [self.round(step, {**arguments, **late}) for arguments in step["rounds"]]
        if not step.get("loop"):
            return found[0]
        failed = any(one.get("failed") for one in found)
        return {
            "results": found, "changed": any(one.get("changed") for one in found),
            **({"failed": True, "msg": failure(found)} if failed else {}),
        }  # fmt: skip

    def round(self, step: dict[str, Any], arguments: dict[str, Any]) -> Result:
        """One call."""
        if step["module"] == "content":
            return self.content(step, arguments)
        return self.call(step["module"], arguments, step)

    def content(self, step: dict[str, Any], arguments: dict[str, Any]) -> Result:
        """Put a content in place as the actions `template` and `copy` do: by their modules `copy` and `file`."""
        content = (self.place / "contents" / arguments["content"]).read_bytes()
        dest, basename = arguments["dest"], arguments["basename"]
        kept = {key: arguments[key] for key in arguments if key not in {"content", "basename"}}
        if Path(dest).is_dir():
            return {"changed": False, "failed": True, "msg": f"{dest} is a directory"}
        checksum = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        if checksum_of(dest, follow=bool(arguments.get("follow"))) == checksum:
            attributes = {key: kept[key] for key in ("mode", "owner", "group") if key in kept}
            path = os.path.realpath(dest) if arguments.get("follow") else dest
            given = {**attributes, "path": path, "state": "file", "recurse": False, "_original_basename": basename}
            result = self.call("ansible.modules.file", given, step)
        elif step.get("check"):
            result = {"changed": True, "dest": dest}
            if step.get("diff") and not step.get("no_log"):
                result["diff"] = [difference(Path(dest), content)]
            return result
        else:
            source = self.place / "tmp" / f"source{Path(dest).suffix}"
            source.write_bytes(content)
            given = {**kept, "src": str(source), "_original_basename": basename, "checksum": checksum}
            result = self.call("ansible.modules.copy", given, step)
            source.unlink(missing_ok=True)
        result.setdefault("checksum", checksum)
        return result

    def call(self, name: str, arguments: dict[str, Any], step: dict[str, Any]) -> Result:
        """The answer of a module, which runs in a process of its own."""
        settings = {
            "_ansible_check_mode": bool(step.get("check")), "_ansible_diff": bool(step.get("diff")),
            "_ansible_no_log": bool(step.get("no_log")), "_ansible_debug": False, "_ansible_verbosity": 0,
            "_ansible_module_name": name.rpartition(".")[2], "_ansible_version": self.manifest["ansible"],
            "_ansible_syslog_facility": "LOG_USER", "_ansible_socket": None, "_ansible_shell_executable": "/bin/sh",
            "_ansible_keep_remote_files": False, "_ansible_tmpdir": str(self.place / "tmp"),
            "_ansible_remote_tmp": str(self.place / "tmp"), "_ansible_ignore_unknown_opts": False,
            "_ansible_selinux_special_fs": ["fuse", "nfs", "vboxsf", "ramfs", "9p", "vfat"],
            "_ansible_target_log_info": None, "_ansible_tracebacks_for": [],
        }  # fmt: skip
        try:
            module = importlib.import_module(name)
        except (ImportError, SyntaxError) as error:
            return {"changed": False, "failed": True, "msg": f"{name} cannot be loaded: {error}"}
        out, errors = os.memfd_create("out"), os.memfd_create("errors")
        try:
            child = os.fork()
            if child == 0:
                become_module(module, json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, **settings}}), out, errors)
            _, status = os.waitpid(child, 0)
            return answer_of(content_of(out), content_of(errors), os.waitstatus_to_exitcode(status))
        finally:
            os.close(out)
            os.close(errors)


def become_module(module: Any, arguments: str, out: int, errors: int) -> None:
    """In the forked process: run the module's `main`, and end."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(out, 1)
        os.dup2(errors, 2)
        os.umask(0o022)
        basic._ANSIBLE_ARGS = arguments.encode()
        basic._ANSIBLE_PROFILE = "legacy"
        module.main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0
    except OSError as error:  # such as a full disk
        print(json.dumps({"failed": True, "msg": str(error)}))
    except BaseException:  # noqa: BLE001 - told as the module's failure
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def content_of(descriptor: int) -> str:
    """All that was written to a file in memory."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode("utf-8", "replace")


def answer_of(out: str, errors: str, status: int) -> Result:
    """A module's answer; whatever is none is a failure."""
    for line in reversed(out.splitlines()):
        if line.startswith("{"):
            try:
                found: Result = json.loads(line)
            except ValueError:
                break
            found.setdefault("changed", False)
            return found
    return {
        "changed": False, "failed": True, "msg": f"the module gave no answer and ended with {status}",
        "module_stderr": errors[-2000:], "module_stdout": out[-2000:],
    }  # fmt: skip


def checksum_of(dest: str, *, follow: bool) -> str:
    """SHA-1 of a regular file; nothing for anything else."""
    path = Path(dest)
    if not path.is_file() or (path.is_symlink() and not follow):
        return ""
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()


def difference(dest: Path, content: bytes) -> dict[str, str]:
    """Before and after, as Ansible's callbacks know them; contents that are no text or too long are left out."""
    before = dest.read_bytes() if dest.is_file() else b""
    found = {"before_header": str(dest), "after_header": str(dest)}
    for key, data in (("before", before), ("after", content)):
        shown = b"\0" not in data and len(data) <= LARGEST_DIFF
        found[key] = data.decode("utf-8", "replace") if shown else f"({len(data)} bytes)\n"
    return found


def failure(results: list[Result]) -> str:
    """What a loop says."""
    return next(str(one.get("msg")) for one in results if one.get("failed"))


def told(step: dict[str, Any], result: Result) -> Result:
    """What leaves this machine of a result: of a task with secrets, how it ended and nothing else."""
    if step.get("no_log"):
        return {key: result[key] for key in ("changed", "failed", "skipped") if key in result}
    return result


def main(directory: str) -> None:
    """Run the bundle that was put there, alone."""
    place = Path(directory)
    os.umask(0o077)
    os.chdir("/")
    with (place / "lock").open("a+", encoding="ascii") as lock:
        until = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        (place / "tmp").mkdir(exist_ok=True)
        with (place / "events").open("ab") as events:
            runner = Runner(place, events)
            signal.signal(signal.SIGTERM, runner.stop)
            try:
                ended = runner.run()
            finally:
                for secret in ("contents", "tmp"):
                    shutil.rmtree(place / secret, ignore_errors=True)
                (place / "manifest.json").unlink(missing_ok=True)
            runner.say(event="end", **ended)

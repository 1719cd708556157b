"""What this machine is like, item by item: files, packages, units and calls of modules. Nothing is changed."""

from __future__ import annotations

import hashlib
import importlib
import os
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.drift.stand_in import AnsibleModule, Ended
from ansible_collections.gridmill.site.plugins.module_utils.packages.apt import HALFWAY, matches
from ansible_collections.gridmill.site.plugins.module_utils.slurm import live as live_slurm
from ansible_collections.gridmill.site.plugins.module_utils.system import units
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run, run

MODULES = "ansible_collections.gridmill.site.plugins.modules"
NOTES = "run/gridmill/in-force"
UNIT_PROPERTIES = units.PROPERTIES

Item = dict[str, Any]


class Observer:
    """What this machine is like, below `root`; what items have in common is asked once."""

    def __init__(self, items: Iterable[Item], salt: str, root: Path = Path("/"), ask: Run = run) -> None:
        self.root = root
        self.ask = ask
        self.salt = bytes.fromhex(salt)
        self.units = self._units([item["name"] for item in items if item["kind"] == "unit"])
        self._dpkg: dict[str, dict[str, str]] | None = None

    def look(self, item: Item) -> tuple[Any, str]:
        """What an item is like, and what is wrong with it whatever it was like before; empty when nothing is."""
        look = {
            "file": self._file,
            "exists": self._exists,
            "password": self._password,
            "package": self._package,
            "dpkg": self._interrupted,
            "unit": self._unit,
            "module": self._module,
            "slurm": self._slurm,
            "never": self._never,
        }
        return look[item["kind"]](item)

    def _hash(self, content: bytes) -> str:
        return hashlib.sha256(self.salt + content).hexdigest()

    def _path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def _file(self, item: Item) -> tuple[Any, str]:
        path = self._path(item["name"])
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return ["absent"], "is gone" if "sha1" in item else ""
        owner = f"{status.st_uid}:{status.st_gid}"
        if stat.S_ISLNK(status.st_mode):
            return ["link", "", owner, str(path.readlink())], ""
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        if not stat.S_ISREG(status.st_mode):
            return ["directory" if stat.S_ISDIR(status.st_mode) else "special", mode, owner], ""
        return ["file", mode, owner, self._content(path)], ""

    def _content(self, path: Path) -> str:
        return self._hash(path.read_bytes())

    def _exists(self, item: Item) -> tuple[Any, str]:
        return None, "" if os.path.lexists(self._path(item["name"])) else "is gone"

    def _password(self, item: Item) -> tuple[Any, str]:
        for line in self._path("etc/shadow").read_text(encoding="utf-8").splitlines():
            name, _, rest = line.partition(":")
            if name == item["name"]:
                return self._hash(rest.partition(":")[0].encode()), ""
        return None, "there is no such account"

    @property
    def dpkg(self) -> dict[str, dict[str, str]]:
        """Fields by package: what dpkg's own record says."""
        if self._dpkg is None:
            path = self._path("var/lib/dpkg/status")
            self._dpkg = parse_status(path.read_text(encoding="utf-8", errors="replace") if path.exists() else "")
        return self._dpkg

    def _package(self, item: Item) -> tuple[Any, str]:
        fields = self.dpkg.get(item["name"], {})
        want, _, state = fields.get("Status", "  ").split(" ", 2)
        installed = state == "installed"
        if item["absent"]:
            return None, "is installed again" if installed else ""
        if not installed:
            return None, "is not installed"
        version = fields.get("Version", "")
        if not matches(version, item["pattern"]):
            return None, f"version {version} is installed, planned is {item['pattern']}"
        return None, "is not on hold" if item["held"] and want != "hold" else ""

    def _interrupted(self, item: Item) -> tuple[Any, str]:
        del item
        if any(path.name.isdigit() for path in self._path("var/lib/dpkg/updates").glob("*")):
            return None, "dpkg was interrupted"
        half = [name for name, fields in self.dpkg.items() if fields.get("Status", "").split(" ")[-1] in HALFWAY]
        if half:
            return None, f"not configured: {', '.join(sorted(half))}"
        policy = self._path("usr/sbin/policy-rc.d")
        ours = policy.exists() and "Written by Gridmill" in policy.read_text(encoding="utf-8", errors="replace")
        return None, "our policy of an interrupted installation lets no package start its service" if ours else ""

    def _units(self, names: list[str]) -> dict[str, units.Unit]:
        """What systemd says about all units, asked once."""
        if not names:
            return {}
        properties = f"--property={','.join(UNIT_PROPERTIES)}"
        answer = self.ask(["systemctl", "show", "--timestamp=us+utc", properties, *names])
        clock = units.Clock(time.time_ns(), time.clock_gettime_ns(time.CLOCK_MONOTONIC))
        blocks = answer.output.split("\n\n")
        if len(blocks) != len(names):
            return {}
        return {name: units.parse_unit(block, clock) for name, block in zip(names, blocks, strict=True)}

    def _unit(self, item: Item) -> tuple[Any, str]:
        name = item["name"]
        unit = self.units.get(name)
        if unit is None or not unit.loaded:
            return None, "systemd does not know it"
        files = [*item["restart"], *item["reload"]]
        found = {path: units.fingerprint(self._path(path)) for path in files}
        noted = units.noted_in(self._path(str(NOTES)) / f"{name}.json")
        old = units.outdated(found, noted, unit.started) if unit.live else []
        steps = units.actions(
            unit, restart=bool(set(old) & set(item["restart"])), reload=bool(old), start=item["started"]
        )
        said = {"enable": "is not enabled", "start": "is not running"}
        open_ = [said.get(step, f"has not read {', '.join(old)}") for step in steps if step != units.READ_AGAIN]
        return None, ", ".join(open_)

    def _module(self, item: Item) -> tuple[Any, str]:
        AnsibleModule.given = item["arguments"]
        try:
            importlib.import_module(f"{MODULES}.{item['module']}").main()
        except Ended as ended:
            answer = ended.answer
        except Exception as error:  # noqa: BLE001 - whatever it is, the machine is not as it should be
            return None, f"cannot be checked: {type(error).__name__}: {error}"
        else:
            return None, "gave no answer"
        if answer.get("failed"):
            return None, f"would fail: {answer.get('msg')}"
        return None, told(answer) if answer.get("changed") else ""

    def _slurm(self, item: Item) -> tuple[Any, str]:
        del item
        found: tuple[dict[str, str], str] = live_slurm.configuration(self.ask)
        return found

    def _never(self, item: Item) -> tuple[Any, str]:
        return None, item["why"]


def parse_status(text: str) -> dict[str, dict[str, str]]:
    """Status and version by package, from dpkg's record; of several architectures the installed one."""
    found: dict[str, dict[str, str]] = {}
    fields: dict[str, str] = {}
    for line in [*text.splitlines(), ""]:
        if line:
            name, colon, value = line.partition(": ")
            if colon and name in {"Package", "Status", "Version"}:
                fields[name] = value
            continue
        name = fields.get("Package", "")
        if name and (name not in found or fields.get("Status", "").endswith(" installed")):
            found[name] = fields
        fields = {}
    return found


def told(answer: Mapping[str, Any]) -> str:
    """What a module would do, in its own words."""
    differences = answer.get("diff") or []
    differences = differences if isinstance(differences, list) else [differences]
    lines = [line for one in differences for line in str(one.get("prepared", "")).splitlines() if line]
    if not lines:
        lines = [changed_lines(one["before"], one["after"]) for one in differences if "before" in one]
    return "would do: " + ("; ".join(" ".join(line.split()) for line in lines) or "change something")


def changed_lines(before: str, after: str) -> str:
    """The first lines that differ in two texts, and how many more there are."""
    old, new = before.splitlines(), after.splitlines()
    gone = [line for line in old if line not in new]
    come = [line for line in new if line not in old]
    more = max(len(gone), len(come)) - 1
    first = f"{(gone or ['nothing'])[0].strip()} -> {(come or ['nothing'])[0].strip()}"
    return f"{first} and {more} more lines" if more > 0 else first


def compare(item: Item, before: Any, after: Any) -> str:
    """What is different from when the machine was recorded; empty when nothing is."""
    if before == after:
        return ""
    if item["kind"] == "slurm":
        return str(live_slurm.difference(before, after))
    if item["kind"] != "file" or before is None:
        return "is another"
    if before[0] != after[0]:
        return "is gone" if after[0] == "absent" else f"is a {after[0]}, was {before[0]}"
    words = ("type", "mode", "owner", "content" if after[0] == "file" else "target")
    changed = [(word, old, new) for word, old, new in zip(words, before, after, strict=False) if old != new]
    said = [word if word == "content" else f"{word} {new}, was {old}" for word, old, new in changed]
    return f"other {'; other '.join(said)}"

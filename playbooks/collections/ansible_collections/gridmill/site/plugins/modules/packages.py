#!/usr/bin/python
"""Ansible module: Debian packages at wanted versions."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.packages.apt import (
    LOCKED,
    SHOW,
    choose,
    installed,
    interrupted,
    not_held,
    offered,
    removals,
    simulated,
)
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result, run
from ansible_collections.gridmill.site.plugins.module_utils.system.locks import RUNTIME, alone

DOCUMENTATION = r"""
module: packages
short_description: Installs packages at wanted versions
description:
  - Compares wanted packages with those installed. When a wanted version is not on offer it says what is, and
    changes nothing.
  - Costs a few milliseconds when all is installed, and needs nothing beside apt-get and dpkg (M(ansible.builtin.apt)
    needs python3-apt, without which its check mode fails on a new machine).
  - Package lists are refreshed only when a wanted version isn't in them or can't be fetched. The former happens in
    check mode too, since a preview on a new machine could say nothing otherwise.
  - What is installed, replaced and removed happens in one transaction of APT, under the preferences that are wanted.
  - Recommended packages are not installed. Configuration files that someone changed are kept. An installation that
    was interrupted is finished first, even when nothing else is left to install.
options:
  wanted:
    description: A version pattern such as C(24.11*) for each package name; an empty pattern takes any version.
    type: dict
    required: true
  absent:
    description: Packages that are removed, in the same transaction; their configuration files stay.
    type: list
    elements: str
    default: []
  record:
    description: File that remembers which of O(wanted) were not there before this module installed them. Those that it
      names and that are no longer wanted are removed, with what APT installed for them alone, unless a package of
      somebody else needs one of them.
    type: path
  held:
    description: Packages among O(wanted) that no upgrade may move; only this module does.
    type: list
    elements: str
    default: []
  preferences_file:
    description: File of APT preferences, written before anything is installed.
    type: path
  preferences:
    description: Its text.
    type: str
    default: ""
  source:
    description: File of the package source that is to offer what is wanted. In check mode, while it doesn't exist yet,
      what is missing counts as offered, as nothing more can be known.
    type: path
  start_services:
    description: Whether packages may start their services while they are installed, before they are configured.
    type: bool
    default: false
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Install the driver
  gridmill.site.packages:
    wanted: {nvidia-smi: "550.163.01*"}
"""

RETURN = r"""
installed:
  description: Specifications that were installed, or would be in check mode; empty when nothing was missing.
  returned: always
  type: list
  elements: str
removed:
  description: Packages that were removed, or would be in check mode.
  returned: always
  type: list
  elements: str
held:
  description: Packages that were put on hold, or would be in check mode.
  returned: always
  type: list
  elements: str
gridmill_notes:
  description: What no longer is wanted and stays, since somebody else's packages need it.
  returned: success
  type: list
  elements: str
"""


TIMEOUT = 1800.0
LOCK_WAIT = 300.0
LOCK = RUNTIME / "packages.lock"
JOURNAL = Path("/var/lib/dpkg/updates")
FINISH = ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]
PREFERENCES = Path("/etc/apt/preferences.d")
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# Written by Gridmill for the time of an installation.\nexit 101\n"
OPTIONS = [
    "--quiet=2",
    "--yes",
    "--no-install-recommends",
    "--allow-downgrades",
    "--allow-change-held-packages",
    "--option=Dpkg::Options::=--force-confdef",
    "--option=Dpkg::Options::=--force-confold",
    "--option=DPkg::Lock::Timeout=300",
]


def policy_left() -> bool:
    """Whether a killed run left our policy, under which no package may start its service."""
    return POLICY.exists() and POLICY.read_text(encoding="utf-8", errors="replace") == POLICY_TEXT


@contextmanager
def services_stay_down(wanted: bool) -> Iterator[None]:
    """Packages start no service meanwhile. A foreign policy is respected."""
    if not wanted or POLICY.exists():
        yield
        return
    POLICY.write_text(POLICY_TEXT, encoding="utf-8")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def halfway() -> bool:
    """Whether dpkg was interrupted, in the middle of a package or of writing its own records."""
    if any(name.name.isdigit() for name in JOURNAL.glob("*")):
        return True
    return bool(interrupted(run(["dpkg-query", "--show", f"--showformat={SHOW}"]).output))


def finish(wait: float = LOCK_WAIT, sleep: Callable[[float], None] = time.sleep) -> Result:
    """Finish what was interrupted; whoever works with dpkg just now is waited for at most `wait` seconds."""
    until = time.monotonic() + wait
    answer = run(FINISH, timeout=TIMEOUT)
    while not answer.ok and LOCKED.search(answer.error) and time.monotonic() < until:
        sleep(2.0)
        answer = run(FINISH, timeout=TIMEOUT)
    return answer


def refresh() -> Result:
    return run(["apt-get", "--quiet=2", "--option=DPkg::Lock::Timeout=300", "update"], timeout=TIMEOUT)


def select(wanted: dict[str, str]) -> tuple[list[str], list[str]]:
    """Specifications to install and problems, after a refresh of the lists if they are too old to say."""
    open_ = missing(wanted)
    if not open_:
        return [], []
    specifications, problems = choose(wanted, have(wanted), offered(open_, run))
    if problems:
        answer = refresh()
        specifications, problems = choose(wanted, have(wanted), offered(open_, run))
        if problems and not answer.ok:
            problems.append(f"apt-get update: {answer.complaint()}")
    return specifications, problems


def said(answer: Result) -> str:
    """The end of what apt-get said, on one line."""
    lines = [" ".join(line.split()) for line in f"{answer.output}\n{answer.error}".splitlines()]
    return " / ".join([line for line in lines if line][-8:]) or answer.complaint()


@contextmanager
def under(file: Path | None, text: str) -> Iterator[list[str]]:
    """Options under which APT works with these preferences, before they are written."""
    if file is None or reads(file) == text:
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="gridmill-apt-") as directory:
        for other in PREFERENCES.glob("*"):
            if other.is_file() and other.name != file.name:
                shutil.copyfile(other, Path(directory) / other.name)
        (Path(directory) / file.name).write_text(text, encoding="utf-8")
        Path(directory).chmod(0o755)
        yield [f"--option=Dir::Etc::PreferencesParts={directory}"]


def reads(file: Path) -> str | None:
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else None


def write(file: Path, text: str) -> None:
    new = file.parent / f".{file.name}.new"
    new.write_text(text, encoding="utf-8")
    new.chmod(0o644)
    new.replace(file)


def install(changes: list[str], keep_down: bool) -> Result:
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    argv = ["apt-get", *OPTIONS, "install", *changes]
    with services_stay_down(keep_down):
        answer = run(argv, timeout=TIMEOUT)
        if not answer.ok and refresh().ok:
            answer = run(argv, timeout=TIMEOUT)
    return answer


def simulate(changes: list[str], file: Path | None, text: str) -> Result:
    """What APT would do under the wanted preferences."""
    with under(file, text) as options:
        argv = ["apt-get", *OPTIONS, *options, "--simulate", "install", *changes]
        answer = run(argv, timeout=TIMEOUT)
        if not answer.ok and refresh().ok:  # a package source may have been added since the lists were fetched
            answer = run(argv, timeout=TIMEOUT)
    return answer


def repair(module: AnsibleModule) -> bool:
    """Clear away what a killed run left; whether there was anything, which in check mode stays."""
    left, open_ = policy_left(), halfway()
    if module.check_mode:
        return left or open_
    if left:
        POLICY.unlink()
    if open_:
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        with services_stay_down(not module.params["start_services"]):
            answer = finish()
        if not answer.ok:
            module.fail_json(msg=f"an interrupted installation can't be finished: {said(answer)}")
    return left or open_


def work(module: AnsibleModule) -> None:
    params = module.params
    wanted = {str(name): str(pattern or "") for name, pattern in params["wanted"].items()}
    file, text = Path(params["preferences_file"]) if params.get("preferences_file") else None, params.get("preferences")
    source = params.get("source")
    repaired = repair(module)
    pending = module.check_mode and source and not Path(source).exists()  # then nothing can be looked up yet
    specifications, problems = (missing(wanted), []) if pending else select(wanted)
    if problems:
        module.fail_json(msg=f"nothing was changed; {'; '.join(problems)}")
    record = Path(params["record"]) if params.get("record") else None
    leaving, notes = leave(remembered(record) - set(wanted), [] if pending else specifications)
    removed = sorted({*have(params.get("absent") or []), *leaving})
    changes = [*specifications, *(f"{name}-" for name in removed)]
    lines = differences(specifications, removed, wanted)
    preferred = file is not None and reads(file) != (text or "")
    # a run that changes no preferences needs no trial: APT itself changes nothing when it can't do all
    if changes and not pending and (module.check_mode or preferred):
        answer = simulate(changes, file, text or "")
        if not answer.ok:
            module.fail_json(msg=f"nothing changed; apt-get can't install {' '.join(changes)}: {said(answer)}")
        lines = simulated(answer.output)
    if preferred and file and not module.check_mode:
        write(file, text or "")
    if record and not module.check_mode:  # before anything is installed, so that a run that is cut short knows
        remember(record, {name.partition("=")[0] for name in specifications} - set(have(wanted)), set(wanted))
    if changes and not module.check_mode:
        answer = install(changes, not params["start_services"])
        if not answer.ok:
            module.fail_json(msg=f"apt-get install {' '.join(changes)}: {said(answer)}")
    held = hold(module, params.get("held") or [])
    lines += f"~{file}\n" if preferred else ""
    lines += "".join(f"+hold {name}\n" for name in held)
    module.exit_json(
        changed=repaired or bool(changes or preferred or held),
        installed=specifications,
        removed=removed,
        held=held,
        gridmill_notes=notes,
        diff={"prepared": lines},
    )


def differences(specifications: list[str], removed: list[str], wanted: dict[str, str]) -> str:
    """What a run that APT has not simulated does to the packages themselves, as lines of a difference."""
    now = have(wanted)
    lines = []
    for specification in specifications:
        name, _, version = specification.partition("=")
        lines.append(f"~{name} {now[name]} -> {version or wanted[name]}" if name in now else f"+{specification}")
    return "".join(f"{line}\n" for line in [*lines, *(f"-{name}" for name in removed)])


def remembered(record: Path | None) -> set[str]:
    """Packages that this module once installed."""
    return set(json.loads(record.read_text(encoding="utf-8"))["packages"]) if record and record.exists() else set()


def remember(record: Path, new: set[str], wanted: set[str]) -> None:
    """Add what is about to be installed; forget what is neither wanted nor there."""
    before = remembered(record)
    after = (before & {*wanted, *have(sorted(before))}) | new
    if after != before:
        record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(record, json.dumps({"packages": sorted(after)}) + "\n")


def leave(names: set[str], specifications: list[str]) -> tuple[list[str], list[str]]:
    """What is removed with packages that are no longer wanted, while others are installed, and notes on those that
    somebody else's packages need."""
    going, notes = sorted(have(sorted(names))), []
    for name in list(going):
        others = set(would_remove(["remove", *going])) - set(going)
        if not others:
            break
        if needing := sorted(set(would_remove(["remove", name])) - set(going)):
            going.remove(name)
            notes.append(f"{name} left the plan and stays: {', '.join(needing)} need{'s' * (len(needing) == 1)} it")
    if not going:
        return [], notes
    unused_before = set(would_remove(["autoremove"]))
    words = ["--auto-remove", "install", *specifications, *(f"{name}-" for name in going)]
    return sorted({*going, *would_remove(words)} - (unused_before - set(going))), notes


def would_remove(words: list[str]) -> list[str]:
    """What APT would remove."""
    found: list[str] = removals(run(["apt-get", *OPTIONS, "--simulate", *words], timeout=TIMEOUT).output)
    return found


def missing(wanted: dict[str, str]) -> list[str]:
    """What is not installed as wanted, by name only."""
    found = have(wanted)
    return [name for name, pattern in wanted.items() if choose({name: pattern}, found, {})[1]]


def have(names: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = installed(list(names), run)
    return found


def hold(module: AnsibleModule, names: list[str]) -> list[str]:
    """Put on hold what is not; those that were, or would be."""
    found: list[str] = not_held(names, run)
    if found and not module.check_mode:
        answer = run(["apt-mark", "hold", *found])
        if not answer.ok:
            module.fail_json(msg=f"apt-mark hold {' '.join(found)}: {answer.complaint()}")
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "wanted": {"type": "dict", "required": True},
            "absent": {"type": "list", "elements": "str", "default": []},
            "record": {"type": "path"},
            "held": {"type": "list", "elements": "str", "default": []},
            "preferences_file": {"type": "path"},
            "preferences": {"type": "str", "default": ""},
            "source": {"type": "path"},
            "start_services": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        with alone(LOCK, LOCK_WAIT):  # the module of a run that was killed may still be installing
            work(module)
    except TimeoutError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""Ansible module: Debian packages at wanted versions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gridmill_node.commands import Result, run
from ansible.module_utils.gridmill_node.locks import RUNTIME, alone
from ansible.module_utils.gridmill_node.packages import LOCKED, SHOW, choose, installed, interrupted, offered, simulated

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
  - Recommended packages are not installed. Configuration files that someone changed are kept. An installation that
    was interrupted is finished first, even when nothing else is left to install.
options:
  wanted:
    description: A version pattern such as C(24.11*) for each package name; an empty pattern takes any version.
    type: dict
    required: true
  start_services:
    description: Whether packages may start their services while they are installed, before they are configured.
    type: bool
    default: false
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Install the driver
  packages:
    wanted: {nvidia-smi: "550.163.01*"}
"""

RETURN = r"""
installed:
  description: Specifications that were installed, or would be in check mode; empty when nothing was missing.
  returned: always
  type: list
  elements: str
"""


TIMEOUT = 1800.0
LOCK_WAIT = 300.0
LOCK = RUNTIME / "packages.lock"
JOURNAL = Path("/var/lib/dpkg/updates")
FINISH = ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]
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
    have = installed(list(wanted), run)
    specifications, problems = choose(wanted, have, {})
    if not problems:
        return [], []
    missing = [name for name in wanted if choose({name: wanted[name]}, have, {})[1]]
    specifications, problems = choose(wanted, have, offered(missing, run))
    if problems:
        answer = refresh()
        specifications, problems = choose(wanted, have, offered(missing, run))
        if problems and not answer.ok:
            problems.append(f"apt-get update: {answer.complaint()}")
    return specifications, problems


def said(answer: Result) -> str:
    """The end of what apt-get said, on one line."""
    lines = [" ".join(line.split()) for line in f"{answer.output}\n{answer.error}".splitlines()]
    return " / ".join([line for line in lines if line][-8:]) or answer.complaint()


def install(specifications: list[str], keep_down: bool) -> Result:
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    argv = ["apt-get", *OPTIONS, "install", *specifications]
    with services_stay_down(keep_down):
        answer = run(argv, timeout=TIMEOUT)
        if not answer.ok and refresh().ok:
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
    wanted = {str(name): str(pattern or "") for name, pattern in module.params["wanted"].items()}
    repaired = repair(module)
    specifications, problems = select(wanted)
    if problems:
        module.fail_json(msg=f"nothing was changed; {'; '.join(problems)}")
    if not specifications:
        module.exit_json(changed=repaired, installed=[])
    simulate = ["apt-get", *OPTIONS, "--simulate", "install", *specifications]
    simulation = run(simulate, timeout=TIMEOUT)
    if not simulation.ok and refresh().ok:  # a package source may have been added since the lists were fetched
        simulation = run(simulate, timeout=TIMEOUT)
    if not simulation.ok:
        module.fail_json(msg=f"nothing changed; apt-get can't install {' '.join(specifications)}: {said(simulation)}")
    if not module.check_mode:
        answer = install(specifications, not module.params["start_services"])
        if not answer.ok:
            module.fail_json(msg=f"apt-get install {' '.join(specifications)}: {said(answer)}")
    module.exit_json(changed=True, installed=specifications, diff={"prepared": simulated(simulation.output)})


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "wanted": {"type": "dict", "required": True},
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

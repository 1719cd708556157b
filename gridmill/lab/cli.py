"""The command line: `python -m gridmill.lab up|down|status|snapshot|restore|...`."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

from gridmill import lab
from gridmill.core.errors import ProblemsError
from gridmill.lab import faults, host_check, site, snapshots, status
from gridmill.lab.errors import LabError
from gridmill.lab.layout import SitePaths, lab_state
from gridmill.lab.progress import Progress
from gridmill.lab.rack import RackedHost, RackedSite, decode, load_rack
from gridmill.lab.site import LabSite

DEFAULT_STACK = Path("Pulumi.lab.yaml")


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    top = argparse.ArgumentParser(prog="python -m gridmill.lab", description=lab.__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--stack", type=Path, default=DEFAULT_STACK, help="stack definition of the site")
    commands = top.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", parents=[common], help="rack and boot what the plan lists")
    up.add_argument("--prune", action="store_true", help="remove machines that are no longer planned")
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument(
        "--stack", type=Path, help=f"stack definition of the site; {DEFAULT_STACK} when no other site stands"
    )
    down = commands.add_parser("down", parents=[named], help="end the site; caches and snapshots stay")
    down.add_argument("--keep-machines", action="store_true", help="keep what the machines stored, for the next up")
    shown = commands.add_parser("status", parents=[common], help="what stands and runs")
    shown.add_argument("--json", action="store_true", help="as JSON")
    ssh = commands.add_parser("ssh", parents=[common], help="log in to a machine, or run a command there")
    ssh.add_argument("node", help="name of a machine")
    ssh.add_argument("remote", nargs=argparse.REMAINDER, metavar="command", help="what to run there; else a shell")
    logs = commands.add_parser("logs", parents=[common], help="journal of a machine, or of all consoles")
    logs.add_argument("node", nargs="?", help="name of a machine; none shows every console")
    logs.add_argument("--lines", type=int, default=200, help="how many lines from the end")
    restart = commands.add_parser("restart", parents=[common], help="shut a machine down and boot it again")
    restart.add_argument("node", help="name of a machine")
    unplug = commands.add_parser("unplug", parents=[common], help="pull a machine's cable, or its power")
    unplug.add_argument("node", help="name of a machine")
    unplug.add_argument("--power", action="store_true", help="its power: it ends at once, and keeps its disk")
    slow = commands.add_parser("throttle", parents=[common], help="make a machine's cable slow and lossy")
    slow.add_argument("node", help="name of a machine")
    slow.add_argument("kbit", type=int, help="kbit/s each way; what does not fit into a short queue is lost")
    slow.add_argument("--loss", type=float, default=3, metavar="PERCENT", help="packets lost each way (default 3 %%)")
    plug = commands.add_parser("plug", parents=[common], help="put back what was pulled or made slow")
    plug.add_argument("node", help="name of a machine")
    kept = commands.add_parser("snapshot", parents=[common], help="keep the site as it is: disks, keys, Pulumi's state")
    kept.add_argument("name", help="name of the snapshot")
    back = commands.add_parser("restore", parents=[common], help="put the site back as a snapshot has it, and boot it")
    back.add_argument("name", help="name of a snapshot; what was stored since is lost")
    listed = commands.add_parser("snapshots", parents=[common], help="the snapshots of the site")
    listed.add_argument("--remove", metavar="NAME", help="forget this one")
    listed.add_argument("--json", action="store_true", help="as JSON")
    checked = commands.add_parser("check", help="what this host lacks for the lab")
    checked.add_argument("--packages", action="store_true", help="only the missing system packages, one a line")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit status."""
    options = parser().parse_args(arguments)
    try:
        return _dispatch(options)
    except (LabError, ProblemsError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except BrokenPipeError:  # the reader of the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: run the command again, it continues where it stopped\n")
        return 130


def _dispatch(options: argparse.Namespace) -> int:
    if options.command == "check" and options.packages:
        sys.stdout.write("".join(f"{package}\n" for package in host_check.missing_packages()))
        return 0
    if options.command == "check":
        host_check.require(host_check.find_missing())
        sys.stdout.write("this host can run the lab\n")
        return 0
    if options.command == "up":
        host_check.require(host_check.find_missing())
        site.up(_site(load_rack(options.stack)), options.stack, prune=options.prune)
        return 0
    standing = _site(saved_rack(options.stack or only_stack()))
    if options.command == "down":
        site.down(standing, keep_machines=options.keep_machines)
    elif options.command in {"snapshot", "restore", "snapshots"}:
        _snapshots(standing, options)
    elif options.command == "restart":
        site.restart(standing, options.node)
    elif options.command == "unplug":
        faults.unplug(standing, options.node, power=options.power)
    elif options.command == "throttle":
        faults.throttle(standing, options.node, options.kbit, options.loss)
    elif options.command == "plug":
        faults.plug(standing, options.node)
    elif options.command == "ssh":
        _ssh(standing, options.node, options.remote)
    elif options.command == "logs":
        return _logs(standing, options.node, options.lines)
    else:
        found = status.collect(standing, planned_hosts(options.stack))
        sys.stdout.write((json.dumps(found, indent=2) if options.json else status.render(found)) + "\n")
        return 0 if status.is_up(found) else 3
    return 0


def _site(rack: RackedSite) -> LabSite:
    return LabSite(rack=rack, paths=SitePaths(rack.name), progress=Progress())


def _snapshots(standing: LabSite, options: argparse.Namespace) -> None:
    if options.command == "snapshot":
        snapshots.snapshot(standing, options.name)
    elif options.command == "restore":
        host_check.require(host_check.find_missing())
        snapshots.restore(standing, options.name)
    elif options.remove:
        snapshots.remove(standing, options.remove)
    elif options.json:
        sys.stdout.write(json.dumps(snapshots.as_data(standing.paths), indent=2) + "\n")
    else:
        sys.stdout.write(snapshots.render(standing.paths) + "\n")


def only_stack() -> Path:
    """The default stack; LabError when another site stands, since nobody said which one is meant."""
    found = {}
    for path in sorted(lab_state().glob("*/rack.json")):
        saved = json.loads(path.read_text())
        if _site(decode(saved["rack"])).standing():
            found[path.parent.name] = Path(saved["stack"])
    if all(stack == DEFAULT_STACK.resolve() for stack in found.values()):
        return DEFAULT_STACK
    listed = "".join(f"\n  {name}: python -m gridmill.lab down --stack {stack}" for name, stack in found.items())
    raise LabError(f"which virtual site is to end? These stand:{listed}")


def planned_hosts(stack: Path) -> tuple[RackedHost, ...]:
    """What the definition lists now; nothing while it is being edited and not valid."""
    try:
        return load_rack(stack).hosts
    except (LabError, ProblemsError):
        return ()


def saved_rack(stack: Path) -> RackedSite:
    """The rack as it was brought up last from this stack; from the stack itself when it never was.

    So `down`, `status` and `logs` work while the definition is being edited and not valid.
    """
    for path in sorted(lab_state().glob("*/rack.json")):
        saved = json.loads(path.read_text())
        if Path(saved["stack"]) == stack.resolve():
            return decode(saved["rack"])
    return load_rack(stack)


def _ssh(standing: LabSite, node: str, remote: list[str]) -> None:
    host = standing.host(node)
    remote = remote[1:] if remote[:1] == ["--"] else remote
    arguments = standing.access.arguments(host.address)
    os.execvp(arguments[0], [*arguments, *([shlex.join(remote)] if len(remote) > 1 else remote)])  # noqa: S606


def _logs(standing: LabSite, node: str | None, lines: int) -> int:
    def console(name: str) -> str:
        return "\n".join(standing.machine(name).console(lines))

    if node is None:
        for name in standing.standing():
            sys.stdout.write(f"== {name}: console\n{console(name)}\n")
        return 0
    name = standing.host(node).name if node not in standing.unplanned() else node
    leader = standing.machine(name).leader()
    if leader is None:
        sys.stdout.write(f"== {name} is down; its console:\n{console(name)}\n")
        return 0
    journal = ["journalctl", "--no-pager", f"--lines={lines}"]
    os.execvp("nsenter", ["nsenter", f"--target={leader}", "--mount", "--uts", "--pid", "--root", "--", *journal])  # noqa: S606
    return 0

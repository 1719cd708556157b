"""Mount units of systemd for volumes, and what must be done so that they are those of the plan. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MARK = "# Written by Gridmill."
TIMEOUT_S = 30
"""Seconds that a mount may take: so long at most the boot waits before slurmd starts."""
RETRY_S = 60
"""Seconds between attempts to mount what is not mounted."""
RETRY = "gridmill-mounts"
"""Name of the service and the timer that try again."""
SHOWN = 5
"""Names that a message lists."""
ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mounted:
    """One line of /proc/self/mountinfo."""

    source: str
    file_system: str
    read_only: bool


def parse_mountinfo(text: str) -> dict[str, Mounted]:
    """What is mounted where; of several at one place the last, which hides the others (proc_pid_mountinfo(5))."""
    found = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        match before.split(), after.split():
            case [_, _, _, _, path, options, *_], [file_system, source, *more]:
                flags = ",".join([options, *more]).split(",")
                found[plain(path)] = Mounted(plain(source), file_system, "ro" in flags)
    return found


def plain(word: str) -> str:
    """A word of mountinfo with its octal escapes resolved."""
    return ESCAPE.sub(lambda match: chr(int(match[1], 8)), word)


def unit_name(path: str) -> str:
    """The unit's name, as systemd wants it for a path: `/shared/my-data` is `shared-my\\x2ddata.mount`."""
    parts = path.strip("/").split("/")
    return (
        "-".join("".join(c if c.isalnum() or c in "_." else f"\\x{ord(c):02x}" for c in part) for part in parts)
        + ".mount"
    )


def unit_text(name: str, volume: Mapping[str, Any]) -> str:
    """The unit: waits for the network, is waited for by slurmd, and holds up nothing else."""
    return f"""\
{MARK} Volume {name}.
[Unit]
Description=Volume {name}
Wants=network-online.target
After=network-online.target
Before=slurmd.service

[Mount]
What={percent(volume["what"])}
Where={volume["mount"]}
Type={volume["type"]}
Options={percent(",".join(volume["options"]))}
TimeoutSec={TIMEOUT_S}

[Install]
WantedBy=remote-fs.target
"""


def percent(text: str) -> str:
    """Text without specifiers for systemd."""
    return text.replace("%", "%%")


def retry_texts(units: Iterable[str]) -> dict[str, str]:
    """Service and timer that mount what could not be mounted before, by file name."""
    names = " ".join(f"'{percent(unit)}'".replace("\\", "\\\\") for unit in sorted(units))
    return {
        f"{RETRY}.service": f"""\
{MARK} A server that was away while this machine started is mounted when it is back.
[Unit]
Description=Mount volumes that are not mounted

[Service]
Type=oneshot
ExecStart=/usr/bin/systemctl start --no-block {names}
""",
        f"{RETRY}.timer": f"""\
{MARK}
[Unit]
Description=Look for volumes that are not mounted

[Timer]
OnBootSec={RETRY_S}
OnUnitInactiveSec={RETRY_S}

[Install]
WantedBy=timers.target
""",
    }


def where(text: str) -> str:
    """The mount point that a unit of ours names."""
    return next((line.removeprefix("Where=") for line in text.splitlines() if line.startswith("Where=")), "")


def what(text: str) -> str:
    """What a unit of ours mounts."""
    return next((line.removeprefix("What=") for line in text.splitlines() if line.startswith("What=")), "")


@dataclass(frozen=True)
class Work:
    """Units to take away, to mount anew, to write, to enable and to mount; and what stands in the way of some."""

    remove: dict[str, str]
    """Text of units whose volume is planned no longer, by name."""
    remount: list[str]
    """Volumes that are mounted, and not as planned."""
    write: dict[str, str]
    """New text by unit."""
    mount: list[str]
    """Volumes to mount."""
    problems: list[str]

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.remove or self.remount or self.write or self.mount)

    def actions(self, volumes: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """One line each, in the order in which they are done."""
        return [
            *(f"unmount {where(text)}; its data stay on {what(text)}" for _, text in sorted(self.remove.items())),
            *(f"mount {volumes[name]['mount']} anew" for name in self.remount),
            *(f"write {unit}" for unit in sorted(self.write)),
            *(f"mount {volumes[name]['what']} at {volumes[name]['mount']}" for name in self.mount),
        ]


def compare(
    volumes: Mapping[str, Mapping[str, Any]],
    units: Mapping[str, str],
    mounted: Mapping[str, Mounted],
    contents: Mapping[str, list[str]],
) -> Work:
    """The difference. `units` are our units that are there, by name; `contents` what directories at mount points hold.

    A directory that holds something is never mounted over, and neither is what somebody else mounted.
    """
    wanted = {unit_name(volume["mount"]): name for name, volume in volumes.items()}
    work = Work({unit: text for unit, text in units.items() if unit not in wanted}, [], {}, [], [])
    for unit, name in sorted(wanted.items(), key=lambda pair: pair[1]):
        volume = volumes[name]
        mount, text = volume["mount"], unit_text(name, volume)
        now = mounted.get(mount)
        if now and now.source != volume["source"] and unit not in units:
            work.problems.append(
                f"{mount} has {now.source} mounted, by somebody else: unmount it, or mount {name} elsewhere"
            )
            continue
        held = contents.get(mount, [])
        if not now and held:
            shown = ", ".join(held[:SHOWN]) + (", ..." if len(held) > SHOWN else "")
            work.problems.append(
                f"{mount} holds {shown}, which mounting {name} would hide: move it, or mount {name} elsewhere"
            )
            continue
        if units.get(unit) != text:
            work.write[unit] = text
        if now and (now.source != volume["source"] or (unit in units and units[unit] != text)):
            work.remount.append(name)
        elif not now:
            work.mount.append(name)
    return work

"""Slurm's configuration as text: what a change means for a running controller, and a copy that can be tried safely."""

from __future__ import annotations

import re

from ansible_collections.gridmill.site.plugins.module_utils.slurm.hostlist import expand

# A running slurmctld can't take these over by `scontrol reconfigure`: the old and the new process would disagree on who
# they are, whom they trust, where they listen or where the jobs are kept.
NEEDS_STOP = (
    "AuthType",
    "ClusterName",
    "CredType",
    "SlurmctldHost",
    "SlurmctldPort",
    "SlurmdPort",
    "SlurmUser",
    "StateSaveLocation",
)
# Left out of the trial: what reaches outside the process, or keeps the log from where it is read.
_NOT_TRIED = re.compile(
    r"^(AccountingStorage\w*|JobAcctGather\w*|JobComp\w*|SlurmctldLogFile|SlurmctldSyslogDebug|SlurmctldPidFile|StateSaveLocation"
    r"|SlurmctldPrimaryOnProg|SlurmctldPrimaryOffProg|RebootProgram|HealthCheck\w*|MailProg)\s*=",
    re.IGNORECASE,
)
TRIED = "Running as primary controller"
TRIAL_ADDRESS = "192.0.2.1"


def settings(text: str) -> dict[str, list[str]]:
    """Values per key (lower case) of the lines that are one setting each; nodes and partitions are not among them."""
    found: dict[str, list[str]] = {}
    for line in _lines(text):
        key, separator, value = line.partition("=")
        if separator and key.strip().lower() not in ("nodename", "partitionname", "nodeset", "downnodes"):
            found.setdefault(key.strip().lower(), []).append(value.strip())
    return found


def stop_needed(old: str, new: str) -> list[str]:
    """Settings that differ and can't change under a running controller."""
    before, after = settings(old), settings(new)
    return [key for key in NEEDS_STOP if before.get(key.lower()) != after.get(key.lower())]


def trial(text: str, state_directory: str) -> str:
    """The configuration, with its state elsewhere and without what reaches outside."""
    kept = [line for line in text.splitlines() if not _NOT_TRIED.match(line.strip())]
    return "\n".join([*kept, f"StateSaveLocation={state_directory}", "MailProg=/bin/true", ""])


def trial_hosts(text: str, own_name: str) -> str:
    """An /etc/hosts in which every configured name resolves, so that a trial needs no DNS."""
    names = {own_name}
    for line in _lines(text):
        if found := re.match(r"(?:NodeName|SlurmctldHost)=([^\s(]+)", line, re.IGNORECASE):
            names.update(name for name in expand(found[1]) if name != "DEFAULT")
        if found := re.search(r"\sNodeAddr=(\S+)", line, re.IGNORECASE):
            names.update(expand(found[1]))
    listed = "".join(f"{TRIAL_ADDRESS} {name}\n" for name in sorted(names) if not re.fullmatch(r"[\d.]+", name))
    return f"127.0.0.1 localhost\n{listed}"


def complaints(lines: list[str]) -> list[str]:
    """The lines of slurmctld's log that say why it refused a configuration; its last ones if none says so."""
    text = [re.sub(r"^slurmctld: ", "", line.strip()) for line in lines if line.strip()]
    fatal = [line for line in text if line.startswith("fatal:")]
    expected = ("Could not open", "NOTE: Trying backup", "_xgetaddrinfo")
    errors = [line for line in text if line.startswith("error:") and not any(part in line for part in expected)]
    return [*errors[-3:], *fatal] if fatal else text[-3:]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def setting_changes(before: str, after: str) -> list[str]:
    """Parameters and partitions that differ between two slurm.conf, with their old and new values. Nodes are not told:
    a change of one is a change of the machine. Of a file that is new, nothing is told."""
    old, new = _settings(before), _settings(after)
    changes = []
    for name in sorted({*old, *new}) if before else ():
        was, becomes = old.get(name, {}), new.get(name, {})
        head = f"{name}: " if name else ""
        if name and not (was and becomes):
            changes.append(f"{name} {'added' if becomes else 'removed'}")
            continue
        changes += [
            f"{head}{key} {was.get(key, 'not set')} -> {becomes.get(key, 'not set')}"
            for key in sorted({*was, *becomes})
            if was.get(key) != becomes.get(key)
        ]
    return changes


def _settings(text: str) -> dict[str, dict[str, str]]:
    """Parameters by `partition NAME`, and those of the cluster under an empty name."""
    found: dict[str, dict[str, str]] = {"": {}}
    for line in _lines(text):
        words = [word.partition("=") for word in line.split()]
        if words[0][0] in {"NodeName", "Include"}:
            continue
        if words[0][0] == "PartitionName":
            found[f"partition {words[0][2]}"] = {key: value for key, _, value in words[1:]}
        else:
            key, _, value = line.strip().partition("=")
            found[""][key] = value
    return found

"""The cluster's keys as auth/slurm reads them (slurm.jwks): every key in it is accepted, one of them signs.

A key's name is its epoch. Rotation has three stages, each complete on every machine before the next one begins:
accept (the new key is known), sign (it is used), drop (the old ones are forgotten).
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run
from ansible_collections.gridmill.site.plugins.module_utils.system.units import recorded

KEY_BYTES = 64
"""The block of SHA-256, the hash behind HS256: longer keys are hashed first, so more adds nothing."""


@dataclass(frozen=True)
class KeySet:
    """Keys by epoch in base64, and the epoch of the one that signs. No keys: there is none yet."""

    keys: dict[int, str]
    signing: int


class KeysError(ValueError):
    """The keys are not what the stage needs; the text says so, and never holds a key."""


def parse(text: str) -> KeySet:
    """From slurm.jwks, of our own making only. KeysError when it is something else."""
    try:
        entries = json.loads(text)["keys"]
        keys = {int(entry["kid"]): str(entry["k"]) for entry in entries}
        signing = [int(entry["kid"]) for entry in entries if entry.get("use") == "default"]
        if len(signing) != 1 or len(keys) != len(entries):
            raise KeysError("not one signing key, or two of one epoch")
    except (ValueError, KeyError, TypeError) as error:
        kind = error if isinstance(error, KeysError) else type(error).__name__
        raise KeysError(f"these are no keys of Gridmill's making ({kind})") from None
    return KeySet(keys, signing[0])


def printed(found: KeySet) -> str:
    """As slurm.jwks, newest last; the same set is always the same text."""
    entries = [
        {"alg": "HS256", "kty": "oct", "kid": str(epoch), "k": key}
        | ({"use": "default"} if epoch == found.signing else {})
        for epoch, key in sorted(found.keys.items())
    ]
    return json.dumps({"keys": entries}, indent=1) + "\n"


def new_key() -> str:
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def accept(found: KeySet, epoch: int, make: Callable[[], str] = new_key) -> KeySet:
    """With a key of this epoch, made here if there is none. KeysError for an epoch that is over."""
    if epoch in found.keys and epoch == max(found.keys):
        return found
    if found.keys and epoch < max(found.keys):
        newest = max(found.keys)
        raise KeysError(f"there is a key of epoch {newest} already, and none comes back: set keyEpoch to {newest}")
    return KeySet({**found.keys, epoch: make()}, found.signing if found.keys else epoch)


def sign(found: KeySet, epoch: int) -> KeySet:
    """Signing with the key of this epoch. KeysError when it was never brought here."""
    if epoch not in found.keys:
        known = ", ".join(map(str, sorted(found.keys))) or "none"
        raise KeysError(f"no key of epoch {epoch} here (known: {known}); the control phase and the pods bring it")
    return KeySet(found.keys, epoch)


def drop(found: KeySet, epoch: int) -> KeySet:
    """Without any other key. KeysError while another one signs."""
    if found.signing != epoch:
        raise KeysError(f"epoch {found.signing} still signs here, not {epoch}")
    return KeySet({epoch: found.keys[epoch]}, epoch)


def read_by_daemon(wanted: dict[str, Any], run: Run, path: Path = Path("/etc/slurm/slurm.jwks")) -> Check:
    """The daemon `unit` has read the keys as they are now; that of `epoch` is among them, and signs if `signing`."""
    unit, epoch = str(wanted["unit"]), int(wanted["epoch"])
    expected = f"epoch {epoch} {'signs' if wanted.get('signing') else 'accepted'}, read by the daemon"
    answer = run(["systemctl", "show", "--timestamp=us+utc", "--property=ExecMainStartTimestamp", unit])
    try:
        keys = parse(path.read_text(encoding="utf-8"))
        written = path.stat().st_ctime_ns
    except (OSError, KeysError) as error:
        found, ok = str(error), False
    else:
        started = recorded(answer.output.strip().partition("=")[2]) if answer.ok else 0
        ok = epoch in keys.keys and (keys.signing == epoch or not wanted.get("signing")) and started >= written
        others = ", ".join(str(one) for one in sorted(keys.keys) if one != keys.signing)
        found = f"epoch {keys.signing} signs" + (f", {others} accepted" if others else "")
        found += ", read by the daemon" if started >= written else f", not read by {unit} yet"
    hint = f"systemctl status {unit} on this host"
    return result(f"slurm_keys {unit}", ok=ok, expected=expected, found=found, hint=hint)

"""Host keys from known_hosts: which lines count, and as what."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gridmill.core.hostkeys import fingerprints

ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIJGd41lXzdougWj52V4d4JqdrNABLVdjYs52g2k6oLJ+"


def test_the_fingerprint_is_what_ssh_keygen_prints(tmp_path: Path) -> None:
    path = tmp_path / "key.pub"
    path.write_text(f"ssh-ed25519 {ED25519} x\n")
    printed = subprocess.run(["ssh-keygen", "-lf", path], capture_output=True, text=True, check=True).stdout.split()[1]
    assert fingerprints(f"198.18.4.65,node ssh-ed25519 {ED25519}") == {"198.18.4.65": printed, "node": printed}


def test_lines_that_name_no_machine_are_left_out() -> None:
    text = "\n".join(
        [
            f"@cert-authority *.example ssh-ed25519 {ED25519}",
            f"|1|abc|def ssh-ed25519 {ED25519}",
            f"10.0.*.1 ssh-ed25519 {ED25519}",
            "10.0.0.1 ssh-ed25519 not-base64!",
            "10.0.0.2 ssh-dss AAAA",
            "# comment ssh-ed25519 x",
            "short",
        ]
    )
    assert fingerprints(text) == {}


def test_one_type_of_key_counts_whatever_the_order() -> None:
    rsa = f"n ssh-rsa {ED25519[:-4]}"
    ed = f"n ssh-ed25519 {ED25519}"
    assert fingerprints(f"{rsa}\n{ed}") == fingerprints(f"{ed}\n{rsa}") == fingerprints(ed)

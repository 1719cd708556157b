"""Backups that would be made for nobody, nowhere or never: each with its exact problem, and what would fix it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridmill.core.errors import ProblemsError, path_text
from gridmill.load import load_definition
from tests.conftest import PLAIN_LAB

RECIPIENT = "age1fn4e4jphe38xp0jzq03ag9sjtswh8f36tlanhuxavsnrfvqtsy8qsu47fp"
DIRECTORY = "backup.directory"
ELSEWHERE = "/var/backups/gridmill"


@pytest.mark.parametrize(
    ("written", "path", "message", "hint"),
    [
        ("recipients: [AGE-SECRET-KEY-1QQQQ]", "backup.recipients[0]", "this is a private key",
         "remove it, make a new pair with age-keygen, and put its public key here"),
        (f"recipients: [{RECIPIENT[:-1]}q]", "backup.recipients[0]", "age1fn4e4jphe38xp0jzq03a… has a wrong checksum",
         "copy it again; a character is wrong"),
        ("recipients: [ssh-ed25519 AAAA]", "backup.recipients[0]", "ssh-ed25519 AAAA is not a recipient",
         "age-keygen -o identity.txt makes one"),
        ("recipients: []", "backup.recipients", "`a list` is not valid", ""),
        ("keep: 3", "backup.recipients", "missing", "add it"),
        (f"recipients: [{RECIPIENT}, {RECIPIENT}]", "backup.recipients[1]", "named twice", "remove it"),
        (f"recipients: [{RECIPIENT}], directory: /var/lib/slurm/backup", DIRECTORY,
         "/var/lib/slurm/backup lies in /var/lib/slurm", ELSEWHERE),
        (f"recipients: [{RECIPIENT}], directory: /tmp/backup", DIRECTORY, "/tmp/backup lies in /tmp", ELSEWHERE),
        (f"recipients: [{RECIPIENT}], directory: /srv/../etc", DIRECTORY, "`/srv/../etc` is not valid", ""),
        (f"recipients: [{RECIPIENT}], directory: /srv/$(touch x)", DIRECTORY, "`/srv/$(touch x)` is not valid", ""),
        (f"recipients: [{RECIPIENT}], at: '24:00'", "backup.at", "`24:00` is not valid", ""),
        (f"recipients: [{RECIPIENT}], at: 230", "backup.at", "`230` is not valid",
         "put it in quotes, digit for digit as it stands in the file"),
        (f"recipients: [{RECIPIENT}], keep: 1", "backup.keep", "`1` is not valid", ""),
        (f"recipients: [{RECIPIENT}], maximumAgeHours: 0", "backup.maximumAgeHours", "`0` is not valid", ""),
        (f"recipients: [{RECIPIENT}], kept: 3", "backup.kept", "unknown key", "did you mean `keep`?"),
    ],
)  # fmt: skip
def test_a_bad_backup_names_its_problem(written: str, path: str, message: str, hint: str, tmp_path: Path) -> None:
    lab = PLAIN_LAB
    file = tmp_path / "Pulumi.bad.yaml"
    file.write_text(lab.replace("    scheduler:\n", f"    backup: {{{written}}}\n    scheduler:\n"), encoding="utf-8")
    with pytest.raises(ProblemsError) as caught:
        load_definition(file)
    found = [problem for problem in caught.value.problems if path_text(problem.path).startswith("backup")]
    assert [(path_text(problem.path), problem.message, problem.hint) for problem in found] == [(path, message, hint)]
    assert found[0].line == 1 + file.read_text(encoding="utf-8").splitlines().index(f"    backup: {{{written}}}")
    assert "SECRET-KEY-1" not in str(caught.value)

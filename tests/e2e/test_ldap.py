"""Users from a directory: a job of one runs, strangers stay out, and admins get in while the directory is away.

Not part of `make test`: see `make trial`. The directory is a simulated one, a slapd on the storage machine.
"""

from __future__ import annotations

import base64
import secrets
import subprocess
from pathlib import Path

import pytest
from testinfra.host import Host

from tests.conftest import ROOT
from tests.e2e.conftest import NODES
from tests.e2e.site_copy import NAME, SiteCopy

pytestmark = [pytest.mark.trial]

STORE = NODES["store"][0]
SERVER = f"{STORE}.e2e.gridmill.test"
SCRIPT = ROOT / "tests" / "e2e" / "directory_server.sh"
DOCUMENT = (".venv/bin/python", "-m", "gridmill.operations.cli", "document", NAME, "control")
CONVERGE = (".venv/bin/python", "-m", "gridmill.operations.converge", "apply", "--full")
BEFORE: list[str] = []
"""The stack definition before the directory came."""
DIRECTORY = f"""    ldap:
      uris: [ldaps://{SERVER}]
      base: dc=trial
      caFile: directory.pem
      bindDn: cn=reader,dc=trial
      loginGroups: [people]
      users: {{ben: {{uid: 3001}}}}
    software:
"""


@pytest.fixture(scope="module")
def own_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's key pair."""
    key = tmp_path_factory.mktemp("keys") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return key


def log_in(site: SiteCopy, key: Path, user: str, role: str, command: str) -> subprocess.CompletedProcess[str]:
    options = [f"UserKnownHostsFile={site.access}/known_hosts", "StrictHostKeyChecking=yes", "BatchMode=yes"]
    words = [word for option in (*options, "IdentitiesOnly=yes") for word in ("-o", option)]
    argv = ["ssh", "-F", "none", "-i", str(key), *words, f"{user}@{NODES[role][1]}", command]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def test_the_directory_comes(site: SiteCopy, store: Host, own_key: Path) -> None:
    password, public = secrets.token_urlsafe(16), own_key.with_suffix(".pub").read_text(encoding="utf-8").strip()
    script = base64.b64encode(SCRIPT.read_bytes()).decode()
    store.check_output("echo %s | base64 --decode > /root/directory.sh", script)
    authority = store.check_output("sh /root/directory.sh %s %s %s", SERVER, password, public)
    BEFORE.append(site.stack_file.read_text(encoding="utf-8"))
    keys = site.directory / "inventories" / NAME / "keys"
    keys.mkdir(exist_ok=True)
    (keys / "directory.pem").write_text(authority, encoding="utf-8")
    anna = site.stack_file.read_text(encoding="utf-8").split('keys: ["', 1)[1].split('"', 1)[0]
    site.edit(anna, public)
    site.edit("    software:\n", DIRECTORY)
    site.edit("users: [anna]}", "users: [anna, ben]}")
    refused = site.pulumi("preview", check=False)
    assert refused.status != 0 and "pulumi config set --secret ldapBindSecret" in refused.text
    site.run("pulumi", "config", "set", "--secret", "ldapBindSecret", "--stack", NAME, stdin=password)
    site.pulumi("up", "--yes")
    assert password not in site.state_text()
    site.pulumi("up", "--yes", "--expect-no-changes")
    lacking = site.run(*CONVERGE, stdin=site.run(*DOCUMENT).stdout, check=False)
    assert lacking.status != 0 and "ldap_client_bind_secret is not given" in lacking.text


def test_a_job_of_a_user_of_the_directory_runs_in_the_users_home(site: SiteCopy, own_key: Path, gpu1: Host) -> None:
    done = log_in(site, own_key, "ben", "controller", "srun --account=research --gpus=1 sh -c 'id -un; pwd; id -Gn'")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["ben", "/shared/home/ben"]
    assert "people" in done.stdout
    assert gpu1.check_output("stat -c '%u %a' /shared/home/ben") == "3001 700"


def test_strangers_and_wrong_places_are_refused(site: SiteCopy, own_key: Path, controller: Host) -> None:
    assert log_in(site, own_key, "eve", "controller", "true").returncode != 0, "eve is in no group that may log in"
    assert log_in(site, own_key, "ben", "gpu1", "true").returncode != 0, "no login node"
    assert controller.run("id mallory").rc != 0, "uid 0 from the directory"


def test_admins_get_in_while_the_directory_is_away(
    site: SiteCopy, own_key: Path, controller: Host, store: Host, gpu1: Host
) -> None:
    store.check_output("systemctl stop trial-directory")
    for host in (controller, gpu1):
        host.check_output("systemctl stop sssd; rm -f /var/lib/sss/db/*.ldb /var/lib/sss/mc/*; systemctl start sssd")
        assert host.run("getent passwd ben").rc != 0, "nothing is kept that could answer"
    for role in ("controller", "gpu1"):
        done = log_in(site, own_key, "anna", role, "sudo -n id -un")
        assert (done.returncode, done.stdout) == (0, "root\n"), done.stderr


def test_the_directory_leaves(site: SiteCopy, controller: Host) -> None:
    site.stack_file.write_text(BEFORE[0], encoding="utf-8")  # `pulumi config set` wrote the file in its own way
    site.pulumi("up", "--yes")
    assert controller.run("id ben").rc != 0
    assert not controller.file("/etc/sssd/sssd.conf").exists
    assert controller.run("systemctl is-active sssd").stdout.strip() == "inactive"
    assert not any(site.converge("control", "apply").values())

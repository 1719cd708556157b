"""One run at a time on a site: who is refused, by whom, and what the journal says of it all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from gridmill.operations.document import Connection
from gridmill.operations.record.lease import Ask, ask_lease_host
from tests.e2e.conftest import NODES
from tests.e2e.site_copy import NAME, Done, SiteCopy

pytestmark = [pytest.mark.lab, pytest.mark.engine]

BERT = {"id": "bert", "user": "bert", "machine": "desk", "boot": "another", "pid": 7, "started": "1"}
ENTRY = {
    "site": NAME,
    "scope": "pod-a",
    "action": "apply",
    "who": "bert",
    "machine": "desk",
    "run": "bert",
    "revision": "",
}
FENCE = "/var/lib/gridmill/fence"


def journal(site: SiteCopy) -> dict[str, Any]:
    done = site.run(".venv/bin/python", "-m", "gridmill.operations.cli", "journal", NAME, "--last", "0", "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def storage(site: SiteCopy) -> Done:
    document = site.run(".venv/bin/python", "-m", "gridmill.operations.cli", "document", NAME, "storage").stdout
    return site.run(".venv/bin/python", "-m", "gridmill.operations.converge", "apply", stdin=document, check=False)


@pytest.fixture
def ask(site: SiteCopy) -> Ask:
    connection = Connection("gridmill", Path(site.access / "id_ed25519"), Path(site.access / "known_hosts"), True)
    return ask_lease_host(connection, *NODES["controller"])


def test_the_journal_is_whole_and_knows_every_phase(site: SiteCopy) -> None:
    found = journal(site)
    assert (found["ok"], found["breaks"], found["lease"]) == (True, [], None)
    ended = {entry["scope"] for entry in found["entries"] if entry["event"] == "ended" and entry["ok"]}
    assert {"storage", "control", "pod-a", "acceptance"} <= ended


def test_a_second_run_is_refused_until_the_first_is_done(site: SiteCopy, ask: Ask) -> None:
    token = ask({"action": "take", "run": BERT, "scope": "pod-a", "ttl": 120, "entry": ENTRY})["token"]
    refused = storage(site)
    assert refused.status == 2
    assert "bert on desk (process 7) works on the site since" in refused.stderr
    ask({"action": "leave", "token": token, "scope": "pod-a", "entry": {**ENTRY, "ok": True, "hosts": 0}})
    assert storage(site).status == 0


def test_a_machine_refuses_a_run_that_has_lost_the_site(site: SiteCopy, store: Host) -> None:
    seen = int(store.check_output(f"cat {FENCE}"))
    store.check_output(f"echo {seen + 10**9} > {FENCE}")
    refused = storage(site)
    store.check_output(f"echo {seen} > {FENCE}")
    assert refused.status == 1
    assert "has lost the site" in refused.stderr
    assert storage(site).status == 0
    assert int(store.check_output(f"cat {FENCE}")) > seen
    assert journal(site)["ok"] is True


def test_an_edited_journal_shows(site: SiteCopy, controller: Host) -> None:
    path = "/var/lib/gridmill/journal.jsonl"
    controller.check_output(f'sed -i.kept \'2s/"who": "[^"]*"/"who": "nobody"/\' {path}')
    done = site.run(".venv/bin/python", "-m", "gridmill.operations.cli", "journal", NAME, check=False)
    controller.check_output(f"mv {path}.kept {path}")
    assert done.status == 1 and "BROKEN: line 2: was edited" in done.stdout

"""The recipe of docs/guides/own-virtual-site.md: what it changes in a copy of the lab's stack makes a valid site."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from gridmill.load import load_definition
from gridmill.plan import plan_site
from tests.conftest import ROOT

GUIDE = (ROOT / "docs" / "guides" / "own-virtual-site.md").read_text(encoding="utf-8")
CHANGES = {
    "name: lab\n": "name: mysite\n",
    "198.18.0.0/20": "198.18.32.0/20",
    "2001:2::/56": "2001:2:1::/56",
    "lab.gridmill.test": "mysite.gridmill.test",
    "{state}/lab/lab/": "{state}/lab/mysite/",
    "address: 198.18.0.": "address: 198.18.32.",
}


def test_the_recipe_makes_a_site_that_stands_beside_the_lab(tmp_path: Path) -> None:
    text = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8")
    for old, new in CHANGES.items():
        assert old in text
        text = text.replace(old, new)
    text = re.sub(r"^encryptionsalt: .*\n", "", text, flags=re.MULTILINE)
    (tmp_path / "Pulumi.mysite.yaml").write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "inventories" / "lab", tmp_path / "inventories" / "mysite")
    plan = plan_site(load_definition(tmp_path / "Pulumi.mysite.yaml"))
    login = next(host for host in plan.hosts if "login" in host.services)
    assert login.name in GUIDE and login.address in GUIDE
    for told in (plan.name, plan.supernet, plan.domain, "2001:2:1::/56", "{state}/lab/mysite/", "198.18.32.32"):
        assert told in GUIDE

"""Check mode predicts exactly what a run then changes, whatever was edited in the stack or tampered with on machines.

The first run on bare machines is compared in test_chain.py.
"""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import connect
from tests.e2e.site_copy import NAME, SiteCopy

pytestmark = [pytest.mark.lab, pytest.mark.engine]

OURS = "find /etc -type f -name '*gridmill*' -not -name '*lab*' -not -path '*lab/*' -not -path /etc/sudoers.d/gridmill -not -path '*/slurmd.service.d/*'"
"""Files that roles write, by their names; those of the virtual site itself and of its first login are left alone, and
so is the file by which a cluster's key is known to be ours: without it the run refuses the machine, by design."""
SPOIL = f"""
set -- $({OURS} | sort)
for file; do
  case $((number = number + 1)) in *[02468]) rm "$file";; *) echo '# spoiled' >> "$file";; esac
done
echo $#
for unit in slurmd slurmctld sackd dnsmasq chrony; do
  if systemctl --quiet is-enabled $unit 2> /dev/null; then systemctl --quiet disable --now $unit; fi
done
rm -f /etc/localtime
echo wrong > /etc/hostname
"""
"""Every other file is removed, the rest is added to; services are stopped and disabled."""


def spoil(site: SiteCopy) -> None:
    for role in ("store", "gpu1", "controller"):
        assert int(connect(site, role).check_output(SPOIL)) >= 4


def preview(site: SiteCopy) -> dict[str, dict[str, list[str]]]:
    """What `pulumi preview` says would change: tasks by machine, by phase."""
    reports = site.state / "previewed"
    reports.mkdir(exist_ok=True)
    done = site.run(
        *("env", "GRIDMILL_PREVIEW=hosts", f"GRIDMILL_PREVIEW_REPORT={reports}"),
        *("pulumi", "preview", "--stack", NAME, "--non-interactive"),
    )
    assert "impact: reconfigure" in done.text
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in reports.glob("*.json")}
    return {
        scope: {
            name: sorted(f"{change['role']} : {change['task']}" for change in host["changes"])
            for name, host in phase["hosts"].items()
        }
        for scope, phase in found.items()
    }


def test_edits_and_damage_are_predicted_and_mended(site: SiteCopy) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJGd41lXzdougWj52V4d4JqdrNABLVdjYs52g2k6oLJ+ chris"
    site.edit("      admins:\n", f'      admins:\n        chris: {{uid: 2003, keys: ["{key}"]}}\n')
    site.edit("maxTime: '1-00:00:00'", "maxTime: '3-00:00:00'")
    site.edit("users: [anna]", "users: [anna, chris]")
    site.edit("domain: e2e.gridmill.test\n", "domain: e2e.gridmill.test\n      resolvers: [198.19.16.1]\n")
    phases = site.phases()
    spoil(site)
    previewed = preview(site)
    for phase in phases:
        predicted = site.converge(phase, "check")
        assert site.converge(phase, "apply") == predicted
        assert all(predicted.values())
        assert previewed[phase] == predicted, "before any of them, `pulumi preview` said the same of all phases"
        assert not any(site.converge(phase, "check").values())

"""The whole chain on real parts: up, what stands then, no change, change, failure and repair, destroy.
The tests share one site and run in this order; each leaves it as the next one needs it.
"""

from __future__ import annotations

import json
import re
import time

import pytest
from testinfra.host import Host

from gridmill.core.hostlist import fold
from gridmill.operations.run.ansible import runtime_directory
from tests.e2e.conftest import NODES, connect
from tests.e2e.site_copy import SiteCopy
from tests.e2e.watch import command_lines, logins

COMMAND_LINES: set[str] = set()
"""Command lines of all processes of this machine while the site came up."""

pytestmark = [pytest.mark.lab, pytest.mark.engine]

GPU_1, GPU_2, GPU_3, STORE, CONTROLLER = (NODES[role][0] for role in ("gpu1", "gpu2", "gpu3", "store", "controller"))


def test_preview_shows_the_site_and_touches_nothing(site: SiteCopy) -> None:
    done = site.pulumi("preview")
    assert re.search(r"\+ 18 to create", done.stdout)
    assert site.on(CONTROLLER, "test -e /etc/slurm/slurm.conf && echo there || echo bare") == "bare"


def test_bare_machines_fulfil_the_entry_contract(site: SiteCopy) -> None:
    done = site.run(".venv/bin/python", "-m", "gridmill.operations.cli", "preflight", "e2e", "--json")
    assert json.loads(done.stdout) == {"ok": True, "machines": 4, "findings": [], "skipped": {}}


def test_check_mode_speaks_of_every_phase_before_the_first_run(site: SiteCopy) -> None:
    for phase in site.phases():
        assert all(site.converge(phase, "check").values()), phase
    assert not any(site.converge("exports", "check").values()), "nothing is served that could be withdrawn"


def test_up(site: SiteCopy) -> None:
    with command_lines() as seen:
        done = site.pulumi("up", "--yes")
    COMMAND_LINES.update(seen)
    assert "+ 18 created" in done.stdout
    summary = json.loads(site.pulumi("stack", "output", "site", "--json").stdout)
    assert summary["acceptance"]["ok"] is True
    assert summary["simulated"] is True
    assert summary["pods"]["pod-a"]["gpus"] == 16


def test_the_first_run_changed_exactly_what_check_mode_had_predicted(site: SiteCopy) -> None:
    for phase in [*site.phases(), "exports"]:
        assert site.changes(phase, "apply") == site.changes(phase, "check")


def test_a_job_asked_for_gpus_ran_and_is_accounted(site: SiteCopy, controller: Host) -> None:
    rows = controller.check_output(
        "sacct --allusers --noheader --parsable2 --allocations --format=JobName,User,Account,State,AllocTRES,Elapsed"
    ).splitlines()
    accepted = [row.split("|") for row in rows if row.startswith("gridmill-accept-gpu-h100|")]
    assert accepted, rows
    _, user, account, state, tres, elapsed = accepted[-1]
    assert (user, account, state) == ("gridmill-accept", "gridmill", "COMPLETED")
    assert "gres/gpu=2" in tres
    assert elapsed


def test_verification_is_kept_per_host_and_check(site: SiteCopy) -> None:
    report = json.loads((site.state / "sites" / "e2e" / "reports" / "pod-a-apply.json").read_text(encoding="utf-8"))
    assert report["ok"] is True
    checks = {check["check"].split()[0]: check for check in report["hosts"][GPU_1]["checks"]}
    assert {"hostname", "resolves", "nvidia_driver", "gpus", "gpu_power_range", "service", "slurm_node"} <= set(checks)
    assert all(check["ok"] is True and check["found"] for check in checks.values())


def test_gpus_are_seen_by_real_software_and_say_simulated(gpu1: Host) -> None:
    listed = gpu1.check_output("nvidia-smi --list-gpus").splitlines()
    assert len(listed) == 8
    assert all("simulated NVIDIA H100" in line for line in listed)
    assert gpu1.package("nvidia-smi").version.startswith("550.163.01")
    assert gpu1.package("libnvidia-ml1").is_installed is False


def test_power_limits_hold_within_their_range(gpu1: Host) -> None:
    query = "nvidia-smi --id=0 --query-gpu=power.limit --format=csv,noheader,nounits"
    assert float(gpu1.check_output(query)) == 650
    gpu1.check_output("nvidia-smi --id=0 --power-limit=450")
    assert float(gpu1.check_output(query)) == 450
    refused = gpu1.run("nvidia-smi --id=0 --power-limit=150")
    assert refused.rc != 0
    assert "between 200.00 W and 700.00 W" in refused.stdout
    gpu1.check_output("nvidia-smi --id=0 --power-limit=650")


def test_slurm_has_typed_gpus_on_idle_nodes(controller: Host) -> None:
    rows = controller.check_output("sinfo --noheader --Node --format='%N|%t|%G'").splitlines()
    assert rows == [f"{GPU_1}|idle|gpu:h100:8(S:0)", f"{GPU_2}|idle|gpu:h100:8(S:0)"]


def test_slurm_reads_our_ranges_as_we_mean_them(controller: Host) -> None:
    names = [f"pod-a-r{rack}-u{unit:02d}" for rack in (8, 9, 10) for unit in (1, 9, 17)]
    (expression,) = fold(names)
    assert expression == "pod-a-r[8-10]-u[01,09,17]"
    assert controller.check_output(f"scontrol show hostnames '{expression}'").split() == names


def test_compute_nodes_fetch_their_configuration(gpu1: Host) -> None:
    assert not gpu1.file("/etc/slurm/slurm.conf").exists
    assert gpu1.service("slurmd").is_running
    assert gpu1.service("slurmd").is_enabled


@pytest.mark.parametrize("service", ["slurmctld", "slurmdbd", "mariadb", "dnsmasq"])
def test_the_controllers_services(controller: Host, service: str) -> None:
    assert controller.service(service).is_running
    assert controller.service(service).is_enabled


@pytest.mark.parametrize("role", ["controller", "store", "gpu1", "gpu2"])
def test_names_both_ways_from_the_sites_own_dns(store: Host, role: str) -> None:
    name, address = NODES[role]
    assert address in store.check_output(f"getent ahostsv4 {name}")
    assert f"{name}.e2e.gridmill.test" in store.check_output(f"getent hosts {address}")
    six = f"2001:2:0:101::1:{int(name.rsplit('u', 1)[1])}"
    assert six in store.check_output(f"getent ahostsv6 {name}")
    assert f"{name}.e2e.gridmill.test" in store.check_output(f"getent hosts {six}")


def test_a_name_that_is_not_planned_does_not_exist(store: Host) -> None:
    assert store.run("getent hosts nobody.e2e.gridmill.test").rc == 2
    assert store.run("getent hosts 2001:2:0:1ff::1").rc == 2


def test_clocks_are_compared_with_the_controllers_and_never_set(store: Host, controller: Host) -> None:
    """The machines are containers: their clock is that of this host."""
    for host, reference in ((store, NODES["controller"][1]), (controller, "")):
        fields = host.check_output("chronyc -c tracking").split(",")
        assert (fields[1], fields[-1]) == (reference, "Normal")
        assert "-x" in host.check_output("pgrep --list-full chronyd").split()


def test_keys_are_random_private_and_nowhere_else(site: SiteCopy, controller: Host, gpu1: Host, store: Host) -> None:
    key = controller.file("/etc/slurm/slurm.jwks")
    assert key.mode & 0o077 == 0
    assert key.size >= 128
    digest = controller.check_output("sha256sum /etc/slurm/slurm.jwks").split()[0]
    assert gpu1.check_output("sha256sum /etc/slurm/slurm.jwks").split()[0] == digest
    assert not store.file("/etc/slurm/slurm.jwks").exists
    secret = json.loads(controller.check_output("cat /etc/slurm/slurm.jwks"))["keys"][0]["k"]
    assert secret[:40] not in site.state_text()
    for path in site.state.rglob("*"):
        if path.is_file() and "machines" not in path.parts:
            assert secret[:40].encode() not in path.read_bytes(), path


def test_no_secret_was_on_a_command_line_or_stays_in_memory(site: SiteCopy, controller: Host) -> None:
    secret = json.loads(controller.check_output("cat /etc/slurm/slurm.jwks"))["keys"][0]["k"]
    assert any("ansible-playbook" in line for line in COMMAND_LINES)
    assert not any(secret[:40] in line for line in COMMAND_LINES)
    runtime = runtime_directory(site.state / "sites" / "e2e", "probe")
    runtime.rmdir()
    assert list(runtime.parent.glob(runtime.name.replace("-probe", "-*"))) == []
    assert controller.run("pgrep --full 'slurm-tria[l]'").rc == 1
    assert controller.run("find /tmp /run -type d -name 'slurm-trial*'").stdout == ""


def test_no_process_stays(site: SiteCopy) -> None:
    processes = site.run("ps", "-eo", "args").stdout.splitlines()
    assert not [line for line in processes if "ansible" in line and str(site.directory) in line]


def test_admins_can_enter_and_passwords_cannot(controller: Host, store: Host) -> None:
    for host in (controller, store):
        anna = host.user("anna")
        assert anna.uid == 2001
        settings = host.check_output("sshd -T")
        assert "passwordauthentication no" in settings
        keys = host.file("/etc/ssh/authorized_keys.d/anna")
        assert keys.user == "root"
        assert keys.mode & 0o022 == 0
        assert keys.content_string.count("ssh-ed25519 ") == 1


def test_status_shows_the_plan_beside_slurm_and_the_ledger(site: SiteCopy) -> None:
    done = site.run(".venv/bin/python", "-m", "gridmill.operations.cli", "status", "e2e", "--json")
    status = json.loads(done.stdout)
    assert status["ok"] is True
    nodes = {node["name"]: node for node in status["nodes"]}
    assert {name: node["slurm"] for name, node in nodes.items()} == {
        GPU_1: "idle",
        GPU_2: "idle",
        STORE: "",
        CONTROLLER: "",
    }
    assert all(nodes[name]["converged"] for name in (GPU_1, GPU_2, STORE))


def test_nothing_to_do_is_quick_and_changes_nothing(site: SiteCopy) -> None:
    logs = site.state / "sites" / "e2e" / "logs"
    before = set(logs.iterdir())
    done = site.pulumi("up", "--yes", "--expect-no-changes")
    assert "18 unchanged" in done.stdout
    assert set(logs.iterdir()) == before, "a host was asked"


def test_converging_again_changes_nothing_on_any_host(site: SiteCopy) -> None:
    """The recorded phase run once more by hand: changed=0 on every host."""
    for name in ("e2e-control-converge", "e2e-pod-a-converge"):
        document = site.resources()[name]["inputs"]["stdin"]
        done = site.run(".venv/bin/python", "-m", "gridmill.operations.converge", "apply", "--full", stdin=document)
        hosts = json.loads(done.stdout)["hosts"]
        assert {host: result["changed"] for host, result in hosts.items()} == dict.fromkeys(hosts, 0)


def test_check_mode_predicts_no_change(site: SiteCopy) -> None:
    document = site.resources()["e2e-pod-a-converge"]["inputs"]["stdin"]
    done = site.run(".venv/bin/python", "-m", "gridmill.operations.converge", "check", "--full", stdin=document)
    assert all(result["changed"] == 0 for result in json.loads(done.stdout)["hosts"].values())


def test_a_changed_partition_updates_in_place(site: SiteCopy, controller: Host) -> None:
    before = controller.check_output("systemctl show slurmctld --property=ActiveEnterTimestampMonotonic")
    site.edit("maxTime: '2-00:00:00'", "maxTime: '1-00:00:00'")
    preview = site.pulumi("preview", "--diff")
    assert "1-00:00:00" in preview.stdout
    assert "replace" not in preview.stdout
    done = site.pulumi("up", "--yes")
    assert "deleted" not in done.stdout
    assert controller.check_output("sinfo --noheader --format=%l").strip() == "1-00:00:00"
    assert controller.service("slurmctld").is_running
    after = controller.check_output("systemctl show slurmctld --property=ActiveEnterTimestampMonotonic")
    assert after == before, "slurmctld was restarted, not reconfigured"


PEOPLE = """        bram: {{uid: 2002, keys: ["{key}"]}}
      groups:
        chemistry: {{gid: 4000}}
      users:
        ben: {{uid: 3001, keys: ["{key}"], groups: [chemistry]}}
      bootstrap:
"""


def test_new_people_reach_every_machine(site: SiteCopy, controller: Host, store: Host) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJGd41lXzdougWj52V4d4JqdrNABLVdjYs52g2k6oLJ+ new"
    site.edit("      bootstrap:\n", PEOPLE.format(key=key))
    site.edit("users: [anna]}", "users: [anna, ben], limits: {gpus: 1}}")
    site.pulumi("up", "--yes")
    for host in (controller, store):
        assert host.user("bram").uid == 2002 and host.user("ben").uid == 3001
        assert host.user("ben").groups == ["ben", "gridmill-users", "chemistry"]
        assert host.file("/etc/ssh/authorized_keys.d/bram").exists
    assert controller.file("/etc/ssh/authorized_keys.d/ben").exists, "users log in where they submit jobs"
    assert not store.file("/etc/ssh/authorized_keys.d/ben").exists
    assert "denygroups gridmill-users" in store.check_output("sshd -T").splitlines()


def test_a_job_above_its_accounts_limit_waits(site: SiteCopy, controller: Host) -> None:
    submit = "runuser --user ben -- sbatch --parsable --chdir=/ --output=/dev/null --gres=gpu:2 --wrap=true"
    job = controller.check_output(submit)
    for _ in range(20):
        queue = controller.check_output(f"squeue --noheader --jobs={job} --format='%a %T %r'")
        if queue.endswith("AssocGrpGRES"):
            break
        time.sleep(1)
    assert queue == "research PENDING AssocGrpGRES"
    controller.check_output(f"scancel {job}")


def test_who_leaves_is_shut_out_and_data_stays(site: SiteCopy, controller: Host, store: Host) -> None:
    text = site.stack_file.read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines(keepends=True) if line.startswith("        ben: ")]
    site.edit(f"      users:\n{line}", "")
    site.edit("users: [anna, ben], limits: {gpus: 1}}", "users: [anna]}")
    site.pulumi("up", "--yes")
    for host in (controller, store):
        assert host.check_output("getent shadow ben").split(":")[7] == "1", "expired since 1970"
        assert host.user("ben").groups == ["ben"]
        assert not host.file("/etc/ssh/authorized_keys.d/ben").exists
    assert controller.file("/shared/home/ben").user == "ben"
    refused = controller.run("runuser --user ben -- sbatch --chdir=/ --output=/dev/null --wrap=true")
    assert refused.rc != 0
    rows = controller.check_output("sacctmgr -nP show association account=research format=user,grptres,maxsubmit")
    assert set(rows.splitlines()) == {"||", "anna||", "ben||0"}


def test_a_third_node_joins_and_nobody_else_is_asked(site: SiteCopy, controller: Host) -> None:
    site.edit("connection: 3x63A", "connection: 3x100A")
    site.edit("budget: 24 kW", "budget: 34 kW")
    site.edit("at: [r1/u1, r1/u9]", "at: [r1/u1, r1/u9, r1/u17]")
    site.lab("up")
    others = (GPU_1, GPU_2, STORE)
    before = logins(site, *others)
    assert min(before) > 0
    done = site.pulumi("up", "--yes")
    assert GPU_3 in done.text
    assert logins(site, *others) == before
    assert logins(site, GPU_3) >= [1]
    rows = controller.check_output("sinfo --noheader --Node --format='%N|%t'").splitlines()
    assert rows == [f"{GPU_1}|idle", f"{GPU_2}|idle", f"{GPU_3}|idle"]


def test_a_node_with_a_job_is_drained_before_it_leaves(site: SiteCopy, controller: Host) -> None:
    submit = "runuser --user gridmill-accept -- sbatch --parsable --account=gridmill --chdir=/ --output=/dev/null"
    job = controller.check_output(f"{submit} --nodelist={GPU_3} --gres=gpu:1 --wrap='sleep 300'")
    site.edit("at: [r1/u1, r1/u9, r1/u17]", "at: [r1/u1, r1/u9]")
    refused = site.pulumi("up", "--yes", check=False)
    assert refused.status != 0
    assert re.search(rf"{GPU_3}.* job {job}\b", refused.text), refused.text[-3000:]
    assert controller.check_output(f"squeue --noheader --jobs={job} --format=%T") == "RUNNING"
    assert controller.check_output(f"sinfo --noheader --nodes={GPU_3} --format=%t") in {"drain", "drng"}
    controller.check_output(f"scancel {job}")


def test_the_same_command_takes_the_node_out(site: SiteCopy, controller: Host) -> None:
    site.pulumi("up", "--yes")
    rows = controller.check_output("sinfo --noheader --Node --format='%N|%t'").splitlines()
    assert rows == [f"{GPU_1}|idle", f"{GPU_2}|idle"]
    assert GPU_3 not in controller.check_output("cat /etc/gridmill-names /etc/slurm/slurm.conf")
    assert connect(site, "gpu3").service("slurmd").is_running is False
    site.lab("up", "--prune")


def test_a_missing_gpu_fails_the_run_and_names_host_check_and_log(site: SiteCopy, gpu1: Host) -> None:
    gpu1.check_output("sed -i.whole 's/^count.*/count = 7/' /etc/gridmill-lab/gpus.conf")
    site.edit("timezone: Europe/Amsterdam", "timezone: Europe/Brussels")
    done = site.pulumi("up", "--yes", check=False)
    assert done.status != 0
    assert re.search(rf"{GPU_1}: check gpus: expected .*8.*, found .*7", done.text), done.text[-3000:]
    assert f"{GPU_2}: check" not in done.text
    log = re.search(r"log: (\S+\.log)", done.text)
    assert log, done.text[-3000:]
    assert "Traceback" not in done.text


def test_the_same_command_completes_it(site: SiteCopy, gpu1: Host) -> None:
    gpu1.check_output("mv /etc/gridmill-lab/gpus.conf.whole /etc/gridmill-lab/gpus.conf")
    site.pulumi("up", "--yes")
    assert site.pulumi("up", "--yes", "--expect-no-changes").status == 0


def test_a_bad_definition_registers_nothing(site: SiteCopy) -> None:
    site.edit("budget: 34 kW", "budget: 21 kW")
    done = site.pulumi("preview", check=False)
    site.edit("budget: 21 kW", "budget: 34 kW")
    assert done.status != 0
    problem = r"Pulumi\.e2e\.yaml:\d+: pods\.pod-a\.budget: needs 21\.6 kW; limit: 21 kW, the budget of pod-a"
    assert re.search(problem, done.text), done.text
    assert "Traceback" not in done.text


def test_refresh_keeps_everything(site: SiteCopy) -> None:
    site.pulumi("refresh", "--yes")
    site.pulumi("preview", "--expect-no-changes")


def test_the_lab_comes_back_after_a_killed_machine(site: SiteCopy, store: Host) -> None:
    machines = {machine["name"]: machine for machine in json.loads(site.lab("status", "--json").stdout)["machines"]}
    pid = machines["pod-a-r1-u38"]["pid"]
    site.run("kill", "-KILL", str(pid))
    site.lab("up")
    assert store.run("true").rc == 0


def test_a_second_lab_on_the_same_addresses_is_refused(site: SiteCopy) -> None:
    other = site.directory / "Pulumi.other.yaml"
    text = site.stack_file.read_text(encoding="utf-8")
    other.write_text(text.replace("name: e2e\n", "name: other\n").replace("/lab/e2e/", "/lab/other/"), "utf-8")
    skus = site.directory / "inventories" / "other"
    skus.symlink_to(site.directory / "inventories" / "e2e")
    done = site.run(".venv/bin/python", "-m", "gridmill.lab", "up", "--stack", other.name, check=False)
    assert done.status == 1
    assert re.search(r"198\.19\.16\.0/20 .*clashes with .* on gm-e2e", done.text), done.text
    other.unlink()
    skus.unlink()


def test_destroy_decommissions_and_leaves_data(site: SiteCopy, controller: Host, gpu1: Host, store: Host) -> None:
    controller.check_output("touch /scratch/kept")
    site.pulumi("destroy", "--yes")
    assert gpu1.run("findmnt --mountpoint /scratch").rc != 0
    assert store.service("moosefs-master").is_running
    assert site.resources() == {}
    assert not gpu1.service("slurmd").is_running
    assert not gpu1.service("slurmd").is_enabled
    assert not controller.service("slurmctld").is_running
    assert controller.file("/var/lib/slurm/slurmctld").exists
    assert controller.file("/etc/slurm/slurm.jwks").exists


def test_up_after_destroy_brings_the_site_back_with_its_accounting(site: SiteCopy, controller: Host) -> None:
    site.pulumi("up", "--yes")
    rows = controller.check_output("sacct --allusers --noheader --parsable2 --allocations --format=JobID").split()
    assert len(rows) == len(set(rows)) >= 2
    assert controller.file("/scratch/kept").exists

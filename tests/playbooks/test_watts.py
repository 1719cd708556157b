"""Every job takes its watts: the script of job_submit/lua, and a replay of the worst that admitted jobs can draw."""

from __future__ import annotations

import copy
import math
from functools import cache
from typing import Any

import pytest
import yaml
from ansible_collections.gridmill.site.plugins.module_utils.checks.result import summary
from ansible_collections.gridmill.site.plugins.module_utils.checks.verification import verify
from ansible_collections.gridmill.site.plugins.module_utils.slurm.watts import kind_of, short_of_watts
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmill.features.slurm.plan import SlurmPlan
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import build_definition
from gridmill.plan import plan_site
from tests.conftest import ROOT
from tests.playbooks.job_submit import NO_VALUE16, JobSubmit, watts

BASE: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.ems1.yaml").read_text(encoding="utf-8"))["config"][
    "gridmill:site"
]
DGX = {"nodes": 8, "cpus": 112 * 2, "threads": 2, "idle": 2000, "all": 10_200}
OTHERS_W = 2 * 800 + 2 * 1200 + 1200 + 2 * 1720 + 2 * 100
"""Two management, two storage and one CPU server, two InfiniBand and two management switches."""
MOST = {"min_nodes": 1, "max_nodes": 1}


def site(contract: str = "60 kW", **power: Any) -> SitePlan:
    data = copy.deepcopy(BASE)
    data["grid"]["contract"] = {"firm": contract}
    data["power"] = {"feeds": {"A": {}}, "scheduled": True, **power}
    data["pods"]["pod-a"]["budget"] = "95 kW"
    data["scheduler"]["partitions"]["cpu"] = {"nodeGroups": ["cpu"]}
    data["pods"]["pod-a"]["nodes"]["cpu"] = {"sku": "srv-cpu", "at": ["r1/u33"]}
    return plan_site(build_definition(data, ROOT))


PLAN = site()
SCRIPT = JobSubmit(PLAN)


def test_the_numbers_behind_the_script() -> None:
    found = PLAN.of(SlurmPlan).watts
    assert found
    # 8 DGX idle at 2 kW; everything else at its most
    assert found.base_w == 8 * 2000 + OTHERS_W
    assert found.total_w == 48_000 - found.base_w  # 60 kW at the meter, PUE 1.25
    kind = found.partitions["gpu"]
    assert (kind.nodes, kind.node_w, kind.gpu_w) == (8, 8200, 1025)
    assert set(found.partitions) == {"gpu"}
    assert PLAN.meter_w == 60_000


CASES: list[tuple[str, dict[str, Any], int]] = [
    ("one GPU", {**MOST, "tres_per_node": "gres/gpu:1"}, 1025),
    ("one GPU of a type", {**MOST, "tres_per_node": "gres/gpu:h100:2"}, 2050),
    ("a type without a number", {**MOST, "tres_per_node": "gres/gpu:h100"}, 1025),
    ("GPUs of the job, nodes unsaid", {"tres_per_job": "gres/gpu:4"}, 4100),
    ("GPUs per task", {"num_tasks": 3, "min_cpus": 3, "tres_per_task": "gres/gpu=1", **MOST}, 3075),
    ("a whole node of GPUs", {**MOST, "tres_per_node": "gres/gpu:8"}, 8200),
    ("exclusive", {**MOST, "shared": 0}, 8200),
    ("alone among its user's", {**MOST, "shared": 2}, 8200),
    ("sharing allowed", {**MOST, "shared": 1}, 1025),
    ("nothing said", {}, 1025),
    ("two nodes", {"min_nodes": 2, "max_nodes": 2, "num_tasks": 2, "tres_per_node": "gres/gpu:8"}, 16_400),
    ("up to three nodes", {"min_nodes": 1, "max_nodes": 3, "tres_per_node": "gres/gpu:1"}, 3075),
    ("half the threads", {**MOST, "num_tasks": 1, "cpus_per_task": 112, "min_cpus": 112, "pn_min_cpus": 112}, 4144),
    (
        "a GPU with CPUs for one task, nodes unsaid",
        {"num_tasks": 1, "cpus_per_task": 14, "min_cpus": 14, "pn_min_cpus": 14, "tres_per_node": "gres/gpu:1"},
        1025,
    ),
    ("CPUs for one task, tasks and nodes unsaid", {"cpus_per_task": 56, "min_cpus": 56, "pn_min_cpus": 56}, 2072),
    ("CPUs that outweigh the GPUs", {**MOST, "num_tasks": 112, "min_cpus": 112, "tres_per_node": "gres/gpu:1"}, 8200),
    ("tasks that may spread", {"num_tasks": 3, "min_cpus": 3}, 3075),
    ("whole cores", {**MOST, "num_tasks": 56, "min_cpus": 56}, 4144),
    ("one thread per core", {**MOST, "num_tasks": 56, "min_cpus": 56, "threads_per_core": 1}, 4144),
    ("CPUs per GPU", {"tres_per_job": "gres/gpu:2", "cpus_per_tres": "gres/gpu:56"}, 4144),
    ("nobody can tell: per socket", {**MOST, "tres_per_socket": "gres/gpu:1"}, 8200),
    ("nobody can tell: mincpus", {**MOST, "pn_min_cpus": 64}, 8200),
    ("nobody can tell: another resource", {**MOST, "tres_per_node": "gres/shard:1"}, 8200),
    ("nobody can tell: an odd number", {**MOST, "tres_per_node": "gres/gpu:1k"}, 8200),
    ("nobody can tell: GPUs of unknown tasks", {**MOST, "tres_per_task": "gres/gpu:1"}, 8200),
    ("a partition without GPU nodes", {"partition": "cpu"}, 0),
    ("the dearer of two partitions", {"partition": "cpu,gpu", **MOST}, 1025),
    ("a partition that nobody planned", {"partition": "mine", **MOST}, 1025),
    ("a reservation's partition is not known", {"reservation": "mine", **MOST, "shared": 0}, 8200),
]


@pytest.mark.parametrize(("name", "fields", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_a_job_takes(name: str, fields: dict[str, Any], expected: int) -> None:
    assert watts(SCRIPT.submit(**fields)) == expected, name


def test_a_job_gets_no_more_nodes_than_it_takes_watts_for() -> None:
    assert SCRIPT.submit(tres_per_job="gres/gpu:4").max_nodes == 4
    assert SCRIPT.submit(num_tasks=3, min_cpus=3).max_nodes == 3
    assert SCRIPT.submit(min_nodes=2, max_nodes=3).max_nodes == 3
    assert SCRIPT.submit(partition="cpu").max_nodes == 4294967294


@pytest.mark.parametrize("asked", ["watts:1", "watts=0", "watts", "watts:1,watts:2", "watts:99999999"])
def test_nobody_chooses_watts(asked: str) -> None:
    assert SCRIPT.submit(**MOST, shared=0, licenses=asked).licenses == "watts:8200"
    assert SCRIPT.submit(**MOST, shared=0, licenses=f"matlab:2;{asked}").licenses == "matlab:2,watts:8200"
    assert SCRIPT.submit(partition="cpu", licenses=asked).licenses == ""


def test_refusals_say_why() -> None:
    many = SCRIPT.submit(min_nodes=4, max_nodes=4, shared=0)
    assert many == (
        "this job can draw 32.8 kW above idle (on up to 4 nodes), and the site has 23.16 kW for all jobs together"
    )
    assert SCRIPT.submit(num_tasks=600, min_cpus=600).endswith("say how many nodes with --nodes if it needs fewer")
    assert "leave them out" in SCRIPT.submit(**MOST, tres_per_task="license/watts:1,gres/gpu:1")
    assert "first part" in SCRIPT.submit(**MOST, het_job_offset=1)
    assert watts(SCRIPT.submit(partition="cpu", het_job_offset=1)) == 0


def test_a_script_that_fails_refuses() -> None:
    assert "could not be told" in SCRIPT.submit(licenses=SCRIPT.lua.table())  # Slurm itself would let the job pass


HELD = {"licenses": "matlab:1,watts:8200"}


@pytest.mark.parametrize(("asked", "left"), [("", "watts:8200"), ("watts:1", "watts:8200"), ("a:1", "a:1,watts:8200")])
@pytest.mark.parametrize("uid", [2001, 64030, 0])
def test_a_job_keeps_its_watts(asked: str, left: str, uid: int) -> None:
    assert SCRIPT.modify(HELD, uid, licenses=asked).licenses == left


def test_only_root_adds_watts() -> None:
    assert SCRIPT.modify(HELD, 0, licenses="watts:9000").licenses == "watts:9000"
    assert SCRIPT.modify(HELD, 2001, licenses="watts:9000").licenses == "watts:8200"


@pytest.mark.parametrize(
    "change",
    [
        {"min_nodes": 2},
        {"max_nodes": 1},
        {"num_tasks": 4},
        {"min_cpus": 1},
        {"shared": 0},
        {"cpus_per_task": 1},
        {"tres_per_node": "gres/gpu:1"},
        {"tres_per_task": "license/watts:1"},
        {"partition": "cpu"},
        {"threads_per_core": 1},
    ],
)
def test_what_watts_follow_from_stays(change: dict[str, Any]) -> None:
    assert "submit it anew" in SCRIPT.modify(HELD, **change)


def test_the_rest_of_a_job_may_change() -> None:
    assert SCRIPT.modify(HELD, time_limit=10, comment="x", licenses=None).licenses is None
    running = {**HELD, "job_state": 1, "total_nodes": 2}
    assert not isinstance(SCRIPT.modify(running, min_nodes=1), str)  # gives a node back
    assert "submit it anew" in SCRIPT.modify(running, min_nodes=3)


JOBS = st.fixed_dictionaries(
    {
        "min_nodes": st.integers(1, 3),
        "max_nodes": st.integers(1, 4),
        "num_tasks": st.integers(1, 8),
        "cpus_per_task": st.one_of(st.just(NO_VALUE16), st.integers(1, 60)),
        "ntasks_per_node": st.one_of(st.just(NO_VALUE16), st.integers(1, 4)),
        "gpus": st.one_of(st.none(), st.tuples(st.sampled_from(["job", "node", "task"]), st.integers(1, 8))),
        "shared": st.sampled_from([NO_VALUE16, NO_VALUE16, 0]),
    },
    optional={"dropped": st.sets(st.sampled_from(["min_nodes", "max_nodes", "num_tasks"]))},
)


def request(drawn: dict[str, Any]) -> dict[str, Any]:
    """As a client would send it."""
    fields = {
        name: value for name, value in drawn.items() if name not in (*drawn.get("dropped", ()), "gpus", "dropped")
    }
    if "num_tasks" in fields:
        threads = fields["cpus_per_task"]
        fields["min_cpus"] = fields["num_tasks"] * (threads if threads != NO_VALUE16 else 1)
    if drawn["gpus"]:
        fields[f"tres_per_{drawn['gpus'][0]}"] = f"gres/gpu:{drawn['gpus'][1]}"
    return fields


def worst(job: dict[str, Any], most_nodes: int) -> tuple[int, float, int]:
    """Nodes, GPUs and threads that Slurm could give such a job at most, as Slurm's manual says it; whole cores."""
    nodes = min(most_nodes, DGX["nodes"])
    if job.get("shared") == 0:
        return nodes, nodes * 8, nodes * DGX["cpus"]
    per_task = job.get("cpus_per_task", NO_VALUE16)
    per_task = 1 if per_task == NO_VALUE16 else per_task
    per_node = job.get("ntasks_per_node", NO_VALUE16)
    tasks = max(job.get("num_tasks", 0), nodes * (1 if per_node == NO_VALUE16 else per_node))
    counts = {
        name: int(job[f"tres_per_{name}"].split(":")[1])
        for name in ("job", "node", "task")
        if f"tres_per_{name}" in job
    }
    gpus = counts.get("job", counts.get("node", 0) * nodes + counts.get("task", 0) * tasks)
    threads = tasks * math.ceil(per_task / DGX["threads"]) * DGX["threads"]
    return nodes, min(gpus, nodes * 8), min(threads, nodes * DGX["cpus"])


@cache
def prepared(contract: int) -> tuple[SitePlan, JobSubmit]:
    plan = site(f"{contract} kW")
    return plan, JobSubmit(plan)


@settings(max_examples=150, deadline=None)
@given(jobs=st.lists(JOBS, max_size=12), contract=st.sampled_from([42, 50, 60, 80, 120]), share=st.floats(0, 1))
def test_jobs_that_run_together_keep_the_contract(jobs: list[dict[str, Any]], contract: int, share: float) -> None:
    """However a node's power is split between GPUs and the rest, and however many nodes Slurm chooses."""
    plan, script = prepared(contract)
    watts_plan = plan.of(SlurmPlan).watts
    assert watts_plan
    free, above_idle = watts_plan.total_w, 0.0
    for drawn in jobs:
        fields = request(drawn)
        job = script.submit(**fields)
        if isinstance(job, str) or watts(job) > free:
            continue
        free -= watts(job)
        nodes, gpus, threads = worst(fields, max(int(job.max_nodes), int(fields.get("min_nodes", 1))))
        rise = DGX["all"] - DGX["idle"]
        drawn_w = rise * (share * gpus / 8 + (1 - share) * threads / DGX["cpus"])
        assert drawn_w <= watts(job) + 1e-6, (fields, nodes, gpus, threads)
        above_idle += drawn_w
    assert (8 * DGX["idle"] + OTHERS_W + above_idle) * 1.25 <= contract * 1000 + 1e-3


KINDS = {
    "gpu": kind_of({"nodes": 8, "node_w": 8200, "gpu_w": 1025, "cpu_w": 37, "threads_per_core": 2, "mixed": False})
}
QUEUE = [
    ("running on two GPUs", "RUNNING|1|1|1|OK|cpu=2,mem=1G,node=1,billing=2,gres/gpu=2|(null)|", "watts:2050"),
    ("running alone", "RUNNING|2|2|2|NO|cpu=448,mem=1G,node=2,billing=2|(null)|", "watts:16400"),
    ("running, with another licence", "RUNNING|1|1|1|OK|cpu=2,node=1,gres/gpu=1|matlab:1|", "matlab:1,watts:1025"),
    ("running with enough", "RUNNING|1|1|1|OK|cpu=2,node=1,gres/gpu=1|watts:1025|", None),
    ("running with more", "RUNNING|1|1|1|OK|cpu=2,node=1,gres/gpu=1|watts:8200|", None),
    ("running since before a cap went up", "RUNNING|1|1|1|OK|cpu=2,node=1,gres/gpu=8|watts:6000|", "watts:8200"),
    ("waiting for GPUs on up to two nodes", "PENDING|1|2|2|OK|cpu=2,node=1,gres/gpu=3|(null)|", "watts:6150"),
    ("waiting, nodes unsaid", "PENDING|1|0|4|OK|cpu=8,node=1,gres/gpu=1|(null)|", "watts:4100"),
    ("waiting, nothing known", "PENDING|1|0|1|OK||(null)|", "watts:8200"),
]


@pytest.mark.parametrize(("name", "line", "expected"), QUEUE, ids=[case[0] for case in QUEUE])
def test_jobs_from_before_get_what_they_lack(name: str, line: str, expected: str | None) -> None:
    found = short_of_watts(f"7|gpu|{line}\n8|cpu|{line}\n", KINDS)
    assert {job: licenses for job, (_, licenses) in found.items()} == ({"7": expected} if expected else {}), name


LICENSES = "LicenseName=watts Total=9200 Used=4100 Free=5100 Reserved=0 Remote=no\n"
CONFIG = "JobSubmitPlugins        = lua\n"


@pytest.mark.parametrize(
    ("total", "licenses", "config", "complaint"),
    [
        (9200, LICENSES, CONFIG, ""),
        (9300, LICENSES, CONFIG, "9200 W, taken by every job"),
        (9200, LICENSES, "JobSubmitPlugins        = (null)\n", "jobs need not take any"),
        (9200, "", CONFIG, "no W"),
        (9200, None, CONFIG, "no licence"),
    ],
)
def test_the_check_of_the_licence(total: int, licenses: str | None, config: str, complaint: str) -> None:
    def run(argv: list[str]) -> Result:
        text = licenses if "licenses" in argv else config
        return Result(0, text, "") if text is not None else Result(1, "", "no licence")

    assert complaint in summary(verify([{"check": "slurm_watts", "total": total}], run))
    assert bool(complaint) == bool(summary(verify([{"check": "slurm_watts", "total": total}], run)))


def test_the_numbers_are_printed_as_planned() -> None:
    assert "local TOTAL_W = 23160\n" in SCRIPT.text
    gpu = "{nodes = 8, node_w = 8200, gpu_w = 1025, cpu_w = 37, threads = 2, mixed = false}"
    assert f'  ["gpu"] = {gpu},\n}}\nlocal WITHOUT = {{["cpu"] = true, }}\nlocal ANYWHERE = {gpu}\n' in SCRIPT.text
    assert PLAN.of(SlurmPlan).settings["Licenses"] == "watts:23160"
    assert PLAN.of(SlurmPlan).settings["AccountingStorageTRES"] == "gres/gpu,license/watts"


def test_a_mixed_partition_takes_both_shares() -> None:
    data = copy.deepcopy(BASE)
    data["power"] = {"feeds": {"A": {}}, "scheduled": True, "caps": {"gpu": "500 W"}}
    pod = data["pods"]["pod-a"]
    pod["nodes"]["gpu"]["at"] = ["r1/u1"]
    data["pods"]["pod-b"] = {
        "budget": "30 kW",
        "racks": {"r1": {}},
        "nodes": {"gpu": {"sku": "srv-8xl40s", "at": ["r1/u1"]}},
    }
    found = plan_site(build_definition(data, ROOT))
    watts_plan = found.of(SlurmPlan).watts
    assert watts_plan
    kind = watts_plan.partitions["gpu"]
    assert kind.mixed
    assert kind.node_w == 10_200 - 8 * 200 - 2000  # capped at 500 W of 700 W
    script = JobSubmit(found)
    fields = {
        **MOST,
        "tres_per_node": "gres/gpu:2",
        "num_tasks": 1,
        "cpus_per_task": 20,
        "min_cpus": 20,
        "pn_min_cpus": 20,
    }
    assert watts(script.submit(**fields)) == 2 * kind.gpu_w + 20 * kind.cpu_w

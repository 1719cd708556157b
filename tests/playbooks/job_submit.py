"""Slurm's job_submit/lua in miniature: the role's script under Lua 5.1, with jobs as Slurm hands them over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from lupa.lua51 import LuaRuntime  # type: ignore[import-untyped]

from gridmill.features.slurm.plan import SlurmPlan
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.playbooks import ROLES
from tests.playbooks.test_templates import render

NO_VALUE16, NO_VALUE32 = 65534, 4294967294
UNSAID: dict[str, Any] = {
    **dict.fromkeys(("min_nodes", "max_nodes", "num_tasks", "min_cpus", "max_cpus", "het_job_offset"), NO_VALUE32),
    **dict.fromkeys(("cpus_per_task", "pn_min_cpus", "shared", "ntasks_per_node", "ntasks_per_tres"), NO_VALUE16),
    **dict.fromkeys(("ntasks_per_socket", "ntasks_per_core", "sockets_per_node"), NO_VALUE16),
    **dict.fromkeys(("cores_per_socket", "threads_per_core"), NO_VALUE16),
    **dict.fromkeys(("ntasks_per_board", "sockets_per_board", "boards_per_node"), 0),
}
"""What a request says where its user says nothing, as Slurm 24.11.5 was seen to hand it over."""
SLURM = """
messages = {}
slurm = {SUCCESS = 0, ERROR = -1, ESLURM_INVALID_LICENSES = 2048, ESLURM_NOT_SUPPORTED = 2049,
         log_user = function(...) messages[#messages + 1] = string.format(...) end,
         log_error = function(...) errors = string.format(...) end}
"""


class JobSubmit:
    """The script of a site."""

    def __init__(self, plan: SitePlan, default: str = "gpu") -> None:
        watts_plan = plan.of(SlurmPlan).watts
        assert watts_plan
        self.lua = LuaRuntime(unpack_returned_tuples=True)
        self.lua.execute(SLURM)
        variables = {
            "slurm_controller_watts": asdict(watts_plan),
            "slurm_controller_partitions": list(plan.of(SlurmPlan).partitions),
        }
        self.text = render(ROLES / "slurm_controller/templates/job_submit.lua.j2", variables)
        assert self.lua.execute(self.text) == 0
        names = (line["PartitionName"] for line in plan.of(SlurmPlan).partitions)
        self.partitions = self._table({name: self._table({"flag_default": int(name == default)}) for name in names})

    def _table(self, values: dict[str, Any]) -> Any:
        return self.lua.table_from(values)

    def submit(self, **fields: Any) -> Any:
        """The job after its submission, or the text of the refusal."""
        job = self._table({**UNSAID, **fields})
        code = self.lua.globals().slurm_job_submit(job, self.partitions, 2001)
        return job if code == 0 else self._said()

    def modify(self, job: dict[str, Any], uid: int = 2001, **changes: Any) -> Any:
        """The change after the script saw it, or the text of the refusal."""
        change = self._table({**UNSAID, **changes})
        record = self._table({"job_state": 0, "total_nodes": 0, "licenses": "", **job})
        code = self.lua.globals().slurm_job_modify(change, record, self.partitions, uid)
        return change if code == 0 else self._said()

    def _said(self) -> str:
        messages: Iterable[str] = list(self.lua.globals().messages.values())
        self.lua.execute("messages = {}")
        return " ".join(messages)


def watts(job: Any) -> int:
    """Watts of a job that was let in."""
    assert not isinstance(job, str), job
    items = [item for item in (job.licenses or "").split(",") if item.startswith("watts:")]
    return sum(int(item.partition(":")[2]) for item in items)

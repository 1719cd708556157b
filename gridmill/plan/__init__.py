"""Planning: names, addresses, power and Slurm of a checked site, as plain data."""

from gridmill.plan.planner import plan_site
from gridmill.plan.site_plan import GpuPlan, HostPlan, PodPlan, PowerPlan, SitePlan, SlurmPlan
from gridmill.plan.storage import StoragePlan

__all__ = ["GpuPlan", "HostPlan", "PodPlan", "PowerPlan", "SitePlan", "SlurmPlan", "StoragePlan", "plan_site"]

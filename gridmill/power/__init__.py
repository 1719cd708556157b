"""Power: what machines draw, every limit on the way to them, and the caps that make a plan hold."""

from gridmill.power.consumers import Caps
from gridmill.power.draw import Draw, machine_draw, pod_draw
from gridmill.power.problems import power_problems
from gridmill.power.work import PowerWork, caps_of, work_out

__all__ = ["Caps", "Draw", "PowerWork", "caps_of", "machine_draw", "pod_draw", "power_problems", "work_out"]

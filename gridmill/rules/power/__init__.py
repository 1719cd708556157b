"""Power: what machines draw, every limit on the way to them, and the caps that make a plan hold."""

from gridmill.rules.power.consumers import Caps
from gridmill.rules.power.draw import Draw, machine_draw, pod_draw
from gridmill.rules.power.problems import power_problems
from gridmill.rules.power.work import PowerWork, caps_of, work_out

__all__ = ["Caps", "Draw", "PowerWork", "caps_of", "machine_draw", "pod_draw", "power_problems", "work_out"]

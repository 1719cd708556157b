"""Power: what machines draw, every limit on the way to them, and the caps that make a plan hold."""

from gridmill.power.consumers import Caps
from gridmill.power.draw import Draw, machine_draw, pod_draw
from gridmill.power.problems import power_problems
from gridmill.power.work import PowerAnalysis, analyse, caps_of

__all__ = ["Caps", "Draw", "PowerAnalysis", "analyse", "caps_of", "machine_draw", "pod_draw", "power_problems"]

"""Two invented agencies that look like real ones: test data for people who have no real system at hand.

A *world* (families and persons) and a *story* (what happens to them, day by day) are pure functions of the
seed; the two *offices* write them down the way their vendors would. Nobody in here exists.
"""

from hub.dev.simulate.simulation import DayReport, Simulation
from hub.dev.simulate.world import SimulatedWorld, build_world

__all__ = ["DayReport", "SimulatedWorld", "Simulation", "build_world"]

"""The loop without a broker: the same steps over a log in memory and a simulated clock, and runs taken again."""

from streams.replay.again import Replayed, replay_run
from streams.replay.backtest import backtest
from streams.replay.driver import Driver, DriverSettings, RoleFactory, Tally
from streams.replay.faults import NO_FAULTS, ClockStep, FaultPlan, Kill, seeded_plan
from streams.replay.log import MemoryLog, MemoryProducer

__all__ = [
    "NO_FAULTS",
    "ClockStep",
    "Driver",
    "DriverSettings",
    "FaultPlan",
    "Kill",
    "MemoryLog",
    "MemoryProducer",
    "Replayed",
    "RoleFactory",
    "Tally",
    "backtest",
    "replay_run",
    "seeded_plan",
]

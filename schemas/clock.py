"""Clocks of a process: the wall clock, and loop time, which begins with it and never steps."""

import time
from collections.abc import Callable


def wall_us() -> int:
    """Return the time of the wall clock in microseconds since the epoch."""
    return time.time_ns() // 1_000


def _elapsed_us() -> int:
    """Return a clock that also runs while the machine sleeps, where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000


class LoopClock:
    """Loop time of one process in microseconds since the epoch: wall time when it starts, the monotonic clock from
    there on. A step of the wall clock does not reach it.
    """

    def __init__(self, *, wall_us: Callable[[], int] = wall_us, elapsed_us: Callable[[], int] = _elapsed_us) -> None:
        self._elapsed_us = elapsed_us
        self._offset_us = wall_us() - elapsed_us()

    def now_us(self) -> int:
        """Return the time now."""
        return self._offset_us + self._elapsed_us()

"""Clocks of a process: the wall clock, and loop time, which begins with it and does not follow its steps."""

import time
from collections.abc import Callable

_FAR_US = 1_000_000
"""Loop time so far from the broker's is put right, where the wall clock is."""


def wall_us() -> int:
    """Return the time of the wall clock in microseconds since the epoch."""
    return time.time_ns() // 1_000


def _elapsed_us() -> int:
    """Return a clock that also runs while the machine sleeps, where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000


def begins_anew(*, loop_us: int, wall_us: int) -> bool:
    """Return whether loop time is to begin anew: it is far from the broker's, and the wall clock is nearer by half.

    Both arguments are differences to the broker's time (us). A process that was started under a wrong clock does not
    stay wrong once the clock is set; a step that leads away from the broker's time is followed by none.
    """
    return abs(loop_us) > _FAR_US and 2 * abs(wall_us) <= abs(loop_us)


class LoopClock:
    """Loop time of one process in microseconds since the epoch: wall time when it starts, the monotonic clock from
    there on. A step of the wall clock does not reach it unless it is asked to begin anew.
    """

    def __init__(self, *, wall_us: Callable[[], int] = wall_us, elapsed_us: Callable[[], int] = _elapsed_us) -> None:
        self._wall_us = wall_us
        self._elapsed_us = elapsed_us
        self._offset_us = wall_us() - elapsed_us()

    def now_us(self) -> int:
        """Return the time now."""
        return self._offset_us + self._elapsed_us()

    def elapsed_us(self) -> int:
        """Return the monotonic clock (us), which no beginning anew moves."""
        return self._elapsed_us()

    def at_us(self, elapsed_us: int) -> int:
        """Return the time when the monotonic clock showed this."""
        return self._offset_us + elapsed_us

    def wall_ahead_us(self) -> int:
        """Return by how much (us) the wall clock is ahead of this one."""
        return self._wall_us() - self.now_us()

    def begin_anew(self) -> None:
        """Follow the wall clock from here on, as a new process would."""
        self._offset_us += self.wall_ahead_us()

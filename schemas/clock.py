"""Clocks of a process: the wall clock, and loop time, which begins with it and does not follow its steps."""

import threading
import time
from collections.abc import Callable

_NEAR_US = 1_000_000
"""Loop time as near to the broker's as this is right."""


def wall_us() -> int:
    """Return the time of the wall clock in microseconds since the epoch."""
    return time.time_ns() // 1_000


def _elapsed_us() -> int:
    """Return a clock that also runs while the machine sleeps, where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000


class LoopClock:
    """Loop time of one process in microseconds since the epoch: wall time when it starts, the monotonic clock from
    there on. No step of the wall clock reaches it, but for the one that sets right a clock which was wrong when the
    process started (`put_right`). It may be shared by threads.
    """

    def __init__(self, *, wall_us: Callable[[], int] = wall_us, elapsed_us: Callable[[], int] = _elapsed_us) -> None:
        self._wall_us = wall_us
        self._elapsed_us = elapsed_us
        self._offset_us = wall_us() - elapsed_us()
        self._was_right = False
        self._lock = threading.Lock()

    def now_us(self) -> int:
        """Return the time now."""
        return self.at_us(self._elapsed_us())

    def elapsed_us(self) -> int:
        """Return what the monotonic clock shows (us)."""
        return self._elapsed_us()

    def at_us(self, elapsed_us: int) -> int:
        """Return the time when the monotonic clock showed this."""
        return self._offset_us + elapsed_us

    def wall_ahead_us(self) -> int:
        """Return by how much (us) the wall clock is ahead of this one."""
        return self._wall_us() - self.now_us()

    def put_right(self, *, off_us: int, wall_off_us: int) -> bool:
        """Begin anew with the wall clock, as a new process would, and return whether it was done.

        `off_us` is how far the broker's time is from this clock, `wall_off_us` how far from the wall clock. It is done
        where this clock was never within a second of the broker's and the wall clock is twice as near, and once at
        most: where broker and worker are on one machine, any later step looks as if the clock had been set right.
        """
        with self._lock:
            if self._was_right or abs(off_us) <= _NEAR_US:
                self._was_right = True
                return False
            if 2 * abs(wall_off_us) > abs(off_us):
                return False
            self._offset_us = self._wall_us() - self._elapsed_us()
            self._was_right = True
            return True

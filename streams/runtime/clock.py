"""Loop time: wall time when the process starts, the monotonic clock from there on; never backwards."""

import time
from collections.abc import Callable

MICROSECONDS = 1_000_000


def _elapsed_us() -> int:
    """Return a clock that also runs while the machine sleeps, where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000


class LoopClock:
    """The time of one process in microseconds since the epoch. A step of the wall clock does not reach it."""

    def __init__(
        self,
        *,
        wall_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
        elapsed_us: Callable[[], int] = _elapsed_us,
    ) -> None:
        self._elapsed_us = elapsed_us
        self._offset_us = wall_us() - elapsed_us()

    def now_us(self) -> int:
        """Return the time now."""
        return self._offset_us + self._elapsed_us()


class PartitionClock:
    """The loop time of one partition: the process's, but never before the last entry of the partition's journal."""

    def __init__(self, *, clock: LoopClock, floor_us: int) -> None:
        self._clock = clock
        self._last_us = floor_us

    def now_us(self) -> int:
        """Return the time of a step that begins now; equal or later than every one before."""
        self._last_us = max(self._last_us, self._clock.now_us())
        return self._last_us


class AppendTimeCheck:
    """Compares loop time with the broker's: `LogAppendTime` of an own record against when it was sent and confirmed."""

    def __init__(self, *, limit_us: int) -> None:
        self._limit_us = limit_us

    def difference_us(self, *, sent_us: int, confirmed_us: int, appended_us: int) -> int:
        """Return by how much (us) the append lies outside of the time between sending and confirmation; 0 inside."""
        if appended_us < sent_us:
            return appended_us - sent_us
        return max(0, appended_us - confirmed_us)

    def agrees(self, difference_us: int) -> bool:
        """Return whether a difference is small enough to go on."""
        return abs(difference_us) <= self._limit_us

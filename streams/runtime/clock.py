"""Loop time of a partition, and how it is compared with the broker's."""

from schemas.clock import LoopClock

MICROSECONDS = 1_000_000


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

    def is_sharp(self, *, sent_us: int, confirmed_us: int) -> bool:
        """Return whether so little time passed between sending and confirmation that no difference means agreement."""
        return confirmed_us - sent_us <= MICROSECONDS

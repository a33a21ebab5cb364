"""Loop time of a partition, and how it is compared with the broker's."""

from typing import NamedTuple

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


class Difference(NamedTuple):
    """How far (us) the broker's time is from loop time, and from the wall clock. `is_sharp`: the broker answered so
    fast that no difference means agreement.
    """

    off_us: int
    wall_off_us: int
    is_sharp: bool

    def refusal(self, *, limit_s: float) -> str | None:
        """Return why no step may be taken under such clocks, if so."""
        if abs(self.off_us) <= limit_s * MICROSECONDS:
            return None
        return f"the broker's clock is {self.off_us / MICROSECONDS:+.1f} s from this machine's: set the clocks"


def compare(clock: LoopClock, *, sent_at_us: int, appended_us: int) -> Difference:
    """Compare clocks right after an own record was confirmed: sent when the monotonic clock showed `sent_at_us`, and
    appended at `appended_us` by the broker's (`LogAppendTime`).
    """
    sent_us, confirmed_us, ahead_us = clock.at_us(sent_at_us), clock.now_us(), clock.wall_ahead_us()
    return Difference(
        off_us=outside_us(appended_us, sent_us, confirmed_us),
        wall_off_us=outside_us(appended_us, sent_us + ahead_us, confirmed_us + ahead_us),
        is_sharp=confirmed_us - sent_us <= MICROSECONDS,
    )


def outside_us(time_us: int, start_us: int, end_us: int) -> int:
    """Return by how much a time lies before (negative) or behind a span of time; 0 inside."""
    return min(0, time_us - start_us) + max(0, time_us - end_us)

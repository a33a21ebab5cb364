"""Simulated time: one true time, wall clocks that may be wrong, and the loop time that an instance makes of them."""

from schemas.clock import begins_anew


class SimulatedClock:
    """True time (us), which only moves when told, and the error of this machine's wall clock."""

    def __init__(self, *, start_us: int) -> None:
        self.true_us = start_us
        self.error_us = 0

    @property
    def wall_us(self) -> int:
        """What the machine's wall clock shows."""
        return self.true_us + self.error_us

    def advance_to(self, time_us: int) -> None:
        """Move true time forward; it never moves back."""
        self.true_us = max(self.true_us, time_us)


class LoopClock:
    """Loop time of one run of an instance: the wall clock at its start, then only the time elapsed since.

    It never runs backwards: not within the run, and not behind `floor_us`, the last step's time in the journal.
    """

    def __init__(self, clock: SimulatedClock, *, floor_us: int) -> None:
        self._clock = clock
        self._floor_us = floor_us
        self._offset_us = clock.error_us

    def now_us(self) -> int:
        """Return the loop time of a step taken now."""
        self._floor_us = max(self._floor_us, self._clock.true_us + self._offset_us)
        return self._floor_us

    def put_right(self) -> None:
        """Begin anew with the wall clock where that is right again and this one is not, by the broker's true time."""
        if begins_anew(loop_us=self._offset_us, wall_us=self._clock.error_us):
            self._offset_us = self._clock.error_us

"""Simulated time: one true time, wall clocks that may be wrong, and the loop time that an instance makes of them."""

from schemas.clock import LoopClock


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


class InstanceClock:
    """Loop time of one run of an instance on a simulated machine.

    It never runs backwards: not within the run, and not behind `floor_us`, the last step's time in the journal.
    """

    def __init__(self, clock: SimulatedClock, *, floor_us: int) -> None:
        self._clock = clock
        self._floor_us = floor_us
        self._loop = LoopClock(wall_us=lambda: clock.wall_us, elapsed_us=lambda: clock.true_us)
        self._heard_at_us: int | None = None

    def now_us(self) -> int:
        """Return the loop time of a step taken now."""
        self._floor_us = max(self._floor_us, self._loop.now_us())
        return self._floor_us

    def hear(self) -> None:
        """Take down that `control` was heard now."""
        self._heard_at_us = self._loop.elapsed_us()

    def heard_us(self) -> int:
        """Return when (loop time) `control` was last heard; 0: never."""
        return 0 if self._heard_at_us is None else self._loop.at_us(self._heard_at_us)

    def off_us(self, broker_us: int) -> int:
        """Return how far (us) the broker's time is from loop time, the floor by the journal left out."""
        return broker_us - self._loop.now_us()

    def put_right(self, broker_us: int) -> None:
        """Put loop time right by the broker's, as a worker does before its first step and after every commit."""
        self._loop.put_right(off_us=self.off_us(broker_us), wall_off_us=broker_us - self._clock.wall_us)

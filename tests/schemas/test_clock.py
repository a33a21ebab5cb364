"""Loop time, by hand."""

from schemas.clock import LoopClock


class Hands:
    """A wall clock and a monotonic one that the test moves."""

    def __init__(self) -> None:
        self.wall_us = 1_000_000
        self.elapsed_us = 50

    def clock(self) -> LoopClock:
        return LoopClock(wall_us=lambda: self.wall_us, elapsed_us=lambda: self.elapsed_us)


def test_it_begins_at_wall_time_and_follows_the_monotonic_clock() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.elapsed_us += 7
    hands.wall_us -= 3_600_000_000
    assert clock.now_us() == 1_000_007

"""Loop time, by hand."""

import pytest

from schemas.clock import LoopClock, begins_anew


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


def test_asked_to_it_begins_anew_with_the_wall_clock() -> None:
    hands = Hands()
    clock = hands.clock()
    seen_at_us = clock.elapsed_us()
    hands.wall_us -= 3_000_000
    hands.elapsed_us += 7
    assert clock.wall_ahead_us() == -3_000_007
    clock.begin_anew()
    assert (clock.now_us(), clock.wall_ahead_us()) == (hands.wall_us, 0)
    assert clock.at_us(seen_at_us) == hands.wall_us - 7
    hands.elapsed_us += 20
    assert clock.now_us() == hands.wall_us + 20


@pytest.mark.parametrize(
    ("loop_us", "wall_us", "anew"),
    [
        (3_500_000, 0, True),
        (-3_500_000, 200_000, True),
        (3_500_000, 1_750_000, True),
        (3_500_000, 1_750_001, False),
        (3_500_000, 3_500_000, False),
        (1_000_001, 0, True),
        (1_000_000, 0, False),
        (0, 4_000_000, False),
    ],
)
def test_only_a_right_wall_clock_is_followed(loop_us: int, wall_us: int, *, anew: bool) -> None:
    assert begins_anew(loop_us=loop_us, wall_us=wall_us) is anew

"""Loop time, by hand."""

import pytest

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


@pytest.mark.parametrize(
    ("off_us", "wall_off_us", "done"),
    [
        (-3_500_000, 0, True),
        (3_500_000, 200_000, True),
        (-3_500_000, -1_750_000, True),
        (-3_500_000, -1_750_001, False),
        (-3_500_000, -3_500_000, False),
        (1_000_001, 0, True),
        (1_000_000, 0, False),
        (0, 4_000_000, False),
    ],
)
def test_only_a_wall_clock_that_is_nearer_by_half_is_followed(off_us: int, wall_off_us: int, *, done: bool) -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall_us -= 3_000_000
    hands.elapsed_us += 7
    assert clock.put_right(off_us=off_us, wall_off_us=wall_off_us) is done
    assert clock.now_us() == (hands.wall_us if done else 1_000_007)


def test_what_was_seen_before_it_was_put_right_keeps_its_age() -> None:
    hands = Hands()
    clock = hands.clock()
    seen_at_us = clock.elapsed_us()
    hands.elapsed_us += 7
    hands.wall_us += 4_000_000
    assert clock.wall_ahead_us() == 4_000_000 - 7
    assert clock.put_right(off_us=4_000_000, wall_off_us=0)
    assert clock.now_us() - clock.at_us(seen_at_us) == 7
    hands.elapsed_us += 20
    assert clock.now_us() == hands.wall_us + 20


def test_a_clock_that_was_right_once_follows_no_step() -> None:
    hands = Hands()
    clock = hands.clock()
    assert not clock.put_right(off_us=-900_000, wall_off_us=-900_000)
    hands.wall_us += 4_500_000
    assert not clock.put_right(off_us=4_500_000, wall_off_us=0)
    assert clock.now_us() == 1_000_000


def test_it_is_put_right_once_at_most() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall_us += 4_500_000
    assert clock.put_right(off_us=4_500_000, wall_off_us=0)
    hands.wall_us += 4_500_000
    assert not clock.put_right(off_us=4_500_000, wall_off_us=0)
    assert clock.now_us() == 5_500_000

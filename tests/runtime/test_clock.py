"""Loop time of partitions, by hand."""

import pytest

from streams.runtime.clock import Difference, PartitionClock, compare, outside_us
from tests.schemas.test_clock import Hands


def test_a_partition_never_goes_behind_its_journal() -> None:
    hands = Hands()
    clock = PartitionClock(clock=hands.clock(), floor_us=2_000_000)
    assert clock.now_us() == 2_000_000
    hands.elapsed_us += 1_500_000
    assert clock.now_us() == 2_500_000


def test_a_partition_never_goes_behind_itself() -> None:
    hands = Hands()
    clock = PartitionClock(clock=hands.clock(), floor_us=0)
    first = clock.now_us()
    hands.elapsed_us -= 40
    assert clock.now_us() == first


@pytest.mark.parametrize(("time_us", "outside"), [(9, -1), (10, 0), (15, 0), (20, 0), (23, 3)])
def test_a_time_within_a_span_is_not_outside(time_us: int, outside: int) -> None:
    assert outside_us(time_us, 10, 20) == outside


def test_clocks_are_compared_by_an_append_between_sending_and_confirmation() -> None:
    hands = Hands()
    clock = hands.clock()
    sent_at_us = hands.elapsed_us
    hands.elapsed_us += 300
    hands.wall_us += 300 - 5_000
    appended_us = 1_000_000 - 7_000
    assert compare(clock, sent_at_us=sent_at_us, appended_us=appended_us) == (-7_000, -2_000, True)
    assert compare(clock, sent_at_us=sent_at_us, appended_us=1_000_200).off_us == 0


def test_a_slow_confirmation_tells_nothing_of_a_small_difference() -> None:
    hands = Hands()
    clock = hands.clock()
    sent_at_us = hands.elapsed_us
    hands.elapsed_us += 1_000_000
    assert compare(clock, sent_at_us=sent_at_us, appended_us=0).is_sharp
    hands.elapsed_us += 1
    assert not compare(clock, sent_at_us=sent_at_us, appended_us=0).is_sharp


@pytest.mark.parametrize(("off_us", "told"), [(5_000_000, None), (5_000_001, "+5.0 s"), (-5_100_000, "-5.1 s")])
def test_only_more_than_the_limit_apart_is_refused(off_us: int, told: str | None) -> None:
    refusal = Difference(off_us, 0, is_sharp=True).refusal(limit_s=5.0)
    assert refusal is None if told is None else told in (refusal or "")

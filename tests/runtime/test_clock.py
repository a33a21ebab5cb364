"""Loop time of partitions, by hand."""

from streams.runtime.clock import AppendTimeCheck, PartitionClock
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


def test_an_append_between_sending_and_confirmation_agrees() -> None:
    check = AppendTimeCheck(limit_us=5_000_000)
    assert check.difference_us(sent_us=10, confirmed_us=20, appended_us=15) == 0


def test_only_more_than_the_limit_apart_disagrees() -> None:
    check = AppendTimeCheck(limit_us=5_000_000)
    ahead = check.difference_us(sent_us=0, confirmed_us=10, appended_us=5_000_011)
    behind = check.difference_us(sent_us=6_000_000, confirmed_us=6_000_010, appended_us=1_000_000)
    assert (ahead, check.agrees(ahead)) == (5_000_001, False)
    assert (behind, check.agrees(behind)) == (-5_000_000, True)


def test_a_slow_confirmation_tells_nothing_of_a_small_difference() -> None:
    check = AppendTimeCheck(limit_us=5_000_000)
    assert check.is_sharp(sent_us=10, confirmed_us=1_000_010)
    assert not check.is_sharp(sent_us=10, confirmed_us=1_000_011)

import pytest

from streams.learners.onset_order import OnsetOrder

S = 1_000_000


def order(limit: int = 100) -> OnsetOrder:
    return OnsetOrder(window_us=10 * S, limit=limit)


def trust(learned: OnsetOrder, caller: str, callee: str) -> float:
    return dict(learned.among((caller, callee))).get((0, 1), 0.0)


def learn(learned: OnsetOrder, entity: str, opened_us: int) -> None:
    """Learn an onset that is heard of at once."""
    learned.watch(opened_us)
    learned.learn(entity, opened_us)


def test_who_comes_first_time_and_again_is_trusted_to_be_the_cause() -> None:
    learned = order()
    for number in range(4):
        assert trust(learned, "shop", "database") == 0.0 or number > 2
        learn(learned, "database", number * 1_000 * S)
        learn(learned, "shop", number * 1_000 * S + 2 * S)
    assert trust(learned, "shop", "database") > 0.9
    assert trust(learned, "database", "shop") == 0.0


def test_it_does_not_matter_which_of_two_partitions_is_read_first() -> None:
    learned = order()
    for number in range(4):
        learn(learned, "shop", number * 1_000 * S + 2 * S)
        learn(learned, "database", number * 1_000 * S)
    assert trust(learned, "shop", "database") > 0.9


def test_onsets_at_the_same_time_say_nothing_of_order() -> None:
    learned = order()
    for number in range(9):
        learn(learned, "a", number * 1_000 * S)
        learn(learned, "b", number * 1_000 * S)
    assert trust(learned, "a", "b") == trust(learned, "b", "a") == 0.0


def test_who_is_always_abnormal_is_the_cause_of_nothing() -> None:
    learned = order()
    for second in range(0, 4_000, 5):
        learn(learned, "noisy", second * S)
        if second % 1_000 == 500:
            learn(learned, "shop", second * S + 1)
    assert trust(learned, "shop", "noisy") == 0.0


def test_what_chance_brings_is_counted_from_the_first_time_watched() -> None:
    calm, busy = order(), order()
    calm.watch(0)
    for number in range(3):
        learn(calm, f"e-{number}", 10_000 * S)
    for second in range(0, 10_000, 5):
        learn(busy, "e", second * S)
    assert calm.expected() < 0.01
    assert busy.expected() > 1.5


def test_an_onset_of_long_ago_that_is_heard_of_now_makes_the_past_no_longer() -> None:
    learned = order()
    for second in range(0, 1_000, 10):
        learn(learned, "e", second * S)
    before = learned.expected()
    learned.learn("late", -100_000_000 * S)
    assert learned.expected() == pytest.approx(before, rel=0.05)


def test_the_latest_onsets_are_not_what_was_expected_though_they_are_heard_of_later() -> None:
    learned = order()
    for second in range(0, 10_000, 5):
        learned.watch(second * S)
    for number in range(3):
        learned.watch(10_000 * S)
        learned.learn(f"e-{number}", 9_900 * S + number)
    assert learned.expected() < 0.01


def test_what_is_remembered_is_bounded_and_restored() -> None:
    learned = order(limit=10)
    sizes = []
    for number in range(2_000):
        learn(learned, f"e-{number % 100}", number * S)
        sizes.append(len(learned.snapshot()))
    assert max(sizes[1_000:]) <= 1.1 * max(sizes[:1_000])
    restored = order(limit=10)
    restored.restore(learned.snapshot())
    assert restored.snapshot() == learned.snapshot()

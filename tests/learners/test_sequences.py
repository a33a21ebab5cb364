"""What follows what: found soon where it is so, never where it is chance, a storm or a habit of one entity."""

from collections.abc import Iterable

import numpy as np
import pytest

from streams.learners.sequences import Finding, Occurrence, Sequences

SECOND = 1_000_000
WITHIN_US = 300 * SECOND
HOUR_S = 3_600.0


def happened(item: str, time_s: float, entity: str = "pump-1", group: str = "east") -> Occurrence:
    return Occurrence(item=item, entity=entity, group=group, time_us=round(time_s * SECOND))


def found(sequences: Sequences, occurrences: Iterable[Occurrence]) -> list[Finding]:
    ordered = sorted(occurrences, key=lambda one: (one.time_us, one.item, one.entity))
    return [finding for one in ordered for finding in sequences.follow(one)]


def by_chance(rng: np.random.Generator, *, items: int = 12, entities: int = 40, count: int = 3_000) -> list[Occurrence]:
    """Return occurrences at a mean of two minutes, independent of one another."""
    times = rng.exponential(120, count).cumsum()
    return [
        happened(f"p-{rng.integers(items)}", time_s, f"pump-{number}", f"group-{number % 3}")
        for time_s, number in zip(times.tolist(), rng.integers(0, entities, count).tolist(), strict=True)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_independent_is_never_told(seed: int) -> None:
    assert found(Sequences(within_us=WITHIN_US), by_chance(np.random.default_rng(seed))) == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("relation", ["same", "other"])
def test_what_follows_is_told_by_the_tenth_time_among_everything_else(seed: int, relation: str) -> None:
    rng = np.random.default_rng(seed)
    occurrences = by_chance(rng, count=1_000)
    for start in np.arange(1, 11) * 2.5 * HOUR_S:
        number = int(rng.integers(40))
        second = number if relation == "same" else (number + 3) % 40
        occurrences.append(happened("a", start, f"pump-{number}", f"group-{number % 3}"))
        lag_s = rng.uniform(10, 60)
        occurrences.append(happened("b", start + lag_s, f"pump-{second}", f"group-{number % 3}"))
    told = found(Sequences(within_us=WITHIN_US), occurrences)
    assert {finding.pair for finding in told} == {("a", "b", relation)}
    first = told[0]
    assert first.hits <= 10
    assert first.expected < 2
    assert 10 * SECOND <= first.lag_us <= 60 * SECOND


def test_storms_in_any_order_are_no_sequence() -> None:
    rng = np.random.default_rng(1)
    occurrences = [
        happened(f"p-{rng.integers(6)}", hour * HOUR_S + rng.uniform(0, 60), f"pump-{rng.integers(40)}")
        for hour in range(100)
        for _ in range(12)
    ]
    assert found(Sequences(within_us=WITHIN_US), occurrences) == []


def test_an_entity_that_fails_often_in_two_ways_has_no_sequence() -> None:
    rng = np.random.default_rng(2)
    flaky = [happened("ab"[rng.integers(2)], time_s, "flaky") for time_s in rng.exponential(100, 2_000).cumsum()]
    others = [happened("ab"[number % 2], number * HOUR_S, f"pump-{number}") for number in range(50)]
    assert found(Sequences(within_us=WITHIN_US), flaky + others) == []


def test_what_happens_at_once_comes_in_no_order() -> None:
    at_once = [happened(item, hour * HOUR_S) for hour in range(100) for item in "ab"]
    assert found(Sequences(within_us=WITHIN_US), at_once) == []


def test_a_first_that_is_followed_twice_counts_once() -> None:
    sequences = Sequences(within_us=WITHIN_US)
    occurrences = [
        happened(item, hour * HOUR_S + lag)
        for hour in range(20)
        for item, lag in (("a", 0.0), ("b", 20.0), ("b", 25.0))
    ]
    told = [finding for finding in found(sequences, occurrences) if finding.pair == ("a", "b", "same")]
    assert told[-1].hits == 20
    assert told[-1].lag_us == 20 * SECOND


def test_other_groups_do_not_count() -> None:
    occurrences = [
        happened(item, hour * HOUR_S + lag, f"pump-{item}", f"group-{item}")
        for hour in range(50)
        for item, lag in (("a", 0.0), ("b", 20.0))
    ]
    assert found(Sequences(within_us=WITHIN_US), occurrences) == []


def test_what_is_forgotten_is_told_no_more() -> None:
    sequences = Sequences(within_us=WITHIN_US)
    assert found(sequences, [happened(i, h * HOUR_S + k) for h in range(20) for k, i in enumerate("ab")])
    sequences.forget("a")
    assert found(sequences, [happened("b", 21 * HOUR_S)]) == []


def test_what_was_counted_within_other_horizons_does_not_count() -> None:
    def of(hours: range) -> list[Occurrence]:
        return [happened(item, hour * HOUR_S + place) for hour in hours for place, item in enumerate("ab")]

    before, after = Sequences(within_us=WITHIN_US), Sequences(within_us=WITHIN_US // 2)
    assert found(before, of(range(20)))
    after.restore(before.snapshot())
    assert found(after, of(range(20, 24))) == []
    assert found(after, of(range(24, 40)))


def test_a_restored_state_continues_alike_and_stays_small() -> None:
    def make() -> Sequences:
        return Sequences(within_us=WITHIN_US, scope_limit=10, item_limit=6, pair_limit=20)

    living, restored = make(), make()
    sizes = []
    for number, one in enumerate(by_chance(np.random.default_rng(3))):
        if number % 101 == 0:
            snapshot = restored.snapshot()
            restored = make()
            restored.restore(snapshot)
            sizes.append(len(snapshot))
        assert restored.follow(one) == living.follow(one)
    assert restored.snapshot() == living.snapshot()
    assert max(sizes[5:]) <= 1.3 * max(sizes[:5])

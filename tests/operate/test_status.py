"""Which storms are not over, what drifted, what found no room, and who is left to people."""

import tracemalloc
from collections.abc import Iterator
from typing import Literal

import msgspec

from schemas.events import Drift, Event, Overflow, Storm
from streams.operate.status import latest_insights, left_to_people, open_storms
from tests.connectors.test_notify import DAY_US, left
from tests.loop.gate_bench import START


def storm(name: str, time_us: int, phase: Literal["open", "closed"] = "open") -> Storm:
    return Storm(
        id=f"{name}-{time_us}",
        time_us=time_us,
        storm=name,
        phase=phase,
        opened_us=0,
        size=2,
        calls="learned",
        members=(),
    )


def test_the_last_word_on_each_storm_that_is_not_over_is_shown() -> None:
    told = [storm("old", 1), storm("a", 5), storm("b", 6), storm("a", 7), storm("b", 8, "closed")]
    assert [one.id for one in open_storms(told, since_us=5)] == ["a-7"]


def drift(subject: str, time_us: int, partition: int | None = None) -> Drift:
    return Drift(
        id=f"{subject}-{time_us}", time_us=time_us, subject=subject, before=1.0, after=2.0, partition=partition
    )


def test_the_last_drift_of_each_subject_and_partition_is_shown() -> None:
    told = [drift("scores", 1, 0), drift("inputs/cpu", 2, 0), drift("scores", 3, 1), drift("scores", 4, 0)]
    shown, _ = latest_insights([*told, storm("a", 5)])
    assert [(one.subject, one.partition, one.time_us) for one in shown] == [
        ("inputs/cpu", 0, 2),
        ("scores", 1, 3),
        ("scores", 0, 4),
    ]


def overflow(limit: str, time_us: int, partition: int = 0) -> Overflow:
    return Overflow(
        id=f"{limit}-{partition}-{time_us}", time_us=time_us, partition=partition, limit=limit, rows=1, names=1
    )


def test_the_last_overflow_of_each_limit_and_partition_is_shown() -> None:
    told = [overflow("entity_limit", 1), overflow("metric_limit", 2), overflow("entity_limit", 3, 1)]
    _, shown = latest_insights([*told, overflow("entity_limit", 4)])
    assert [one.id for one in shown] == ["metric_limit-0-2", "entity_limit-1-3", "entity_limit-0-4"]


def test_of_all_that_was_told_only_the_last_words_are_kept() -> None:
    def told() -> Iterator[Event]:
        for number in range(100):
            yield msgspec.structs.replace(overflow("entity_limit", number), examples=(f"{number}" * 100_000,))

    tracemalloc.start()
    try:
        _, (last,) = latest_insights(told())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert last.time_us == 99
    assert peak < 1_000_000


def test_who_is_left_to_people_is_so_until_its_entity_may_be_acted_on_again() -> None:
    for denied in (True, False):
        one = left("p1", us=START, denied=denied)
        assert left_to_people(one, START) == {"web-3": START + DAY_US}
        assert left_to_people(one, START + DAY_US) == {}

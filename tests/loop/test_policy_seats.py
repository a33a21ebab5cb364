"""Which entities' lives are followed, and what is told of the others."""

import math

import pytest

from schemas.events import Event, Overflow, Proposal
from streams.loop.policy import Policy
from streams.operate.narration import Narration
from tests.loop.decided import recorded
from tests.loop.plant import at, policy, window

LENGTH = 60


def told(processor: Policy, hour: float, entity: str, values: dict[str, float]) -> list[Event]:
    return processor.on_batch(recorded(window(hour, values, entity=entity), first=int(100 * hour)), at(hour))


def live(processor: Policy, entities: list[str], *, start: int, length: int = LENGTH) -> list[Event]:
    """Let entities report in turn, from one failure of all of them to the next; return what was written."""
    found: list[Event] = []
    for age in range(1, length + 1):
        for place, entity in enumerate(entities):
            wear = 20.0 - math.sqrt(length - age) + 0.01 * place
            found += told(processor, start + age + place / 60, entity, {"wear": wear, "failed": float(age == length)})
    return found


def models(events: list[Event]) -> list[str]:
    return [event.model for event in events if isinstance(event, Proposal)]


def test_of_one_entity_more_than_there_are_seats_the_others_are_learned() -> None:
    processor = policy(renewal={"entity_limit": 3})
    names = [f"pump-{number}" for number in range(4)]
    for life in range(2):
        live(processor, names, start=life * LENGTH)
    last = live(processor, names, start=2 * LENGTH)
    assert models(last)[0] == "lives/6"  # twice three
    assert {event.entity for event in last if isinstance(event, Proposal)} == set(names[:3])


def test_those_without_a_seat_are_told_of_once_a_minute() -> None:
    processor = policy(renewal={"entity_limit": 1})
    overflows: list[Event] = []
    for second in range(90):
        for place, entity in enumerate("abc"):
            overflows += told(processor, (second + place / 3) / 3_600, entity, {"failed": 0.0})
    assert all(isinstance(one, Overflow) for one in overflows)
    said = [(one.limit, one.rows, one.names, one.examples) for one in overflows if isinstance(one, Overflow)]
    assert said == [
        ("policy.renewal.entity_limit", 1, 1, ("b",)),
        ("policy.renewal.entity_limit", 120, 2, ("c", "b")),
    ]
    said_to_people = Narration().tell(overflows[1]) or ""
    assert said_to_people.endswith(
        "no room for 120 windows of 2 entities whose lives are not followed (c, b) in partition 0: "
        "policy.renewal.entity_limit"
    )


def test_a_window_told_twice_is_counted_once() -> None:
    once, twice = (policy(renewal={"entity_limit": 1}) for _ in range(2))
    for second in range(70):
        for entity in "ab":
            one = recorded(window(second / 3_600, {"failed": 0.0}, entity=entity), first=second)
            assert twice.on_batch([*one, *one], at(second / 3_600)) == once.on_batch(one, at(second / 3_600))


@pytest.mark.parametrize(("days", "known"), [(1, "lives/2"), (8, "lives/3")])
def test_a_seat_is_free_after_a_long_silence_and_the_life_in_which_one_comes_late_is_not_learned(
    days: int, known: str
) -> None:
    processor = policy(renewal={"entity_limit": 2})
    names = ["a", "b"]
    live(processor, names, start=0)
    later = LENGTH + 24 * days
    live(processor, ["c"], start=later)
    live(processor, ["c"], start=later + LENGTH)
    last = live(processor, ["a", "b", "c"], start=later + 2 * LENGTH)
    assert models(last)[0] == known


def test_an_entity_is_followed_from_when_it_first_tells_whether_it_failed() -> None:
    """What never fails takes no seat."""
    processor = policy(renewal={"entity_limit": 1})
    assert told(processor, 1.0, "web-1", {"cpu": 1.0}) == []
    before = policy(renewal={"entity_limit": 1}).snapshot()
    assert processor.snapshot() == before
    told(processor, 2.0, "pump-1", {"failed": 0.0})
    assert processor.snapshot() != before
    told(processor, 3.0, "web-1", {"cpu": 1.0})
    assert told(processor, 4.0, "web-1", {"cpu": 1.0}) == []


def test_the_state_stops_growing() -> None:
    processor = policy(renewal={"entity_limit": 3})
    sizes = []
    for number in range(3_000):
        told(processor, number / 100, f"pump-{number:04d}", {"wear": 1.0, "failed": 0.0})
        if number % 500 == 499:
            sizes.append(len(processor.snapshot()))
    assert max(sizes[3:]) <= max(sizes[:3]) + 1_000


def test_with_fewer_seats_the_latest_heard_of_keep_theirs() -> None:
    processor, fewer = policy(renewal={"entity_limit": 3}), policy(renewal={"entity_limit": 2})
    for number, entity in enumerate("abc"):
        told(processor, number, entity, {"failed": 0.0})
    fewer.restore(processor.snapshot())
    assert [len(told(fewer, 4 + number, entity, {"failed": 0.0})) for number, entity in enumerate("abc")] == [1, 0, 0]

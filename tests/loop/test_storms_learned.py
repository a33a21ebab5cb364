"""What is a storm where nobody said who calls whom: more at once than chance brings, or an order that was learned."""

import random
from collections.abc import Iterable, Iterator
from statistics import fmean

import msgspec
import pytest

from schemas.events import Event, Measurement
from streams.loop.recognise import GraphSettings
from streams.loop.recognise.storms import Storms, StormView
from tests.loop.storming import S, begin, census, fold, phase, recognise, shares, storms

HALF_S = 0.5
"""A window of detect, as in the demonstration."""
Fault = tuple[float, str, float]
"""Second of its start, entity, seconds until it is over."""


def independent(chance: random.Random, *, rate: float, entities: int, seconds: float) -> Iterator[Fault]:
    """Yield faults that come at so many a second, each at an entity that has none; the demonstration's last so long."""
    second = 18.0
    free = {f"service-{number}": 0.0 for number in range(entities)}
    while (second := second + chance.expovariate(rate)) < seconds:
        healthy = [entity for entity, since in free.items() if since <= second]
        if healthy:
            entity, lasts = chance.choice(healthy), chance.uniform(8, 17)
            free[entity] = second + lasts + 6
            yield second, entity, lasts


def cascade(second: float, size: int, within: float) -> list[Fault]:
    """Return faults of entities that no other befalls, one after another within so many seconds."""
    return [(second + within * place / size, f"tier-{place}", 60.0) for place in range(size)]


def window(entity: str, number: int, opened: float) -> Measurement:
    """Return what was measured in the first window of an episode."""
    start_us, end_us = round(opened * S), round((opened + HALF_S) * S)
    return Measurement(
        id=f"{entity}-{number}", time_us=end_us + S, entity=entity, episode=f"{entity}/{number}", start_us=start_us,
        end_us=end_us, samples=1, abnormal=True, score=5.0, values={},
    )  # fmt: skip


def lived(faults: Iterable[Fault], *, seconds: float) -> dict[str, StormView]:
    """Return the last word on each storm of such a life but those that became part of another."""
    events: list[Event] = [census(float(second)) for second in range(0, round(seconds), 5)]
    for number, (second, entity, lasts) in enumerate(faults):
        opened = second // HALF_S * HALF_S
        for name, later in (("opened", 1.0), ("onset", 2.5), ("closed", lasts + 1.0)):
            event = phase(entity, name, second=opened, number=number)
            events.append(msgspec.structs.replace(event, time_us=round((opened + later) * S)))
        events.append(window(entity, number, opened))
    processor = Storms(GraphSettings(), loop="t")
    told: dict[str, StormView] = {}
    for happened in sorted(events, key=lambda one: one.time_us):
        told |= {view.storm: view for view in processor.fold(happened)}
    return {name: view for name, view in told.items() if view.alias_of is None}


@pytest.mark.parametrize(
    ("rate", "entities", "seconds"),
    [(0.42, 12, 180.0), (0.42, 12, 1_200.0), (0.05, 12, 7_200.0), (2.0, 100, 300.0)],
    ids=["demonstration", "longer", "calmer", "larger"],
)
def test_independent_faults_are_hardly_ever_a_storm(rate: float, entities: int, seconds: float) -> None:
    """Of some 400 faults a life, or 75 in the demonstration's three minutes, less than one storm in two lives."""
    lives = []
    for seed in range(8):
        faults = independent(random.Random(seed), rate=rate, entities=entities, seconds=seconds)
        lives.append([view.size for view in lived(faults, seconds=seconds).values() if view.size > 2])
    assert fmean(map(len, lives)) <= 0.5


@pytest.mark.parametrize(
    ("rate", "size", "within"),
    [(0.002, 5, 10.0), (0.05, 6, 5.0), (0.42, 10, 2.0)],
    ids=["calm", "some faults", "many faults"],
)
def test_the_first_cascade_that_is_large_against_the_usual_rate_is_a_storm(
    rate: float, size: int, within: float
) -> None:
    shares_found, strangers = [], []
    for seed in range(8):
        others = independent(random.Random(seed), rate=rate, entities=12, seconds=1_000.0)
        told = lived([*others, *cascade(900.0, size, within)], seconds=1_000.0)
        members = [{one.entity for one in view.members} for view in told.values()]
        largest = max(members, key=lambda one: sum(name.startswith("tier") for name in one), default=set())
        shares_found.append(sum(name.startswith("tier") for name in largest) / size)
        strangers.append(sum(name.startswith("service") for name in largest))
    assert fmean(shares_found) > 0.9
    assert fmean(strangers) <= 2


def test_an_independent_fault_after_a_cascade_is_not_of_it() -> None:
    faults = [*cascade(3_600.0, 6, 2.0), (3_627.0, "service-0", 10.0)]
    often = [(60.0 * number, f"service-{number % 7}", 10.0) for number in range(1, 60)]
    (view,) = lived([*often, *faults], seconds=3_700.0).values()
    assert {one.entity for one in view.members} == {f"tier-{place}" for place in range(6)}


def test_many_at_once_after_a_calm_time_are_a_storm() -> None:
    processor = recognise(calls={})
    assert storms(fold(processor, census(), *begin("a", "b", second=3_600))) == []
    (storm,) = storms(fold(processor, *begin("c", second=3_601)))
    assert (storm.size, storm.calls) == (3, "learned")


def test_what_is_usual_is_no_storm() -> None:
    processor = recognise(calls={})
    told = []
    for number in range(200):
        told += storms(fold(processor, *begin(f"e-{number % 40}", number=number, second=10.0 * number)))
    assert told == []


def test_two_that_always_follow_one_another_are_a_storm() -> None:
    processor = recognise(calls={})
    told = []
    for number in range(30):
        second = 100.0 * number
        told.append(storms(fold(processor, *begin("disk", number=number, second=second))))
        told.append(storms(fold(processor, *begin("api", number=number, second=second + 20))))
        fold(processor, *(phase(entity, "closed", number=number) for entity in ("disk", "api")))
    assert told[:20] == [[]] * 20
    (last,) = told[-1]
    assert [one.entity for one in last.members] == ["disk", "api"]


def test_what_is_usual_is_restored() -> None:
    one, other = recognise(calls={}), recognise(calls={})
    often = [begin(f"e-{number % 9}", number=number, second=5.0 * number) for number in range(60)]
    fold(one, *(event for events in often for event in events))
    other.restore(one.snapshot())
    events = [event for entity in "abcdef" for event in begin(entity, second=300)]
    told = fold(one, *events)
    assert storms(told)
    assert msgspec.json.encode(told) == msgspec.json.encode(fold(other, *events))
    assert one.snapshot() == other.snapshot()


def test_the_order_of_former_storms_says_where_this_one_began() -> None:
    processor = recognise(calls={})
    fold(processor, census())
    for number in range(1, 6):
        start = 50_000.0 * number
        events = [
            event
            for lag, entity in enumerate(("disk", "api", "site"))
            for event in begin(entity, second=start + 2 * lag, number=number)
        ]
        told = storms(fold(processor, *events))
        fold(processor, *(phase(entity, "closed", number=number) for entity in ("disk", "api", "site")))
    assert told[-1].members[0].entity == "disk"
    assert shares(told[-1])["disk"] > 0.5

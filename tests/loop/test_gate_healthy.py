"""The least healthy left of a group: who is unwell is who the last census counted, or whose episode is open by now."""

from collections.abc import Sequence

import msgspec
import pytest

from streams.loop.gate import Gate, GateSettings
from tests.loop.gate_bench import (
    ACT,
    ACTIONS,
    SECOND,
    Bench,
    actions,
    census,
    check_of,
    closed,
    control,
    opened,
    proposal,
    verdicts,
)

SETTINGS = GateSettings(healthy_least=2)


def group_of_three(*, abnormal: int = 0) -> Bench:
    bench = Bench(settings=SETTINGS, levels=ACT)
    bench.give(control("settings", "loop", bench.hash), control("pause", "loop", "running"))
    bench.give(msgspec.structs.replace(census(abnormal=abnormal, live=3), group="g"))
    bench.us += 4 * SECOND
    return bench


def let_through(bench: Bench, entities: Sequence[str], name: str = "p") -> list[str]:
    found = []
    for entity in entities:
        one = proposal(f"{name}-{entity}", entity=entity, episode=f"episode-{entity}", group="g", time_us=bench.us)
        found += [action.entity for action in actions(bench.give(one))]
    return found


@pytest.mark.parametrize(
    ("unwell", "allowed"),
    [(("e1",), ["e1"]), (("e1", "e2"), []), (("e1", "e2", "e3"), [])],
)
def test_episodes_that_opened_since_the_last_census_count(unwell: tuple[str, ...], allowed: list[str]) -> None:
    bench = group_of_three()
    bench.give(*(opened(entity, "g") for entity in unwell))
    assert let_through(bench, unwell) == allowed


def test_of_census_and_open_episodes_the_larger_counts_and_no_entity_twice() -> None:
    bench = group_of_three(abnormal=1)
    bench.give(opened("e1", "g"), opened("x1", "other"))
    assert let_through(bench, ["e1"]) == ["e1"]
    two = group_of_three(abnormal=2)
    two.give(opened("e1", "g"))
    (verdict,) = verdicts(two.give(proposal("p", entity="e1", episode="episode-e1", group="g", time_us=two.us)))
    assert check_of(verdict, "healthy").detail == "1 of 3 would be left in group 'g', at least 2 must"


def test_what_is_acted_on_counts_for_as_long_as_its_end_is_not_known_and_no_longer_as_unwell() -> None:
    bench = group_of_three()
    bench.give(opened("e1", "g"))
    assert let_through(bench, ["e1"]) == ["e1"]
    bench.give(closed("e1"), opened("e2", "g"))
    assert let_through(bench, ["e2"]) == []


def test_the_count_is_the_same_after_a_restart() -> None:
    bench = group_of_three()
    bench.give(opened("e1", "g"), opened("e2", "g"), closed("e2"), opened("e3", "g"))
    twin = Gate(SETTINGS, loop="lab", settings_hash=bench.hash, actions=ACTIONS, levels=ACT)
    twin.restore(bench.gate.snapshot())
    bench.gate = twin
    assert let_through(bench, ["e1", "e3"]) == []
    bench.give(closed("e3"))
    assert let_through(bench, ["e1"], "again") == ["e1"]


def test_episodes_that_are_forgotten_count_no_more() -> None:
    settings = msgspec.structs.replace(SETTINGS, tracked=4)
    bench = Bench(settings=settings, levels=ACT)
    bench.give(control("settings", "loop", bench.hash), control("pause", "loop", "running"))
    bench.give(msgspec.structs.replace(census(abnormal=0, live=3), group="g"))
    bench.give(opened("e1", "g"), *(opened(f"x{n}", "other") for n in range(4)))
    bench.give(opened("e2", "g"))
    assert let_through(bench, ["e2"]) == ["e2"]

"""Decide was away for longer than a proposal is valid: what the gate said of it meanwhile is read first."""

from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.events import Event, Proposal, Verdict
from streams.loop.policy import Policy
from streams.loop.policy.answers import AWAY_US
from tests.loop.decided import START, S, at, closed, experience, recorded, recurrence, verdict
from tests.loop.held_back import LOOP_ALONE, policy
from tests.loop.test_policy import fold, tick


def fresh(**fields: Any) -> Policy:
    return policy(**{"hold_out": LOOP_ALONE} | fields)


def opened_at_0() -> tuple[Policy, Proposal]:
    processor = fresh()
    (one,) = fold(processor, recurrence("e1"))
    return processor, one


def test_after_an_outage_a_verdict_that_was_not_read_yet_is_waited_for() -> None:
    """In the order in which it comes then: the timer first, then what the gate said, and what came of that."""
    processor, one = opened_at_0()
    state, processor = processor.snapshot(), fresh()
    processor.restore(state)
    assert tick(processor, 90) == []
    said = verdict(one, seconds=2)
    assert fold(processor, said, seconds=90.1, first=5) == []
    assert fold(processor, experience(one), seconds=90.2, first=6) == []
    assert processor.next_time() is None
    for seconds in range(91, 200, 10):
        assert tick(processor, seconds) == []


def test_one_that_got_no_answer_all_the_same_is_proposed_again_after_as_long_as_one_is_valid() -> None:
    processor, _ = opened_at_0()
    assert tick(processor, 90) == []
    assert processor.next_time() == START + 110 * S
    assert len(tick(processor, 117)) == 1  # once is enough: who always looks late goes on


def test_a_timer_that_fires_a_little_late_is_no_outage() -> None:
    processor, _ = opened_at_0()
    (again,) = tick(processor, 20 + AWAY_US / S)
    assert again.episode == "e1"


def waiting() -> tuple[Policy, Proposal]:
    """Return a policy at which an episode waits whose proposal got no answer; another one is asked about first."""
    processor = fresh()
    (other,) = fold(processor, recurrence("e0", "web-0"))
    (one,) = fold(processor, recurrence("e1"), seconds=1, first=3)
    assert [again.episode for again in tick(processor, 21)] == ["e0"]
    assert other.episode == "e0"
    return processor, one


@pytest.mark.parametrize("answer", ["allow", "escalate"])
def test_a_repeat_that_waits_is_dropped_when_an_answer_to_the_first_comes(answer: str) -> None:
    processor, one = waiting()
    assert fold(processor, verdict(one, answer, 15), seconds=22, first=9) == []
    assert [again.episode for again in tick(processor, 41) + tick(processor, 61)] == ["e0"]
    (later,) = recurrences = fold(processor, experience(one), recurrence("e2"), seconds=62, first=20)
    assert [again.episode for again in recurrences] == ["e2"]
    assert later.entity == one.entity


def test_its_horizon_holds_the_entity() -> None:
    processor, one = waiting()
    fold(processor, verdict(one, seconds=15), seconds=22, first=9)
    assert fold(processor, recurrence("e2"), seconds=23, first=10) == []
    (next_one,) = fold(processor, experience(one), seconds=30, first=11)
    assert next_one.episode == "e2"


@pytest.mark.parametrize("fields", [{"answer": "deny"}, {"answer": "shadow"}, {"by": "ann"}, {"episode": "e9"}])
def test_no_other_answer_keeps_it_from_being_proposed_again(fields: dict[str, str]) -> None:
    processor, one = waiting()
    answer = fields.pop("answer", "allow")
    other = replace(one, **fields)
    fold(processor, verdict(other, answer, 15), seconds=22, first=9)
    assert "e1" in [again.episode for seconds in range(22, 120) for again in tick(processor, seconds)]


def test_where_the_repeat_was_made_already_the_first_counts_and_then_what_came_of_the_repeat() -> None:
    processor, one = opened_at_0()
    (again,) = tick(processor, 20)
    fold(processor, verdict(one, seconds=19), seconds=21, first=5)
    denied = verdict(again, "deny", 21, decided_by="in-flight")
    assert fold(processor, denied, experience(again, "censored", None), seconds=21, first=6) == []
    assert fold(processor, experience(one), seconds=34, first=9) == []
    assert processor.next_time() is None


def test_two_that_were_let_through_are_both_waited_for() -> None:
    processor, one = opened_at_0()
    (again,) = tick(processor, 20)
    fold(processor, verdict(one, seconds=19), verdict(again, seconds=21), seconds=22, first=5)
    assert fold(processor, experience(one), recurrence("e2"), seconds=34, first=9) == []
    (later,) = fold(processor, experience(again), seconds=36, first=12)
    assert later.episode == "e2"


def test_an_answer_that_comes_again_after_its_experience_holds_nobody() -> None:
    processor, one = opened_at_0()
    fold(processor, verdict(one, seconds=1), experience(one), closed(9.0), seconds=16, first=5)
    fold(processor, recurrence("e2"), seconds=17, first=8)
    told: list[Verdict] = [verdict(one, seconds=1)]
    fold(processor, *told, seconds=18, first=9)
    assert processor.next_time() == START + 37 * S


@pytest.mark.parametrize("cuts", [[], [1], [2, 3], [1, 2, 3, 4]])
def test_any_split_and_restart_gives_the_same(cuts: list[int]) -> None:
    processor, one = waiting()
    state = processor.snapshot()
    told: list[Event] = [verdict(one, seconds=15), recurrence("e2"), experience(one), recurrence("e3", "web-3")]
    records = recorded(*told, first=50)
    whole, parts = fresh(), fresh()
    whole.restore(state)
    parts.restore(state)
    expected, outputs = whole.on_batch(records, at(22)), list[Event]()
    for start, stop in pairwise([0, *cuts, len(records)]):
        outputs += parts.on_batch(records[start:stop], at(22))
        snapshot, parts = parts.snapshot(), fresh()
        parts.restore(snapshot)
    assert outputs == expected
    assert parts.snapshot() == whole.snapshot()

"""What the episodes of a hold-out were worth, by what the real `attribute` makes of their verdicts."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.events import Approval, Event, Experience, HoldOut, Measurement, Proposal
from streams.loop.attribute import Attribute, AttributeSettings
from streams.replay.held_out import HeldOut, HoldOutLog, read_held_out
from tests.loop.decided import (
    ACTIONS,
    SHARES,
    START,
    S,
    at,
    closed,
    experience,
    measured,
    outcome,
    proposal,
    recorded,
    verdict,
)

SETTINGS = AttributeSettings(horizon_us=10 * S, grace_us=2 * S, late_us=60 * S, escalation_us=100 * S)
COST, WAIT_S, END_S = ACTIONS["restart"].cost, 200, 150.0


def drawn(action: str = "restart", arm: str = "loop", second: float = 0.0, **fields: Any) -> Proposal:
    given = {
        "time_us": START + int(second * S),
        "hold_out": HoldOut(draw=0.5, arm=arm, shares=SHARES),  # type: ignore[arg-type]
        "probabilities": {"restart": 0.7, "none": 0.3},
    }
    return proposal(action, **(given | fields))


def read(*events: Event, until: float = END_S) -> HoldOutLog:
    """Let the real processor tell what became of events in order of time, and read that."""
    processor = Attribute(SETTINGS, loop="t", actions=ACTIONS)
    told: list[Event] = []
    for event in sorted(events, key=lambda event: event.time_us):
        second = (event.time_us - START) / S
        told += [*processor.on_time(at(second)), *processor.on_batch(recorded(event), at(second))]
    told += processor.on_time(at(until))
    return log_of([*events, *told], until)


def log_of(events: Sequence[Event], until: float = END_S) -> HoldOutLog:
    clock = verdict(drawn(episode="clock", id="clock", second=until), seconds=until)
    ends = [*events, clock]
    ends.sort(key=lambda event: isinstance(event, Experience))
    return read_held_out(ends, events, events, settings=SETTINGS, wait_us=WAIT_S * S)


def one_of(log: HoldOutLog) -> HeldOut:
    (found,) = log.episodes
    return found


def ran(one: Proposal, second: float = 0.0, end: float = 1.0) -> list[Event]:
    allowed = verdict(one, seconds=second)
    return [allowed, outcome(allowed, "claimed", second + 0.5), outcome(allowed, "succeeded", second + end)]


def test_what_ran_is_worth_its_reward() -> None:
    found = one_of(read(*ran(drawn()), *measured("xxx.......")))
    assert found.reward == pytest.approx(0.7 - COST)
    assert (found.arm, found.measured, found.acted, found.cost) == ("loop", True, True, COST)


@pytest.mark.parametrize("windows", ["xxx.......", "xxxxxxxxxx", "xxxxxxx...", ".........."])
@pytest.mark.parametrize("answer", ["deny", "shadow"])
def test_what_was_held_back_is_measured_as_what_was_left_alone(windows: str, answer: str) -> None:
    """An episode stays in its arm, and its reward is the one that attribute gives for doing nothing."""
    held_back = one_of(read(verdict(drawn(), answer), *measured(windows)))
    left_alone = one_of(read(verdict(drawn("none", "none")), *measured(windows)))
    assert held_back.arm == "loop"
    assert (held_back.reward, held_back.measured) == (pytest.approx(left_alone.reward), True)
    assert (held_back.acted, held_back.cost) == (False, 0.0)


def test_the_close_of_an_episode_is_a_recovery_there_too() -> None:
    found = one_of(read(verdict(drawn(), "deny"), *measured("xxxx.     "), closed(5.0)))
    assert found.reward == pytest.approx(0.5)


def test_what_could_not_be_measured_counts_as_not_recovered_in_every_arm() -> None:
    vanished = measured("xxxx")
    for one, cost in ((drawn(), COST), (drawn("none", "none"), 0.0), (drawn("restart", "baseline"), COST)):
        events = ran(one) if one.action != "none" else [verdict(one)]
        found = one_of(read(*events, *vanished))
        assert (found.measured, found.reward) == (False, pytest.approx(-cost))


def test_another_attempt_is_a_part_of_the_first_and_the_wait_for_it_counts() -> None:
    first, second = drawn(), drawn(second=4.0, id="again")
    found = one_of(read(verdict(first, "deny"), *ran(second, 4.0), *measured("xxxxxx........")))
    assert found.reward == pytest.approx(1.0 - 2.0 / 10.0 - 4.0 / 10.0 - COST)
    assert found.acted


def test_the_wait_for_people_counts_and_their_answers_are_counted_once() -> None:
    one = drawn()
    yes = Approval(
        id="yes", time_us=START + 3 * S, proposal=one.id, proposal_hash="h", decision="approve", person="ada",
        not_after_us=START + 9 * S,
    )  # fmt: skip
    other = replace(yes, id="other", proposal="unknown")
    events = [verdict(one, "escalate"), yes, yes, other, *ran(one, 3.0), *measured("xxxxx.........")]
    found = one_of(read(*events))
    assert found.answers == 1
    assert found.reward == pytest.approx(1.0 - 2.0 / 10.0 - 3.0 / 10.0 - COST)


def test_what_nobody_answered_is_measured_from_the_first_on() -> None:
    found = one_of(read(verdict(drawn(), "escalate"), *measured("xxxxx.........")))
    assert (found.reward, found.acted) == (pytest.approx(0.5), False)


def test_what_a_person_did_to_it_belongs_to_its_arm() -> None:
    one = drawn("none", "none")
    theirs = drawn("recycle", second=2.0, id="theirs", by="ada", hold_out=None)
    found = one_of(read(verdict(one), *ran(theirs, 2.0), *measured("xxxxx.........")))
    assert (found.arm, found.acted) == ("none", True)
    assert found.reward == pytest.approx(0.5 - COST)


def test_two_parts_of_one_window_count_once() -> None:
    windows = measured("xx........")
    again = [replace(one, id=f"{one.id}-2", abnormal=False, time_us=windows[1].time_us) for one in windows[:2]]
    found = one_of(read(verdict(drawn(), "deny"), *windows[:2], *again, *windows[2:]))
    assert found.reward == pytest.approx(0.8)


def test_windows_of_other_entities_and_times_tell_nothing() -> None:
    elsewhere = measured("..........", entity="web-2")
    before = [replace(one, id=f"{one.id}-b", start_us=one.start_us - 60 * S, end_us=one.end_us - 60 * S) for one in
              measured("..........")]  # fmt: skip
    assert not one_of(read(verdict(drawn(), "deny"), *elsewhere, *before)).measured


def test_what_may_yet_change_is_open_and_so_is_all_after_it() -> None:
    first, second = drawn(episode="a", id="a"), drawn(episode="b", id="b", second=1.0, entity="web-2")
    events = [*ran(first), verdict(second, "deny", 1.0), *measured("xxx.......")]
    log = log_of([*events, experience(second, "censored", None, effective="none", verdict="deny")])
    assert (len(log.episodes), log.open) == (0, 3)
    assert [one.proposal.id for one in read(*events).episodes] == ["a", "b"]


def test_what_was_held_back_just_now_is_open_until_its_horizon_is_over() -> None:
    events = [verdict(drawn(), "deny"), *measured("xxx.......")]
    assert read(*events, until=11.0).episodes == []
    assert len(read(*events, until=13.0).episodes) == 1


def test_when_a_reward_was_known_is_when_it_was_last_told() -> None:
    assert one_of(read(*ran(drawn()), *measured("xxx......."))).told_us == START + int(END_S * S)
    assert one_of(read(verdict(drawn(), "deny"), *measured("xxx......."))).told_us == START + 12 * S


def test_the_likeliest_action_is_told_with_whether_it_was_drawn() -> None:
    for action, took in (("restart", True), ("none", False)):
        found = one_of(read(verdict(drawn(action)), *measured("xxx.......")))
        assert (found.likeliest, found.took_likeliest) == (0.7, took)


def test_what_other_arms_did_to_the_same_group_within_the_horizon_is_told() -> None:
    def beside(arm: str, second: float, group: str = "east", other: str = "web-2") -> tuple[bool, bool]:
        mine = drawn("none", "none", second=20.0, group="east")
        theirs = drawn("restart", arm, second=second, group=group, entity=other, episode="e2", id="theirs")
        events: list[Measurement] = measured("." * 50)
        found = read(verdict(mine, seconds=20.0), *ran(theirs, second, second + 1.0), *events).episodes
        (one,) = [episode for episode in found if episode.proposal.id == mine.id]
        return one.exposed, one.crossed

    assert beside("loop", 15.0) == (True, True)
    assert beside("none", 15.0) == (True, False)
    assert beside("loop", 29.0) == (True, True)
    assert beside("loop", 9.0) == beside("loop", 31.0) == (False, False)
    assert beside("loop", 15.0, group="west") == beside("loop", 15.0, other="web-1") == (False, False)

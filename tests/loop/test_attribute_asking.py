"""What asking a person by choice came to: counted from the question on, whatever was answered, less what it cost."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.events import ASK, Event, Experience, Proposal, Verdict
from streams.loop.asking import unasked
from streams.loop.attribute import Attribute, AttributeSettings
from streams.loop.attribute.settings import EarlySettings
from streams.loop.rewards import reward_of
from tests.loop.decided import ACTIONS, S, at, measured, outcome, proposal, recorded, verdict

LOOK, COST = 0.05, 0.1
SETTINGS = AttributeSettings(horizon_us=10 * S, grace_us=2 * S, late_us=60 * S, escalation_us=100 * S)
ASKED = proposal("restart", asked=True, probabilities={ASK: 0.6, "restart": 0.3, "none": 0.1})
BY_LEVEL = replace(ASKED, asked=False)
ILL_5_S = "xxxxx.........."


def told(
    *events: Event, windows: str, of: Proposal = ASKED, until: float = 50.0, settings: AttributeSettings = SETTINGS
) -> list[Experience]:
    """Ask at second 0, give what follows at its time, and let the time come; with a restart at every step."""
    processor = Attribute(settings, loop="t", actions=ACTIONS, look_cost=LOOK)
    question = verdict(of, "escalate", level="approve")
    timed = sorted([question, *measured(windows), *events], key=lambda event: event.time_us)
    outputs: list[Event] = []
    for offset, event in enumerate(timed):
        now = at((event.time_us - question.time_us) / S)
        outputs += [*processor.on_time(now), *processor.on_batch(recorded(event, first=offset), now)]
        snapshot = processor.snapshot()
        processor = Attribute(settings, loop="t", actions=ACTIONS, look_cost=LOOK)
        processor.restore(snapshot)
    outputs += processor.on_time(at(until))
    return [event for event in outputs if isinstance(event, Experience)]


def yes(seconds: float, of: Proposal = ASKED) -> Sequence[Event]:
    answer = verdict(of, "allow", seconds, approval="yes", level="approve")
    return answer, outcome(answer, "claimed", seconds), outcome(answer, "succeeded", seconds + 0.5)


def no(seconds: float, decided_by: str = "approval", of: Proposal = ASKED) -> Verdict:
    approval = "no" if decided_by == "approval" else None
    return verdict(of, "deny", seconds, approval=approval, decided_by=decided_by, level="approve")


def test_an_approved_action_earns_what_is_left_since_the_question_less_both_costs() -> None:
    (one,) = told(*yes(2), windows=ILL_5_S)
    assert (one.state, one.effective, one.asked, one.earned_by) == ("observed", "restart", True, ASK)
    assert (one.cost, one.look_cost) == (pytest.approx(COST + LOOK), LOOK)
    assert one.reward == pytest.approx(0.5 - COST - LOOK)
    assert reward_of(one) == one.reward


def test_of_the_action_itself_it_says_what_it_would_had_a_level_made_the_gate_ask() -> None:
    (one,) = told(*yes(2), windows=ILL_5_S)
    (other,) = told(*yes(2, BY_LEVEL), windows=ILL_5_S, of=BY_LEVEL)
    assert (other.reward, other.asked, other.unasked_reward) == (pytest.approx(0.7 - COST), False, None)
    assert unasked(one).reward == other.reward
    assert unasked(one).cost == pytest.approx(other.cost)
    assert unasked(other) is other


@pytest.mark.parametrize(
    ("decided_by", "look"),
    [("approval", LOOK), ("expiry", None), ("episode", None)],
    ids=["rejected", "expired", "over"],
)
def test_where_the_answer_is_no_it_earns_what_doing_nothing_does_since_the_question(
    decided_by: str, look: float | None
) -> None:
    (one,) = told(no(2, decided_by), windows=ILL_5_S)
    assert (one.state, one.effective, one.verdict, one.earned_by) == ("observed", "none", "deny", ASK)
    assert (one.cost, one.look_cost) == (look or 0.0, look)
    assert one.reward == pytest.approx(0.5 - (look or 0.0))


def test_where_a_level_made_the_gate_ask_a_no_teaches_nothing_as_ever() -> None:
    (one,) = told(no(2, of=BY_LEVEL), windows=ILL_5_S, of=BY_LEVEL)
    assert (one.state, one.reward, one.cost) == ("censored", None, 0.0)


def test_what_was_not_asked_by_choice_writes_no_byte_of_it() -> None:
    """A default that is another object of the same value would be written."""
    for (one,) in (
        told(*yes(2, BY_LEVEL), windows=ILL_5_S, of=BY_LEVEL),
        told(no(2, of=BY_LEVEL), windows="", of=BY_LEVEL),
    ):
        assert not {"asked", "look_cost", "unasked_reward"} & set(msgspec.json.decode(msgspec.json.encode(one)))
    (asked,) = told(*yes(2), windows=ILL_5_S)
    assert {"asked", "look_cost", "unasked_reward"} <= set(msgspec.json.decode(msgspec.json.encode(asked)))


@pytest.mark.parametrize("answer", ["deny", "shadow"])
def test_what_limits_or_a_level_refused_was_no_question(answer: str) -> None:
    processor = Attribute(SETTINGS, loop="t", actions=ACTIONS, look_cost=LOOK)
    (one,) = processor.on_batch(recorded(verdict(ASKED, answer, decided_by="level")), at(0))
    assert isinstance(one, Experience)
    assert (one.state, one.reward, one.cost, one.asked) == ("censored", None, 0.0, True)


def test_the_trouble_that_is_over_when_the_time_to_answer_is_has_lasted_all_the_same() -> None:
    """Else asking when nobody answers would look like the best of cures."""
    (one,) = told(no(14, "episode"), windows="x" * 14 + "." * 4)
    assert one.reward == 0.0


@pytest.mark.parametrize(
    ("decided_by", "look"), [("approval", LOOK), ("expiry", 0.0), ("episode", 0.0)], ids=["rejected", "expired", "over"]
)
def test_the_trouble_that_passes_before_the_answer_is_no_has_lasted_no_longer(decided_by: str, look: float) -> None:
    """As had nothing been done: else asking would look bad for every case that passes by itself."""
    (one,) = told(no(8, decided_by), windows="x" + "." * 30)
    assert one.reward == pytest.approx(0.9 - look)
    assert one.recovery_us == S
    assert one.unasked_reward == 1.0


def test_where_the_horizon_passes_before_the_answer_it_is_judged_by_what_was_measured_in_it() -> None:
    (one,) = told(no(40), windows="x" * 3 + "." * 17, until=60)
    assert (one.state, one.reward) == ("observed", pytest.approx(0.7 - LOOK))
    assert one.unasked_reward is None


def test_a_run_is_judged_from_its_end_on_also_where_the_trouble_had_passed_before() -> None:
    """As every run is."""
    (one,) = told(*yes(4), windows="x" + "." * 30)
    assert one.reward == pytest.approx(0.5 - COST - LOOK)
    assert one.unasked_reward == pytest.approx(0.9 - COST)


def test_the_answer_has_the_windows_of_its_own_horizon_however_many_the_question_had() -> None:
    settings = replace(SETTINGS, windows_limit=10)
    (one,) = told(*yes(10), windows="x" * 14 + "." * 16, settings=settings)
    assert one.unasked_reward == pytest.approx(0.6 - COST)


def test_where_more_windows_came_than_are_kept_those_of_both_horizons_that_are_abnormal_need_the_room_of_one() -> None:
    settings = replace(SETTINGS, windows_limit=6)
    (one,) = told(*yes(13), windows="x" * 14 + "." * 16, settings=settings)
    (other,) = told(*yes(13), windows="x" * 14 + "." * 16)
    assert one == other
    assert one.unasked_reward == pytest.approx(0.9 - COST)
    (one,) = told(*yes(13), windows="x." * 15, settings=settings)
    assert (one.state, one.reward, one.unasked_reward) == ("unobservable", None, None)


@pytest.mark.parametrize(
    ("second", "reward", "unasked_reward"),
    [
        (1, -COST - LOOK, 0.7 - COST),  # before the answer
        (3, -COST - LOOK, -COST),
        (11, 0.5 - COST - LOOK, 0.7 - COST),
    ],
)
def test_what_had_not_recovered_when_another_action_was_let_through_has_not_since_the_question_or_the_answer(
    second: float, reward: float, unasked_reward: float
) -> None:
    other = verdict(proposal("recycle", id="by-hand", by="ann", hold_out=None), "allow", second)
    begun = outcome(other, "claimed", second)
    (one,) = [one for one in told(*yes(2), other, begun, windows=ILL_5_S) if one.proposal == ASKED.id]
    assert [one.reward, one.unasked_reward] == [pytest.approx(reward), pytest.approx(unasked_reward)]


def test_a_question_that_finds_no_room_to_be_followed_was_no_run() -> None:
    processor = Attribute(replace(SETTINGS, open_limit=1), loop="t", actions=ACTIONS, look_cost=LOOK)
    other = proposal("restart", episode="e2", entity="web-2")
    processor.on_batch(recorded(verdict(ASKED, "escalate", level="approve")), at(0))
    (one,) = processor.on_batch(recorded(verdict(other, seconds=1), first=1), at(1))
    assert isinstance(one, Experience)
    assert (one.proposal, one.state, one.effective, one.cost) == (ASKED.id, "unobservable", "none", 0.0)


def test_one_of_two_people_has_looked_although_the_other_did_not() -> None:
    half = verdict(ASKED, "escalate", 1.0, approval="yes", level="approve")
    (one,) = told(half, no(2, "expiry"), windows=ILL_5_S)
    assert (one.look_cost, one.reward) == (LOOK, pytest.approx(0.5 - LOOK))


def test_an_answer_that_is_given_twice_costs_once() -> None:
    (one,) = told(no(2), no(2), windows=ILL_5_S)
    assert one.cost == LOOK


def test_what_was_approved_and_never_started_is_a_default_of_asking() -> None:
    (one,) = told(yes(2)[0], windows=ILL_5_S)
    assert (one.state, one.effective, one.earned_by) == ("defaulted", "none", ASK)
    assert one.reward == pytest.approx(0.5 - LOOK)


def test_where_nothing_is_measured_asking_teaches_nothing() -> None:
    (one,) = told(no(2), windows="")
    assert (one.state, one.reward, one.unasked_reward) == ("unobservable", None, None)


@given(
    answer=st.sampled_from(("yes", "no", "late")),
    seconds=st.integers(1, 12),
    ill=st.integers(0, 16),
)
def test_what_asking_came_to_is_a_possible_reward_and_never_more_than_without(
    answer: str, seconds: int, ill: int
) -> None:
    windows = "x" * ill + "." * (26 - ill)
    ends: dict[str, Any] = {"yes": yes(seconds), "no": [no(seconds)], "late": [no(seconds, "expiry")]}
    (one,) = told(*ends[answer], windows=windows)
    assert one.reward is not None
    assert one.unasked_reward is not None
    assert reward_of(one) == one.reward
    assert one.reward <= one.unasked_reward


def test_no_early_signal_is_read_of_what_was_asked() -> None:
    """Since the question it would foretell another thing than since a verdict, and one relation serves all."""
    settings = replace(SETTINGS, early=EarlySettings(after_us=2 * S))
    (of_level,) = told(*yes(4, BY_LEVEL), windows=ILL_5_S, of=BY_LEVEL, settings=settings)
    (asked,) = told(*yes(4), windows=ILL_5_S, settings=settings)
    assert of_level.signal is not None
    assert asked.signal is None

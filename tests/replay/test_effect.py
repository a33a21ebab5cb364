"""What a difference between two gates was worth."""

from typing import Any

import pytest

from schemas.events import Experience
from streams.learners.logged_rewards import LoggedRewards, Mean
from streams.replay.decisions import Decision, Decisions, decision_of, difference
from streams.replay.effect import effect_of, logged_rewards
from tests.loop.decided import experience, proposal, verdict

RESTART, NOTHING = 0.7, 0.4


def decision(number: int, *, acts: bool, pattern: str = "p-1") -> Decision:
    return Decision(
        proposal=f"d{number}",
        episode=f"e{number}",
        entity="web-1",
        pattern=pattern,
        action="restart",
        time_us=number,
        verdict="allow" if acts else "deny",
        decided_by=None if acts else "loop-budget",
        decided_us=number,
        issued=f"a{number}" if acts else None,
    )


def decisions(numbers: set[int], *, of: int, pattern: str = "p-1") -> dict[str, Decision]:
    return {f"d{n}": decision(n, acts=n in numbers, pattern=pattern) for n in range(of)}


def earned(name: str, action: str, reward: float, **fields: Any) -> Experience:
    return experience(proposal(id=name, action=action, propensity=0.5), reward=reward, **fields)


def run(*more: Experience) -> list[Experience]:
    """Return rewards around 0.7 for a restart and around 0.4 for nothing, ten of each."""
    wobble = [-0.05, 0.05] * 5
    return [
        *(earned(f"r{n}", "restart", RESTART + off) for n, off in enumerate(wobble)),
        *(earned(f"n{n}", "none", NOTHING + off) for n, off in enumerate(wobble)),
        *more,
    ]


def test_an_added_action_is_worth_what_it_earns_on_the_pattern_less_what_nothing_does() -> None:
    found = difference(decisions(set(), of=3), decisions({0, 1}, of=3), moot=())
    effect = effect_of(found, logged_rewards(run()))
    assert effect.value == pytest.approx(2 * (RESTART - NOTHING))
    assert (effect.known, effect.unknown) == (2, 0)
    one_error = 0.05 / 10**0.5
    assert effect.high - effect.value == pytest.approx(1.96 * 2 * (2 * one_error**2) ** 0.5)


def test_an_action_taken_away_loses_what_it_earned_itself() -> None:
    found = difference(decisions({0, 1}, of=2), decisions({1}, of=2), moot=())
    effect = effect_of(found, logged_rewards(run(earned("d0", "restart", 0.9))))
    assert effect.value == pytest.approx(NOTHING - 0.9)
    assert effect.low < effect.value < effect.high


def test_a_pattern_on_which_nothing_else_was_seen_is_not_guessed_at() -> None:
    found = difference(decisions(set(), of=2, pattern="p-2"), decisions({0, 1}, of=2, pattern="p-2"), moot=())
    effect = effect_of(found, logged_rewards(run()))
    assert (effect.value, effect.known, effect.unknown) == (0.0, 0, 2)


def test_only_what_the_loop_chose_and_what_happened_so_teaches() -> None:
    told = logged_rewards(
        [
            earned("by-ada", "restart", 0.1, by="ada"),
            earned("censored", "restart", 0.1, state="censored"),
            earned("not-run", "restart", 0.1, effective="none", state="defaulted"),
            earned("foretold", "restart", 0.9, state="early"),
            earned("negated", "restart", -0.9),
            earned("d1", "restart", 0.3, state="defaulted"),
            earned("d1", "restart", 0.8, state="late"),
        ]
    )
    assert [told.reward(name) for name in ("by-ada", "censored", "not-run", "foretold", "negated", "d1")] == [
        *[None] * 5,
        0.8,
    ]


def test_an_unanswered_question_stays_one_and_an_answered_one_does_not() -> None:
    asked = proposal()
    first = decision_of(verdict(asked, "escalate", decided_by="approval"))
    expired = decision_of(verdict(asked, "deny", decided_by="expiry"))
    assert Decisions([first, expired]).of[asked.id].label == "escalate (approval)"
    rejected = decision_of(verdict(asked, "deny", decided_by="approval", approval="a-1"))
    assert Decisions([first, rejected]).of[asked.id].label == "deny (approval)"
    assert Decisions([first, rejected]).of[asked.id].asked


def test_what_became_an_action_stays_one_when_its_proposal_is_heard_again() -> None:
    asked = proposal()
    said = [decision_of(verdict(asked, "allow")), decision_of(verdict(asked, "deny", decided_by="duplicate"))]
    assert Decisions(said).of[asked.id].issued == f"action-of-{asked.id}"


def test_a_late_word_takes_back_what_was_counted_before() -> None:
    counted = earned("d1", "restart", -0.1, state="defaulted", cost=0.1)
    refused = earned("d1", "restart", 0.4, effective="none", state="late")
    assert logged_rewards([counted]).reward("d1") == -0.1
    assert logged_rewards([counted, refused]).reward("d1") is None


class Asked(LoggedRewards):
    """Counts how often a mean is worked out, which looks at all rewards."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def mean(self, context: str, action: str) -> Mean | None:
        self.times += 1
        return super().mean(context, action)


def test_the_mean_of_a_pair_is_worked_out_once_however_many_actions_rest_on_it() -> None:
    rewards = Asked()
    effect_of(difference(decisions(set(), of=30), decisions(set(range(30)), of=30), moot=()), rewards)
    assert rewards.times == 2

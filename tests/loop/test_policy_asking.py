"""To ask a person is one more choice: with exact propensities, masked like any other, learned from what it came to."""

from collections import Counter

import pytest

from schemas.events import ASK, NONE, Proposal
from streams.loop.asking import asked_about
from streams.loop.policy import Policy
from tests.loop.decided import START, S, blocked, experience, recurrence, verdict
from tests.loop.test_policy import ALL, episode_of, fold, policy, taught, tick

HELPS = {"recycle": 0.6, "restart": 0.45, "shed": 0.1, "none": 0.2}


def asking(*, seed: int = 7, ask_cost: float = 0.05, floor: float = 0.05) -> Policy:
    return policy(seed=seed, ask_cost=ask_cost, floor=floor)


def taught_to_ask(processor: Policy, reward: float, *, times: int = 60) -> None:
    """Let it decide, and tell of what it came to, but of asking always the same."""
    for n in range(times):
        (one,) = fold(processor, recurrence(f"learned-{n}", entity=f"host-{n}"))
        earned = reward if one.asked else HELPS[one.action]
        fold(processor, experience(one, reward=earned, asked=one.asked, cost=0.1))


def likeliest(processor: Policy, episode: str = "last") -> str:
    (one,) = fold(processor, recurrence(episode, entity=f"of-{episode}"))
    return max(one.probabilities, key=one.probabilities.__getitem__)


@pytest.mark.parametrize(
    ("mask", "eligible"),
    [
        ({}, {*ALL, ASK}),
        ({"action__ask": 0}, ALL),
        ({"action__recycle": 0}, {*ALL, ASK} - {"recycle"}),
    ],
)
def test_propensities_are_exact_with_asking_too(mask: dict[str, float], eligible: set[str]) -> None:
    """Over many seeds each is chosen as often as its logged propensity says; nobody is asked about nothing."""
    teacher = asking()
    taught(teacher, HELPS, times=4)
    fold(teacher, blocked(**mask))
    state, chosen, told, n = teacher.snapshot(), Counter[str](), dict[str, float](), 2500
    for seed in range(n):
        processor = asking(seed=seed)
        processor.restore(state)
        (one,) = fold(processor, recurrence("e1"))
        assert set(one.probabilities) == eligible
        chosen[one.choice] += 1
        assert told.setdefault(one.choice, one.propensity) == one.propensity
    assert sum(told.values()) == pytest.approx(1.0)
    assert {choice: count / n for choice, count in chosen.items()} == pytest.approx(told, abs=0.03)


def asked_one(processor: Policy) -> Proposal:
    for n in range(200):
        (one,) = fold(processor, recurrence(f"e{n}", entity=f"host-{n}"))
        if one.asked:
            return one
    raise AssertionError("expected a question among 200 decisions")


def test_a_person_is_asked_about_the_likeliest_action() -> None:
    processor = asking(floor=0.5)
    taught(processor, HELPS)
    one = asked_one(processor)
    assert (one.action, one.choice) == ("recycle", ASK)
    assert one.hold_out is not None
    assert one.hold_out.arm == "loop"
    assert one.propensity == pytest.approx(0.6 * one.probabilities[ASK])
    assert one.why is not None
    assert one.why.runner_up in one.probabilities


def test_of_equals_it_asks_about_the_first_and_about_nothing_where_there_is_nothing() -> None:
    assert asked_about({ASK: 0.4, NONE: 0.4, "shed": 0.1, "restart": 0.1}) == "restart"
    assert asked_about({ASK: 0.5, NONE: 0.5}) == NONE


def test_what_asking_came_to_is_learned_for_asking_alone() -> None:
    """Whatever was done: what an action earns at once may be something else."""
    rich, poor = asking(floor=0.5), asking(floor=0.5)
    taught_to_ask(rich, 0.85)
    taught_to_ask(poor, 0.0)
    assert likeliest(rich) == ASK
    assert likeliest(poor) == "recycle"


def test_it_starts_from_what_the_cheapest_action_may_earn_less_its_cost() -> None:
    cheap, dear = (fold(asking(ask_cost=cost), recurrence("e1"))[0].probabilities[ASK] for cost in (0.0, 0.5))
    assert cheap > dear


def test_it_may_begin_to_ask_and_stop_again_with_all_that_it_had_learned() -> None:
    before, asks, after = policy(), asking(), policy()
    taught(before, HELPS)
    known = likeliest(before, "first")
    asks.restore(before.snapshot())
    taught_to_ask(asks, 0.85)
    assert likeliest(asks) == ASK
    after.restore(asks.snapshot())
    (one,) = fold(after, recurrence("after"))
    assert set(one.probabilities) == ALL
    assert max(one.probabilities, key=one.probabilities.__getitem__) == known == "recycle"


@pytest.mark.parametrize("arm", ["baseline", "none"])
def test_what_is_held_out_never_asks(arm: str) -> None:
    processor = asking()
    (one,) = fold(processor, recurrence(episode_of(arm)))
    assert not one.asked
    assert ASK in one.probabilities


def test_without_the_setting_it_is_no_choice() -> None:
    (one,) = fold(policy(), recurrence("e1"))
    assert set(one.probabilities) == ALL
    assert not one.asked


def test_an_entity_is_kept_from_the_answer_on_as_its_horizon_begins_there() -> None:
    """The answer is told once: what comes again keeps it no longer."""
    processor = policy(outcome_wait_us=100 * S)
    (one,) = fold(processor, recurrence("e1"))
    fold(processor, verdict(one, "escalate", 1), seconds=1, first=1)
    fold(processor, verdict(one, "escalate", 30, approval="yes"), seconds=30, first=2)
    assert processor.next_time() == START + 101 * S
    fold(processor, verdict(one, "allow", 60, approval="again"), seconds=60, first=3)
    fold(processor, verdict(one, "allow", 70, approval="again"), seconds=70, first=4)
    assert processor.next_time() == START + 160 * S
    tick(processor, 150)
    assert fold(processor, recurrence("e2"), seconds=150, first=5) == []
    assert [other.episode for other in tick(processor, 160)] == ["e2"]

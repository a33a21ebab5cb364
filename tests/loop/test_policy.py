import math
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Event, MetricSignature, Proposal
from streams.loop.policy import Policy, PolicySettings
from streams.loop.policy.choice import hold_out_of
from streams.loop.processor import Record
from tests.loop.decided import (
    ACTIONS,
    SHARES,
    START,
    S,
    at,
    blocked,
    closed,
    experience,
    proposal,
    recorded,
    recurrence,
    verdict,
)

ALL = {*ACTIONS, "none"}


def policy(*, seed: int = 7, **fields: Any) -> Policy:
    return Policy(PolicySettings(**fields), loop="t", seed=seed, actions=ACTIONS)


def fold(processor: Policy, *events: Event, seconds: float = 0.0, first: int = 0) -> list[Proposal]:
    outputs = processor.on_batch(recorded(*events, first=first), at(seconds))
    return [event for event in outputs if isinstance(event, Proposal)]


def tick(processor: Policy, seconds: float) -> list[Proposal]:
    return [event for event in processor.on_time(at(seconds)) if isinstance(event, Proposal)]


def episode_of(arm: str, *, seed: int = 7) -> str:
    return next(f"e{n}" for n in range(1000) if hold_out_of(f"e{n}", seed=seed, shares=SHARES).arm == arm)


def taught(processor: Policy, rewards: dict[str, float], *, times: int = 30, pattern: str = "p-1") -> None:
    """Teach a policy by experience alone, of what a person proposed."""
    for n in range(times):
        for action, reward in rewards.items():
            one = proposal(action, episode=f"taught-{pattern}-{action}-{n}", pattern=pattern)
            fold(processor, experience(one, reward=reward, by="ana"))


def test_each_episode_gets_exactly_one_proposal() -> None:
    processor = policy()
    (one,) = fold(processor, recurrence("e1"), recurrence("e1"))
    assert fold(processor, recurrence("e1"), seconds=1, first=9) == []
    assert (one.entity, one.episode, one.pattern, one.by) == ("web-1", "e1", "p-1", "loop")
    assert one.expires_us == START + 20 * S
    assert set(one.probabilities) == ALL
    assert sum(one.probabilities.values()) == pytest.approx(1.0)


def test_the_hold_out_is_drawn_from_the_episode_alone() -> None:
    shares = Counter(hold_out_of(f"e{n}", seed=7, shares=SHARES).arm for n in range(4000))
    assert {arm: count / 4000 for arm, count in shares.items()} == pytest.approx(SHARES, abs=0.03)
    first, second = (fold(policy(floor=floor), recurrence("e5"))[0].hold_out for floor in (0.0, 1.0))
    assert first == second


@pytest.mark.parametrize(("arm", "action"), [("baseline", "restart"), ("none", "none")])
def test_the_held_out_arms_do_what_was_frozen(arm: str, action: str) -> None:
    processor = policy()
    taught(processor, {"recycle": 0.9, "restart": 0.0, "none": 0.0, "shed": 0.0})
    (one,) = fold(processor, recurrence(episode_of(arm)))
    assert one.action == action
    assert one.hold_out is not None
    assert one.hold_out.arm == arm


@pytest.mark.parametrize("mask", [{}, {"action__recycle": 0}, {"action__restart": 0}, {"action__shed": 0, "loop": -1}])
def test_propensities_are_exact(mask: dict[str, float]) -> None:
    """Over many seeds each action is chosen as often as its logged propensity says."""
    teacher = policy()
    taught(teacher, {"recycle": 0.6, "restart": 0.45, "shed": 0.1}, times=4)
    fold(teacher, blocked(**mask))
    state, chosen, told, n = teacher.snapshot(), Counter[str](), dict[str, float](), 2500
    for seed in range(n):
        processor = policy(seed=seed)
        processor.restore(state)
        (one,) = fold(processor, recurrence("e1"))
        chosen[one.action] += 1
        assert told.setdefault(one.action, one.propensity) == one.propensity
    assert sum(told.values()) == pytest.approx(1.0)
    assert {action: count / n for action, count in chosen.items()} == pytest.approx(told, abs=0.03)


def test_it_learns_which_action_helps_against_which_pattern() -> None:
    processor = policy()
    taught(processor, {"recycle": 0.8, "restart": 0.2, "shed": 0.0, "none": 0.0}, pattern="p-1")
    taught(processor, {"recycle": 0.0, "restart": 0.2, "shed": 0.8, "none": 0.0}, pattern="p-2")
    first, second = fold(processor, recurrence("e1"), recurrence("e2", entity="web-2", pattern="p-2"))
    assert max(first.probabilities, key=first.probabilities.__getitem__) == "recycle"
    assert max(second.probabilities, key=second.probabilities.__getitem__) == "shed"
    assert first.probabilities["recycle"] > 0.85
    assert min(first.probabilities.values()) >= 0.05 / 4


@pytest.mark.parametrize("state", ["censored", "unobservable"])
def test_what_did_not_happen_or_was_not_seen_teaches_nothing(state: str) -> None:
    processor = policy()
    before = fold(policy(), recurrence("e2"))[0]
    (one,) = fold(processor, recurrence("e1", entity="web-2"))
    fold(processor, experience(one, state, None, effective="none"))
    assert fold(processor, recurrence("e2"))[0].probabilities == before.probabilities


def test_the_effective_action_is_what_is_learned() -> None:
    processor = policy()
    for n in range(30):
        one = proposal("restart", episode=f"e{n}")
        fold(processor, experience(one, "defaulted", 1.0, effective="none", by="ana"))
    (one,) = fold(processor, recurrence("last"))
    assert max(one.probabilities, key=one.probabilities.__getitem__) == "none"


def test_a_late_reward_takes_the_place_of_the_default() -> None:
    corrected, direct = policy(), policy()
    (one,) = fold(corrected, recurrence("e1"))
    fold(direct, recurrence("e1"))
    fold(corrected, experience(one, "defaulted", -0.1, cost=0.1))
    late = experience(one, "late", 0.7, retracted_reward=-0.1, cost=0.1)
    fold(corrected, late, late)
    fold(direct, experience(one, "observed", 0.7, cost=0.1))
    expected, got = (fold(each, recurrence("e2"))[0].probabilities for each in (direct, corrected))
    assert got == pytest.approx(expected, abs=0.05)
    before = corrected.snapshot()
    fold(corrected, late, first=5)
    assert corrected.snapshot() == before


def test_a_late_reward_that_is_no_number_takes_the_default_back_as_one_that_is_none() -> None:
    processor, other = policy(), policy()
    for each in (processor, other):
        (one,) = fold(each, recurrence("e1"))
        fold(each, experience(one, "defaulted", 0.3))
    fold(processor, experience(one, "late", math.nan, retracted_reward=0.3))
    fold(other, experience(one, "late", None, retracted_reward=0.3))
    assert processor.snapshot() == other.snapshot()
    fold(processor, experience(one, "late", 0.9, retracted_reward=0.3), first=5)
    fold(other, experience(one, "late", 0.9, retracted_reward=0.3), first=5)
    assert processor.snapshot() == other.snapshot()


def test_of_its_own_decision_that_was_forgotten_nothing_is_learned_and_nothing_counted() -> None:
    processor, other = policy(remembered=3, open_limit=3), policy(remembered=3, open_limit=3)
    for each in (processor, other):
        first, *_ = [fold(each, recurrence(f"e{n}", entity=f"web-{n}"), first=n)[0] for n in range(4)]
    fold(processor, experience(first, reward=0.9), first=9)
    fold(other, experience(first, "censored", None, effective="none"), first=9)
    assert processor.snapshot() == other.snapshot()


def test_decisions_are_remembered_at_least_as_long_as_proposals_are_open() -> None:
    with pytest.raises(ValueError, match="remembered must be at least open_limit, 10, got 9"):
        PolicySettings(open_limit=10, remembered=9)


def test_what_every_decision_has_is_learned_from_however_many_metrics_there_are() -> None:
    processor = policy()
    many = {f"cpu-{n:02d}": MetricSignature(mean=1.0, peak=1.0, trend=0.0) for n in range(40)}
    names = sorted(ALL)
    for n in range(120):
        recurs = recurrence(f"e{n}", entity=f"web-{n}", severity=30.0 * (n % 2), signature=many)
        (one,) = fold(processor, recurs, first=2 * n)
        assert len(one.features) == 47
        name = names[n // 2 % len(names)]
        reward = 0.9 * ((name == "shed") == (n % 2 == 1))
        fold(processor, experience(one, reward=reward, effective=name), first=2 * n + 1)
    mild, grave = (
        fold(processor, recurrence(f"f{n}", entity=f"db-{n}", severity=30.0 * n, signature=many), first=999 + n)[0]
        for n in range(2)
    )
    assert mild.probabilities["shed"] < 0.02
    assert grave.probabilities["shed"] > 0.9


@pytest.mark.parametrize(
    ("scopes", "eligible", "logged"),
    [
        ({"action__restart": 30}, ALL - {"restart"}, ("action:restart",)),
        ({"action__restart": 0, "action__shed": 0}, {"recycle", "none"}, ("action:restart", "action:shed")),
        ({"entity__web-2": 30, "pattern__p-3": 0, "action__other": 0}, ALL, ()),
        ({"action__restart": 3}, ALL, ()),  # over by then
    ],
)
def test_what_limits_block_is_masked_and_logged(
    scopes: dict[str, float], eligible: set[str], logged: tuple[str, ...]
) -> None:
    processor = policy()
    fold(processor, blocked(**scopes))
    (one,) = fold(processor, recurrence(episode_of("loop")), seconds=5, first=1)
    assert set(one.probabilities) == eligible
    assert one.blocked == logged
    assert one.action in eligible


@pytest.mark.parametrize(
    "scopes",
    [
        {"loop": 0},
        {"entity__web-1": 30},
        {"pattern__p-1": 30},
        {"action__restart": 30, "action__recycle": 0, "action__shed": 0},
    ],
)
def test_where_limits_leave_no_action_an_episode_is_not_decided(scopes: dict[str, float]) -> None:
    processor = policy()
    fold(processor, blocked(**scopes))
    assert fold(processor, recurrence("e1"), seconds=5, first=1) == []
    assert processor.next_time() == (START + 30 * S if 30 in scopes.values() else None)


def test_only_the_latest_word_on_limits_counts() -> None:
    processor = policy()
    fold(processor, blocked(1, loop=0), blocked(2, loop=-1), blocked(1, loop=0))
    (one,) = fold(processor, recurrence("e1"), first=9)
    assert set(one.probabilities) == ALL


def test_the_baseline_does_nothing_while_its_action_is_blocked() -> None:
    processor = policy()
    fold(processor, blocked(action__restart=0))
    (one,) = fold(processor, recurrence(episode_of("baseline")), first=1)
    assert one.action == "none"
    assert one.propensity == pytest.approx(0.6 * one.probabilities["none"] + 0.4)


def test_an_entity_has_one_open_proposal_and_the_next_episode_waits() -> None:
    processor = policy()
    (one,) = fold(processor, recurrence("e1"), recurrence("e2"))
    assert [p.episode for p in fold(processor, experience(one), seconds=20, first=9)] == ["e2"]


def test_an_episode_that_ended_while_waiting_is_not_decided() -> None:
    processor = policy()
    (one,) = fold(processor, recurrence("e1"), recurrence("e2"), closed(5, "e2"))
    assert fold(processor, experience(one), seconds=20, first=9) == []


def test_a_denied_proposal_is_repeated_when_the_limit_is_free_again() -> None:
    processor = policy()
    (one,) = fold(processor, recurrence("e1"))
    denied = verdict(one, "deny", 1, retry_after_us=START + 30 * S)
    assert fold(processor, denied, experience(one, "censored", None), seconds=1, first=1) == []
    assert processor.next_time() == START + 30 * S
    (again,) = tick(processor, 30)
    assert (again.episode, again.hold_out) == ("e1", one.hold_out)
    assert again.id != one.id
    denied_again = verdict(again, "deny", 31, retry_after_us=START + 60 * S)
    fold(processor, denied_again, experience(again, "censored", None), seconds=31, first=9)
    assert processor.next_time() is None  # two attempts in all


def test_two_repeats_that_a_gate_with_a_clock_behind_put_at_one_time_have_ids_of_their_own() -> None:
    processor = policy(attempts=3)
    (first,) = fold(processor, recurrence("e1"))
    proposals = [first]
    for number in (1, 2):
        denied = verdict(proposals[-1], "deny", 26, retry_after_us=START + 30 * S)
        fold(processor, denied, experience(proposals[-1], "censored", None), seconds=26, first=10 * number)
        proposals += tick(processor, 30 * number)
    assert len({one.id for one in proposals}) == len(proposals) == 3


@pytest.mark.parametrize("answer", ["shadow", "deny"])
def test_a_refusal_without_a_time_is_final_unless_a_pause_was_the_reason(answer: str) -> None:
    processor = policy()
    (one,) = fold(processor, recurrence("e1"))
    fold(processor, verdict(one, answer, 1, decided_by="level"), experience(one, "censored", None), seconds=1, first=1)
    assert processor.next_time() is None


def test_a_denied_proposal_is_not_repeated_after_the_episode() -> None:
    processor = policy()
    (one,) = fold(processor, recurrence("e1"))
    denied = verdict(one, "deny", 1, retry_after_us=START + 30 * S)
    fold(processor, denied, experience(one, "censored", None), closed(10), seconds=10, first=1)
    assert processor.next_time() is None


def test_a_proposal_that_nobody_answered_is_repeated_once_it_expired() -> None:
    processor = policy()
    fold(processor, recurrence("e1"))
    assert tick(processor, 19) == []
    (again,) = tick(processor, 20)
    assert again.episode == "e1"
    assert tick(processor, 40) == []
    fold(processor, closed(50.0), seconds=50, first=5)
    assert processor.next_time() is None


def test_an_answered_proposal_is_waited_for_but_not_for_ever() -> None:
    processor = policy(outcome_wait_us=100 * S)
    (one,) = fold(processor, recurrence("e1"))
    fold(processor, verdict(one, "allow", 1), first=1)
    assert tick(processor, 100) == []
    assert tick(processor, 101) == []
    assert processor.next_time() is None
    assert len(fold(processor, recurrence("e2"), seconds=102, first=9)) == 1


def story(seed: int) -> list[Record]:
    """Episodes of three entities with their answers; the proposals' ids are known because a policy made them."""
    maker, events = policy(), list[Event]()
    for n in range(8):
        recurs = recurrence(f"e{n}", entity=f"web-{n % 3}", pattern=f"p-{n % 2}")
        position = len(events)
        events.append(recurs)
        made = maker.on_batch([recorded(recurs, first=position)[0]], at(0))
        for one in made:
            if isinstance(one, Proposal):
                events.append(verdict(one, "deny" if n % 3 == 2 else "allow", 1, retry_after_us=START + 9 * S))
                ending = experience(one, "censored" if n % 3 == 2 else "observed", None if n % 3 == 2 else n / 8)
                events.append(ending)
                maker.on_batch(recorded(*events[-2:], first=position + 1), at(0))
        events.append(blocked(n, action__restart=n) if n % 2 else closed(n, f"e{n}", f"web-{n % 3}"))
        maker.on_batch(recorded(events[-1], first=len(events) - 1), at(0))
    return recorded(*events[seed % 3 :], first=seed % 3)


@settings(max_examples=50)
@given(st.integers(0, 2), st.lists(st.integers(0, 40), max_size=4))
def test_any_split_gives_the_same_proposals(seed: int, cuts: list[int]) -> None:
    records = story(seed)
    whole, parts = policy(), policy()
    expected = whole.on_batch(records, at(1))
    places = [0, *sorted(min(cut, len(records)) for cut in cuts), len(records)]
    outputs = [event for start, stop in pairwise(places) for event in parts.on_batch(records[start:stop], at(1))]
    assert outputs == expected
    assert parts.snapshot() == whole.snapshot()
    assert parts.on_time(at(50)) == whole.on_time(at(50))


@settings(max_examples=50)
@given(st.integers(0, 2), st.integers(0, 40))
def test_restored_or_given_duplicates_it_goes_on_alike(seed: int, cut: int) -> None:
    records = story(seed)
    plain, first, restored = policy(), policy(), policy()
    plain.on_batch(records, at(1))
    first.on_batch([record for record in records[:cut] for _ in range(2)], at(1))
    restored.restore(first.snapshot())
    restored.on_batch(records[cut:], at(1))
    assert restored.snapshot() == plain.snapshot()
    assert restored.on_batch(records, at(1)) == []
    assert restored.on_time(at(50)) == plain.on_time(at(50))


@pytest.mark.parametrize(
    "shares", [{"loop": 0.6, "baseline": 0.2}, {"loop": 0.6, "baseline": 0.2, "none": 0.1}, {"a": 1.0}]
)
def test_shares_that_are_none_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="hold_out"):
        PolicySettings(hold_out=shares)

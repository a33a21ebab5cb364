"""Entities whose best time to act is later: what the policy makes of whole lives."""

import random
from itertools import pairwise

import pytest

from schemas.events import Event, Proposal, Why
from streams.loop.policy import Policy, PolicySettings
from tests.loop.decided import blocked, recorded, recurrence, verdict
from tests.loop.plant import ACTIONS, HOUR, Plant, at, by_hand, done, in_hours, learned, policy, row, window


def test_without_the_setting_measurements_and_ends_mean_nothing() -> None:
    """The choice at an episode's onset is the special case: nothing is followed, and nothing else is chosen."""
    plain = Policy(PolicySettings(), loop="t", seed=7, actions=ACTIONS)
    other = Policy(PolicySettings(), loop="t", seed=7, actions=ACTIONS)
    rows = [window(hour, {"wear": 1.0, "failed": float(hour == 5)}) for hour in range(9)]
    assert other.on_batch(recorded(*rows), at(1)) == []
    assert other.snapshot() == plain.snapshot()
    (one,) = (event for event in other.on_batch(recorded(recurrence("e1")), at(9)) if isinstance(event, Proposal))
    assert set(one.probabilities) == {"replace", "restart", "none"}


def test_it_waits_and_acts_shortly_before_the_end() -> None:
    plant = learned()
    lives = [plant.live() for _ in range(12)]
    lengths = [random.Random(number).randint(60, 140) for number in range(6, 18)]
    assert sum(failed for _, failed in lives) <= 1
    assert sum(length for length, _ in lives) > 0.8 * sum(lengths)
    assert len(plant.proposals) == sum(not failed for _, failed in lives)


def test_a_proposal_says_what_it_rests_on() -> None:
    plant = learned()
    plant.live()
    (one,) = plant.proposals
    assert (one.entity, one.episode, one.pattern, one.action) == ("pump-1", "", "novel", "replace")
    assert one.probabilities == {"replace": 1.0, "none": 0.0}
    assert one.propensity == 1.0
    assert one.model == "lives/6"
    assert one.features["remaining_h"] <= one.features["level_h"]
    assert 0 < one.features["age_h"] < 140
    assert one.why == Why(mode="best", runner_up="none")  # a rule on hours, not on rewards


def test_its_action_is_no_arm_at_an_onset_any_more() -> None:
    (one,) = Plant(policy()).fold(recurrence("e1"))
    assert set(one.probabilities) == {"restart", "none"}


def test_lives_held_out_run_to_their_end_and_are_told_once() -> None:
    plant = learned(hold_out={"loop": 0.0, "baseline": 0.0, "none": 1.0})
    assert plant.live()[1]
    (one,) = plant.proposals
    assert one.action == "none"
    assert one.hold_out is not None
    assert one.hold_out.arm == "none"
    assert (one.propensity, one.probabilities) == (1.0, {"replace": 1.0, "none": 0.0})
    assert one.why == Why(mode="held-out", runner_up="replace")


def test_the_baseline_acts_at_its_age_whatever_was_learned() -> None:
    plant = Plant(policy(hold_out={"loop": 0.0, "baseline": 1.0, "none": 0.0}, renewal={"baseline_age_us": 40 * HOUR}))
    assert [plant.live() for _ in range(3)] == [(41, False)] * 3
    assert {one.propensity for one in plant.proposals} == {1.0}
    assert {one.probabilities["none"] for one in plant.proposals} == {1.0}


def test_shares_of_the_arms_make_the_propensity() -> None:
    shares = {"loop": 0.5, "baseline": 0.3, "none": 0.2}
    plant = Plant(policy(hold_out=shares))
    for _ in range(40):
        plant.live(answer="deny")
    told = {(one.hold_out.arm, one.action): one.propensity for one in plant.proposals if one.hold_out}
    assert told == {("loop", "replace"): 0.5, ("baseline", "none"): 0.5, ("none", "none"): 0.5}


@pytest.mark.parametrize("answer", ["deny", "shadow"])
def test_what_is_refused_is_asked_again_for_its_level_may_be_raised(answer: str) -> None:
    plant = learned(outcome_wait_us=HOUR * 5 // 2)
    assert plant.live(answer=answer)[1]
    times = [one.time_us for one in plant.proposals]
    assert len(times) > 2
    assert {later - earlier for earlier, later in pairwise(times)} == {3 * HOUR}  # at the next window


def test_while_it_is_under_way_or_blocked_nothing_is_proposed() -> None:
    plant = learned()
    plant.fold(blocked(action__replace=0))
    assert plant.live()[1]
    assert plant.proposals == []
    plant.fold(blocked(1, action__replace=-1, action__restart=0), hour=plant.hour)
    assert not plant.live()[1]


def test_what_a_pause_denied_is_proposed_again_as_soon_as_it_is_over() -> None:
    plant = Plant(policy(hold_out={"loop": 0.0, "baseline": 1.0, "none": 0.0}, renewal={"baseline_age_us": HOUR}))
    for _ in range(2):
        row(plant)
    (one,) = plant.proposals
    denied = in_hours(verdict(one, "deny", decided_by="pause"), plant.hour)
    plant.fold(denied, blocked(action__replace=0))
    minute = 1 / 60
    assert plant.fold(window(plant.hour + minute, {"wear": 12.0, "failed": 0.0}), hour=plant.hour + minute) == []
    plant.fold(blocked(1, action__replace=-1), hour=plant.hour + 2 * minute)
    (again,) = plant.fold(window(plant.hour + 3 * minute, {"wear": 12.0, "failed": 0.0}), hour=plant.hour + 3 * minute)
    assert (again.action, again.time_us > one.time_us) == ("replace", True)


def test_an_action_that_failed_is_proposed_again() -> None:
    plant = learned()
    assert plant.live(end="failed")[1]
    assert len(plant.proposals) > 3


def test_nothing_is_learned_of_lives_of_which_nobody_knows_whether_they_ended() -> None:
    plant = learned()
    plant.live(end="unknown")
    plant.live()
    assert {one.model for one in plant.proposals} == {"lives/6"}


def test_an_end_may_come_before_its_verdict() -> None:
    early, late = learned(), learned()
    for plant, order in ((early, slice(None, None, -1)), (late, slice(None))):
        while not plant.proposals:
            row(plant)
        given = in_hours(verdict(plant.proposals[-1], "allow"), plant.hour + 0.1)
        plant.fold(*[given, done(given, "succeeded", plant.hour + 0.2)][order], hour=plant.hour + 0.3)
        plant.proposals.clear()
        row(plant)
    assert early.policy.snapshot() == late.policy.snapshot()


def test_what_a_person_had_replaced_begins_a_new_life_too() -> None:
    plant = learned()
    for _ in range(10):
        row(plant)
    asked = by_hand(plant)
    plant.proposals.append(asked)
    assert plant.ended(asked, "allow", "succeeded")
    plant.proposals.clear()
    plant.live()
    assert plant.proposals[0].features["age_h"] < 140


@pytest.mark.parametrize("seed", range(4))
def test_any_split_and_any_restart_give_the_same(seed: int) -> None:
    draw = random.Random(seed)
    plant, other = learned(), policy()
    other.restore(plant.policy.snapshot())
    rows: list[Event] = []
    for age in range(90):
        rows += [window(plant.hour + age + 1, {"wear": 12 + 0.1 * age, "failed": float(age in (50, 51))})] * (
            1 + age % 2
        )
    records = recorded(*rows, first=50_000)
    whole = plant.policy.on_batch(records, at(2_000))
    parted: list[Event] = []
    cut = 0
    while cut < len(records):
        size = draw.randint(1, 40)
        parted += other.on_batch(records[cut : cut + size], at(2_000))
        cut += size
        fresh = policy()
        fresh.restore(other.snapshot())
        other = fresh
    assert parted == whole
    assert len(whole) > 0
    assert other.snapshot() == plant.policy.snapshot()

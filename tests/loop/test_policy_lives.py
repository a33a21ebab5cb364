"""Entities whose best time to act is later: what the policy makes of whole lives."""

import math
import random
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from schemas.events import Event, Measurement, Outcome, Proposal
from schemas.ids import derive
from streams.loop.actions import ActionSettings
from streams.loop.policy import Policy, PolicySettings, RenewalSettings
from streams.loop.processor import Now, Record
from tests.loop.decided import START, blocked, outcome, recorded, recurrence, verdict

HOUR = 3_600_000_000
ACTIONS = {name: ActionSettings(name=name, cost=0.1) for name in ("replace", "restart")}
LOOP_ALONE = {"loop": 1.0, "baseline": 0.0, "none": 0.0}


def policy(*, hold_out: dict[str, float] | None = None, renewal: dict[str, Any] | None = None) -> Policy:
    given = RenewalSettings(action="replace", failed="failed", **(renewal or {}))
    return Policy(PolicySettings(hold_out=hold_out or LOOP_ALONE, renewal=given), loop="t", seed=7, actions=ACTIONS)


def at(hour: float) -> Now:
    us = START + int(hour * HOUR)
    return Now(us, us)


def window(hour: float, values: dict[str, float], entity: str = "pump-1") -> Measurement:
    time_us = at(hour).us
    return Measurement(
        id=derive("measurement", entity, time_us),
        time_us=time_us,
        entity=entity,
        episode="",
        start_us=time_us,
        end_us=time_us,
        samples=1,
        abnormal=False,
        score=0.0,
        values=values,
    )


def in_hours(one: Any, hour: float) -> Any:
    """Return an answer, or an end, at another time than second 0."""
    return msgspec.structs.replace(one, id=derive(one.id, hour), time_us=at(hour).us)


@dataclass
class Plant:
    """One pump that wears out, a window an hour, under a policy; what is allowed is done within the hour."""

    policy: Policy
    hour: int = 0
    lives: int = 0
    proposals: list[Proposal] = field(default_factory=list)

    def fold(self, *events: Event, hour: float | None = None) -> list[Proposal]:
        outputs = self.policy.on_batch(recorded(*events, first=10 * self.hour), at(self.hour if hour is None else hour))
        found = [event for event in outputs if isinstance(event, Proposal)]
        self.proposals += found
        return found

    def live(self, *, answer: str = "allow", end: str = "succeeded") -> tuple[int, bool]:
        """Live one life; return how long it was, and whether it failed."""
        draw = random.Random(self.lives)
        self.lives += 1
        length = draw.randint(60, 140)
        for age in range(1, length):
            self.hour += 1
            wear = 20.0 - math.sqrt(length - age) + draw.gauss(0, 0.3)
            for proposal in self.fold(window(self.hour, {"wear": wear, "failed": 0.0})):
                if self.ended(proposal, answer, end):
                    return age, False
        self.hour += 1
        self.fold(window(self.hour, {"wear": 20.0, "failed": 1.0}))
        return length, True

    def ended(self, proposal: Proposal, answer: str, end: str) -> bool:
        """Answer a proposal and carry it out; return whether that ended the life."""
        if proposal.action != "replace":
            return False
        given = in_hours(verdict(proposal, answer), self.hour + 0.1)
        self.fold(given, hour=self.hour + 0.1)
        if given.action is None:
            return False
        self.fold(done(given, end, self.hour + 0.2), hour=self.hour + 0.2)
        return end == "succeeded"


def done(given: Any, state: str, hour: float) -> Outcome:
    return outcome(given, state, 0.0, time_us=at(hour).us, ended_us=at(hour).us)


def learned(**given: Any) -> Plant:
    """Return a plant of which six pumps failed while nothing was allowed."""
    plant = Plant(policy(**given))
    for _ in range(6):
        assert plant.live(answer="deny")[1]
    plant.proposals.clear()
    return plant


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


def test_what_is_denied_is_asked_again_and_what_is_shadowed_is_said_once() -> None:
    denied, shadowed = learned(), learned()
    assert denied.live(answer="deny")[1]
    assert len(denied.proposals) > 3
    assert shadowed.live(answer="shadow")[1]
    assert len(shadowed.proposals) == 1


def test_while_it_is_under_way_or_blocked_nothing_is_proposed() -> None:
    plant = learned()
    plant.fold(blocked(action__replace=0))
    assert plant.live()[1]
    assert plant.proposals == []
    plant.fold(blocked(1, action__replace=-1, action__restart=0), hour=plant.hour)
    assert not plant.live()[1]


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
            _row(plant)
        given = in_hours(verdict(plant.proposals[-1], "allow"), plant.hour + 0.1)
        plant.fold(*[given, done(given, "succeeded", plant.hour + 0.2)][order], hour=plant.hour + 0.3)
        plant.proposals.clear()
        _row(plant)
    assert early.policy.snapshot() == late.policy.snapshot()


def _row(plant: Plant) -> None:
    plant.hour += 1
    plant.fold(window(plant.hour, {"wear": 12.0 + 0.1 * (plant.hour % 120), "failed": 0.0}))


def test_what_a_person_had_replaced_begins_a_new_life_too() -> None:
    plant = learned()
    for _ in range(10):
        _row(plant)
    by_hand = Proposal(
        id="by-hand", time_us=at(plant.hour).us, entity="pump-1", episode="", pattern="novel", action="replace",
        propensity=1.0, probabilities={"replace": 1.0}, expires_us=at(plant.hour + 1).us, model="", by="ann",
    )  # fmt: skip
    plant.proposals.append(by_hand)
    assert plant.ended(by_hand, "allow", "succeeded")
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


def test_entities_beyond_the_limit_are_forgotten() -> None:
    processor = policy(renewal={"entity_limit": 3})
    sizes = []
    for number in range(300):
        row = window(number, {"wear": 1.0, "failed": 0.0}, entity=f"pump-{number:03d}")
        processor.on_batch([Record(one.cause, one.event) for one in recorded(row, first=number)], at(number))
        sizes.append(len(processor.snapshot()))
    assert max(sizes[10:]) == max(sizes[:10])

"""A dry run does nothing, and so it is judged and learned: by what the action that was issued said."""

from collections import Counter
from collections.abc import Collection

import numpy as np
import pytest
from msgspec.structs import replace

from schemas.events import Event, Experience, Proposal, Recurrence
from streams.learners.reward_model import Outlook
from streams.loop.account import Account, AccountSettings
from streams.loop.attribute import Attribute, AttributeSettings
from streams.loop.attribute.settings import EarlySettings
from streams.loop.policy import Policy, PolicySettings
from streams.loop.policy.choice import chances_of
from streams.loop.policy.recent import RecentActions
from tests.loop.decided import (
    ACTIONS,
    START,
    S,
    at,
    experience,
    measured,
    outcome,
    proposal,
    recorded,
    recurrence,
    verdict,
)
from tests.loop.gate_bench import outcome as ended
from tests.loop.levels_bench import ACTIONS as GATED
from tests.loop.levels_bench import BAD, GOOD, LevelBench, asked, reopened, told
from tests.loop.plant import HOUR, Plant, by_hand, done, in_hours, row
from tests.loop.plant import policy as policy_of_lives
from tests.loop.test_policy import fold, policy
from tests.loop.test_recognise import at as moment
from tests.loop.test_recognise import begun, lived, make

SETTINGS = AttributeSettings(horizon_us=10 * S, grace_us=2 * S, late_us=60 * S)
DRY = verdict(proposal("restart"), dry_run=True)
CLAIM = outcome(DRY, "claimed", 0.5)
RECOVERS = measured("xxx.......")


def attribute(*, dry_run: bool = True) -> Attribute:
    """Return one under settings that say, or say no more, that actions are dry runs."""
    actions = {name: replace(action, dry_run=dry_run) for name, action in ACTIONS.items()}
    return Attribute(SETTINGS, loop="t", actions=actions)


def told_by(processor: Attribute, *events: Event) -> list[Experience]:
    """Fold events at second 0, begin again from the state, and let all that time brings come."""
    outputs = processor.on_batch(recorded(*events), at(0))
    other = attribute(dry_run=False)
    other.restore(processor.snapshot())
    outputs += other.on_time(at(12))
    return [event for event in outputs if isinstance(event, Experience)]


@pytest.mark.parametrize(
    ("heard", "state"),
    [
        ([CLAIM, outcome(DRY, "succeeded", 1)], "observed"),
        ([CLAIM, outcome(DRY, "succeeded", 5)], "observed"),  # what recovered before that did so by itself
        ([CLAIM], "defaulted"),
        ([], "defaulted"),
    ],
)
def test_it_is_judged_as_doing_nothing_at_no_cost(heard: list[Event], state: str) -> None:
    (one,) = told_by(attribute(), DRY, *heard, *RECOVERS)
    assert (one.state, one.proposed, one.effective, one.cost) == (state, "restart", "none", 0.0)
    assert one.reward == pytest.approx(0.7)


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_the_action_said_holds_and_not_the_settings_of_today(dry_run: bool) -> None:
    issued = replace(DRY, dry_run=dry_run)
    ended = [CLAIM, outcome(issued, "succeeded", 1)]
    (one,) = told_by(attribute(dry_run=not dry_run), issued, *ended, *RECOVERS)
    assert (one.effective, one.cost) == (("none", 0.0) if dry_run else ("restart", 0.1))


def test_an_end_after_the_default_tells_that_nothing_was_done() -> None:
    processor = attribute()
    (default,) = told_by(processor, DRY, CLAIM, *RECOVERS)
    processor.on_time(at(12))
    (late,) = processor.on_batch(recorded(outcome(DRY, "succeeded", 30), first=50), at(30))
    assert isinstance(late, Experience)
    assert (late.state, late.effective, late.reward) == ("late", "none", default.reward)


def test_what_is_approved_as_a_dry_run_is_one() -> None:
    question = verdict(DRY.proposal, "escalate")
    (one,) = told_by(attribute(), question, DRY, CLAIM, outcome(DRY, "succeeded", 1), *RECOVERS)
    assert (one.state, one.effective, one.cost) == ("observed", "none", 0.0)


def test_its_early_signal_is_that_of_doing_nothing_before_anybody_claims_it() -> None:
    early = replace(SETTINGS, early=EarlySettings(after_us=4 * S, validity=0.6, pairs=5))
    signals = []
    for one in (DRY, replace(DRY, dry_run=False)):
        processor = Attribute(early, loop="t", actions=ACTIONS)
        processor.on_batch(recorded(one, *measured("x.........")), at(0))
        processor.on_time(at(6.5))
        (found,) = (event for event in processor.on_time(at(12)) if isinstance(event, Experience))
        signals.append(found.signal)
    assert signals == [pytest.approx(0.75), None]


def test_the_policy_does_not_count_it_as_done_lately() -> None:
    processor = policy()
    fold(processor, DRY)
    (one,) = fold(processor, recurrence("e2"), seconds=5.0)
    assert {name: one.features[name] for name in ("acted", "acted:just")} == RecentActions(limit=1).features("", 0)


def aged() -> Plant:
    """Return a plant whose baseline replaces at an age of 40 hours, 20 hours old."""
    alone = {"loop": 0.0, "baseline": 1.0, "none": 0.0}
    plant = Plant(policy_of_lives(hold_out=alone, renewal={"baseline_age_us": 40 * HOUR}))
    for _ in range(20):
        row(plant)
    return plant


def run(plant: Plant, of: Proposal, *, dry_run: bool, end_first: bool) -> None:
    """Let a replacement through, which succeeds."""
    given = replace(in_hours(verdict(of), plant.hour + 0.1), dry_run=dry_run)
    both = [given, done(given, "succeeded", plant.hour + 0.1)]
    plant.fold(*(reversed(both) if end_first else both), hour=plant.hour + 0.2)


@pytest.mark.parametrize("end_first", [False, True])
def test_it_renews_no_life(end_first: bool) -> None:
    hours = []
    for dry_run in (False, True):
        plant = aged()
        run(plant, by_hand(plant), dry_run=dry_run, end_first=end_first)
        while not plant.proposals:
            row(plant)
        hours.append(plant.hour)
    assert hours == [61, 41]


@pytest.mark.parametrize("end_first", [False, True])
def test_it_is_said_once_a_life_what_would_be_done(end_first: bool) -> None:
    plant = aged()
    for _ in range(21):
        row(plant)
    run(plant, plant.proposals[0], dry_run=True, end_first=end_first)
    for _ in range(60):
        row(plant)
    assert len(plant.proposals) == 1


def test_an_episode_with_one_counts_where_its_whole_shape_belongs() -> None:
    def support(*, dry_run: bool) -> list[int]:
        processor = make()
        for number in range(2):
            lived(processor, number, 9.0)
        of = proposal(episode="episode-2", entity="pump")
        processor.on_batch(recorded(verdict(of, dry_run=dry_run)), moment(2))
        lived(processor, 2, -9.0)
        found = processor.on_batch([begun(9)], moment(9))
        return [event.support for event in found if isinstance(event, Recurrence)]

    assert (support(dry_run=False), support(dry_run=True)) == ([4], [3])


def dry(bench: LevelBench, *, dry_run: bool = True) -> LevelBench:
    """Return the gate after a restart under actions that are dry runs, or are no longer."""
    bench.actions = {name: replace(action, dry_run=dry_run) for name, action in GATED.items()}
    return reopened(bench)


def test_a_verdict_says_what_its_action_says_also_after_the_settings_changed() -> None:
    bench = LevelBench(default="act")
    said = []
    for dry_run in (True, False, True):
        one = dry(bench, dry_run=dry_run).decide("recycle")
        assert [action.dry_run for action in bench.started] == [one.dry_run]
        said.append(one.dry_run)
    assert said == [True, False, True]
    assert not bench.decide("none").dry_run
    denied = dry(LevelBench(default="observe")).decide("recycle")
    assert (denied.action, denied.dry_run) == (None, False)


def test_what_is_approved_as_a_dry_run_says_so() -> None:
    one = dry(asked()).decide("recycle")
    assert (one.approvals != (), one.dry_run) == (True, True)


@pytest.mark.parametrize("level", ["approve", "act"])
def test_of_dry_runs_no_level_is_earned_or_lost(level: str) -> None:
    bench = dry(LevelBench(default=level))
    bench.changes.clear()
    for _ in range(60):
        run = bench.decide("recycle")
        bench.give(ended(bench.started[0], "succeeded"))
        bench.give(
            replace(experience(run.proposal, reward=GOOD, time_us=bench.us, action=run.action), effective="none")
        )
        bench.run("restart", BAD, arm="baseline", would="recycle")
        bench.nothing(1)
    assert told(bench) == []


def test_the_audit_says_that_nothing_was_done() -> None:
    account = Account(AccountSettings(), loop="t")
    dry_one, other = account.on_batch(recorded(DRY, verdict(proposal("restart", episode="e2"))), at(0))
    assert (dry_one.facts["dry_run"], "dry_run" in other.facts) == ("nothing is done", False)


EARNED = {"restart": 0.95, "recycle": 0.8, "none": 0.1}


def decided_with(dry_run: Collection[str], episodes: int = 200) -> Counter[str]:
    """Return what the loop chose of late, where an action leaves what it earns and a dry run what nothing does."""
    actions = {name: replace(ACTIONS[name], dry_run=name in dry_run) for name in ("recycle", "restart")}
    settings = PolicySettings(hold_out={"loop": 1.0, "baseline": 0.0, "none": 0.0})
    policy = Policy(settings, loop="lab", seed=3, actions=actions)
    chosen: list[str] = []
    for number in range(episodes):
        second = 100.0 * number
        (of,) = policy.on_batch(
            recorded(recurrence(f"e{number}", entity=f"n{number}", time_us=START + int(second * S)), first=9 * number),
            at(second),
        )
        assert isinstance(of, Proposal)
        assert sum(of.probabilities.values()) == pytest.approx(1.0)
        is_dry = of.action in dry_run
        done = "none" if is_dry else of.action
        given = verdict(of, seconds=second, dry_run=is_dry)
        learned = experience(of, reward=EARNED[done], effective=done, time_us=START + int((second + 15) * S))
        policy.on_batch(recorded(given, learned, first=9 * number + 1), at(second + 16))
        chosen.append(of.action)
    return Counter(chosen[episodes // 2 :])


def test_a_dry_run_takes_no_decisions_from_an_action_that_runs() -> None:
    assert decided_with({"restart"})["recycle"] > 80
    assert decided_with({"restart"})["restart"] < 10


def test_where_all_are_dry_runs_they_are_shown_as_if_they_ran() -> None:
    chosen = decided_with({"restart", "recycle"})
    assert chosen["restart"] + chosen["recycle"] > 30


def test_each_dry_run_has_its_part_of_the_floor() -> None:
    outlook = Outlook(np.array([0.1, 0.7, 0.9, 0.8]), np.array([0.1, 0.1, 0.1, 0.1]), 100.0)
    settings = PolicySettings(floor=0.08)
    names = ["none", "recycle", "restart", "wipe"]
    chances = chances_of(names, outlook, settings, dry={"restart", "wipe"})
    assert (chances["restart"], chances["wipe"]) == (pytest.approx(0.02), pytest.approx(0.02))
    assert sum(chances.values()) == pytest.approx(1.0)
    assert chances["recycle"] > 0.8
    assert chances_of(names, outlook, settings)["restart"] > 0.3

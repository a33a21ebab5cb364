"""What the hold-out of a run proves, by runs that are lists of events."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from schemas.events import ARMS, Event, Experience, Pattern, Proposal, Verdict
from streams.loop.actions import ActionSettings
from streams.loop.policy.choice import hold_out_of
from streams.operate.proof import MOST_PATTERNS, MOST_PEEKS, prove
from streams.operate.proof_fields import Lift, Proof
from streams.operate.simulation import fleet_loop
from streams.settings import Settings
from tests.loop.decided import SHARES, START, S, experience, measurement, proposal, verdict
from tests.operate.test_evaluation import Listed

COUNT, EVERY_US = 400, 30 * S
CHANCES = {"none": 0.1, "recycle": 0.7, "restart": 0.2}
EARNS = {"recycle": 0.8, "restart": 0.4, "none": 0.0}
Reward = Callable[[Proposal, np.random.Generator], float]


def settings(shares: dict[str, float] = SHARES, **account: float) -> Settings:
    known = fleet_loop(None)
    policy = replace(known.policy, hold_out=shares)
    actions = {name: ActionSettings(name=name, cost=0.1) for name in ("restart", "recycle")}
    return replace(known, policy=policy, actions=actions, account=replace(known.account, **account))


def drawn(number: int, shares: dict[str, float], **fields: Any) -> Proposal:
    """Return a proposal as the policy draws it: the arm by the episode, then the action by the arm."""
    episode = f"e{number}"
    hold_out = hold_out_of(episode, seed=7, shares=shares)
    rng = np.random.default_rng([number, 9])
    action = {"loop": str(rng.choice(list(CHANCES), p=list(CHANCES.values()))), "baseline": "restart"}
    chosen = action.get(hold_out.arm, "none")
    propensity = shares["loop"] * CHANCES[chosen] + shares["baseline"] * (chosen == "restart")
    given = {
        "id": f"p{number}", "time_us": START + number * EVERY_US, "hold_out": hold_out, "probabilities": CHANCES,
        "propensity": propensity + shares["none"] * (chosen == "none"),
    }  # fmt: skip
    return proposal(chosen, episode, f"host-{number % 20}", **(given | fields))


def noisy(one: Proposal, rng: np.random.Generator) -> float:
    return EARNS[one.action] + float(rng.uniform(-0.1, 0.1)) - 0.1 * (one.action != "none")


def seen(one: Proposal, share: float) -> list[Event]:
    """Return what detect says of an entity that recovers when this share of the horizon is left; 0: it does not."""
    horizon_us = settings().attribute.horizon_us
    normal_us = one.time_us + round((1.0 - share) * horizon_us)
    spans = [
        (one.time_us - S, normal_us, True),
        (normal_us, normal_us + 10, False),
        (normal_us + 10, normal_us + 20, False),
    ]
    return [
        replace(
            measurement(0, abnormal=abnormal, entity=one.entity), id=f"{one.id}-{start_us}", episode=one.episode,
            start_us=start_us, end_us=end_us, time_us=one.time_us,
        )
        for start_us, end_us, abnormal in spans
    ]  # fmt: skip


def events(count: int = COUNT, shares: dict[str, float] = SHARES, reward: Reward = noisy, **fields: Any) -> list[Event]:
    found: list[Event] = []
    for number in range(count):
        one = drawn(number, shares, **fields)
        told_us = one.time_us + 20 * S
        earned = reward(one, np.random.default_rng([number, 1]))
        cost = 0.1 * (one.action != "none")
        found += [
            replace(verdict(one), time_us=one.time_us),
            replace(experience(one, reward=earned, cost=cost, decided_us=one.time_us), time_us=told_us),
            *seen(one, earned + cost),
        ]
    return found


def proven(found: Sequence[Event], shares: dict[str, float] = SHARES, **account: float) -> Proof:
    return prove(Listed(found), settings(shares, **account))


@pytest.fixture(scope="module")
def proof() -> Proof:
    return proven(events())


def over(found: Proof) -> dict[str, Lift]:
    return {lift.over: lift for lift in found.lifts}


def known_us(after: int) -> int:
    """Return when it was known what the last of so many episodes came to: 20 s later, or once its horizon was over."""
    attribute = settings().attribute
    return START + (after - 1) * EVERY_US + max(20 * S, attribute.horizon_us + attribute.grace_us)


def test_the_lift_is_what_the_loops_arm_earns_more(proof: Proof) -> None:
    loop = sum(chance * (EARNS[name] - 0.1 * (name != "none")) for name, chance in CHANCES.items())
    for arm, earns in (("baseline", 0.3), ("none", 0.0)):
        lift = over(proof)[arm]
        assert lift.lift == pytest.approx(loop - earns, abs=0.1)
        assert lift.low <= loop - earns <= lift.high
        assert lift.episodes == proof.episodes == COUNT
    none = over(proof)["none"]
    assert none.low > 0.0
    assert none.proven_after is not None
    assert none.proven_us == known_us(none.proven_after)


def test_arms_are_counted_with_what_they_cost(proof: Proof) -> None:
    assert [arm.arm for arm in proof.arms] == list(ARMS)
    assert sum(arm.episodes for arm in proof.arms) == proof.episodes
    loop, baseline, none = proof.arms
    assert baseline.cost == pytest.approx(0.1 * baseline.episodes)
    assert (none.cost, none.left_alone) == (0.0, none.episodes)
    assert loop.left_alone == round(loop.cost * -10 + loop.episodes)
    assert loop.reward == pytest.approx(0.57, abs=0.05)


def test_exploring_and_the_hold_out_have_their_price(proof: Proof) -> None:
    assert proof.exploring is not None
    assert proof.exploring.price == pytest.approx(0.7 - 0.55, abs=0.05)
    assert proof.exploring.low <= 0.15 <= proof.exploring.high
    assert proof.exploring.decisions == proof.arms[0].episodes
    lifts, (_, baseline, none) = over(proof), proof.arms
    price = baseline.episodes * lifts["baseline"].lift + none.episodes * lifts["none"].lift
    assert proof.hold_out_price == pytest.approx(price)


def test_the_run_has_paid_once_it_earned_more_than_the_baseline_for_good() -> None:
    """The loop's arm earns 0.55, the baseline's 0.3, and a fifth of the episodes nothing."""
    shares = {"loop": 0.8, "baseline": 0.15, "none": 0.05}
    paid = proven(events(shares=shares), shares).paid
    assert paid is not None
    assert paid.value == pytest.approx(COUNT * (0.8 * 0.25 - 0.05 * 0.3), rel=0.4)
    assert paid.after is not None
    assert paid.time_us == known_us(paid.after)
    assert paid.sure_after is not None
    assert paid.sure_us == known_us(paid.sure_after)
    assert paid.after <= paid.sure_after


def test_what_was_paid_and_lost_again_is_not_paid_until_it_is_earned_for_good() -> None:
    """The loop's arm does well, then so badly that all of it is lost, then well again."""

    def reward(one: Proposal, _: np.random.Generator) -> float:
        number = int(one.id[1:])
        good = number < 80 or number >= 240
        return 0.3 if one.hold_out and one.hold_out.arm != "loop" else 0.9 if good else -0.1

    paid = proven(events(600, reward=reward)).paid
    assert paid is not None
    assert paid.after is not None
    assert 240 < paid.after < 600


def test_a_loop_that_does_as_the_baseline_never_pays_for_its_hold_out() -> None:
    same = proven(events(reward=lambda one, _: 0.3 if one.action != "none" else 0.0))
    assert same.paid is not None
    assert same.paid.value < 0.0
    assert same.paid.after is same.paid.sure_after is None
    lift = over(same)["baseline"]
    assert lift.low < 0.0 < lift.high
    assert lift.proven_after is None


def test_minutes_of_people_are_counted_and_have_a_price_where_one_is_declared() -> None:
    shares = {"loop": 0.8, "baseline": 0.15, "none": 0.05}
    found: list[Event] = []
    for event in events(shares=shares):
        asked = isinstance(event, Verdict) and event.proposal.hold_out and event.proposal.hold_out.arm == "loop"
        left = 50 - sum(isinstance(one, Verdict) and one.verdict == "escalate" for one in found)
        if isinstance(event, Verdict) and asked and left:
            yes = f"yes-{event.id}"
            found.append(replace(event, verdict="escalate", action=None))
            found.append(replace(event, id=f"{event.id}-2", approval=yes, approvals=(yes,)))
        else:
            found.append(event)
    free, dear = proven(found, shares), proven(found, shares, minutes_per_answer=3.0, price_of_minute=0.1)
    assert (free.arms[0].answers, free.arms[0].minutes) == (50, 100.0)
    assert dear.arms[0].minutes == 150.0
    assert free.paid is not None
    assert dear.paid is not None
    assert (free.paid.people, dear.paid.people, dear.paid.people_alone) == (0.0, pytest.approx(15.0), 0.0)
    assert dear.paid.value == pytest.approx(free.paid.value - 15.0)
    assert over(free)["baseline"] == over(dear)["baseline"]


def test_the_baseline_alone_would_have_asked_people_too() -> None:
    """All that is done is asked about, and what the loop's arm does is what the baseline does: nothing is lost."""
    shares = {"loop": 0.5, "baseline": 0.5, "none": 0.0}
    found: list[Event] = []
    for event in events(shares=shares, reward=lambda *_: 0.3):
        if isinstance(event, Verdict):
            yes = f"yes-{event.id}"
            found.append(replace(event, verdict="escalate", action=None))
            found.append(replace(event, id=f"{event.id}-2", approval=yes, approvals=(yes,)))
        else:
            found.append(event)
    paid = proven(found, shares, minutes_per_answer=1.0, price_of_minute=0.1).paid
    assert paid is not None
    assert paid.people == pytest.approx(0.1 * COUNT)
    chance = 0.1 * np.sqrt(COUNT)  # the standard deviation of what 400 fair draws, each of 0.2 or nothing, come to
    assert paid.people_alone == pytest.approx(paid.people, abs=4.0 * chance)
    assert paid.value == pytest.approx(0.0, abs=8.0 * chance)
    assert abs(paid.value) < 0.5 * paid.people, "the price of the run's minutes is none of the loop"


def test_what_limits_deny_stays_in_its_arm() -> None:
    """All that the loop's arm proposed was denied, and nothing recovered: its lift is that of doing nothing."""

    def reward(one: Proposal, rng: np.random.Generator) -> float:
        denied = one.hold_out is not None and one.hold_out.arm == "loop"
        return -0.1 * (one.action != "none") if denied else noisy(one, rng)

    found: list[Event] = []
    for event in events(reward=reward):
        one = event.proposal if isinstance(event, Verdict) else None
        if one is not None and one.hold_out and one.hold_out.arm == "loop":
            denied = experience(one, "censored", None, effective="none", verdict="deny", decided_us=one.time_us)
            found += [replace(verdict(one, "deny"), time_us=one.time_us), replace(denied, time_us=one.time_us)]
        elif not (isinstance(event, Experience) and event.arm == "loop"):
            found.append(event)
    told = proven(found)
    assert told.arms[0].left_alone == told.arms[0].episodes
    assert told.arms[0].unmeasured == 0
    assert over(told)["baseline"].high < 0.0
    assert over(told)["none"].low < 0.0 < over(told)["none"].high


def test_without_a_hold_out_nothing_is_proven() -> None:
    shares = {"loop": 1.0, "baseline": 0.0, "none": 0.0}
    alone = proven(events(50, shares), shares)
    assert (alone.lifts, alone.course, alone.paid, alone.patterns) == ((), (), None, ())
    assert alone.hold_out_price == 0.0
    assert alone.exploring is not None
    assert proven([]).episodes == 0
    assert proven([]).exploring is None


def test_with_one_of_the_other_arms_alone_that_lift_is_told() -> None:
    shares = {"loop": 0.5, "baseline": 0.5, "none": 0.0}
    found = proven(events(100, shares), shares)
    assert set(over(found)) == {"baseline"}
    assert found.hold_out_price is not None
    shares = {"loop": 0.5, "baseline": 0.0, "none": 0.5}
    none_only = proven(events(400, shares), shares)
    assert set(over(none_only)) == {"none"} == {none_only.over}
    assert none_only.paid is None
    lift, (pattern,) = over(none_only)["none"], none_only.patterns
    assert none_only.course[-1].low == lift.low
    assert pattern.lift == pytest.approx(lift.lift)
    assert (pattern.after, pattern.low) == (pattern.none_after, pattern.none_low)


def test_episodes_under_other_shares_are_left_out() -> None:
    """The range of what an episode can say follows from the shares, and has to be known beforehand."""
    shares = {"loop": 0.7, "baseline": 0.2, "none": 0.1}
    told = proven([*events(30, shares), *[one for one in events(100) if one.time_us >= START + 30 * EVERY_US - S]])
    assert (told.before, told.episodes) == (30, 70)


def test_episodes_under_another_baseline_are_left_out() -> None:
    found = events(100)
    other = drawn(200, SHARES, time_us=START + 40 * EVERY_US)
    assert other.hold_out is not None
    changed = replace(other, action="recycle", hold_out=replace(other.hold_out, arm="baseline"), propensity=0.9)
    told = proven([*found[:200], verdict(changed), experience(changed), *found[200:]])
    assert told.before == 41
    assert told.episodes == 60


def test_the_course_is_the_lift_as_it_was_at_each_look(proof: Proof) -> None:
    assert len(proof.course) == MOST_PEEKS
    last, lift = proof.course[-1], over(proof)["baseline"]
    assert (last.episodes, last.lift, last.low, last.high) == (lift.episodes, lift.lift, lift.low, lift.high)
    middle = proof.course[19]
    assert middle.time_us == known_us(middle.episodes)
    earlier = proven(events(middle.episodes))
    assert over(earlier)["baseline"].low == pytest.approx(middle.low)
    assert over(earlier)["baseline"].lift == pytest.approx(middle.lift)


def test_each_pattern_says_after_how_many_decisions_it_was_sure() -> None:
    """On `helps` the loop's arm earns much more, on `same` as much as the baseline."""

    def reward(one: Proposal, _: np.random.Generator) -> float:
        return 0.0 if one.action == "none" else 0.9 if one.pattern == "helps" and one.action == "recycle" else 0.1

    found: list[Event] = []
    for pattern, shift in (("helps", 0), ("same", 1)):
        for event in events(600, reward=reward, pattern=pattern):
            of = event.proposal if hasattr(event, "checks") else event
            found += [event] if int(str(of.episode)[1:]) % 2 == shift else []  # type: ignore[attr-defined]
    found.sort(key=lambda event: event.time_us)
    named = Pattern(
        id="named", time_us=START, pattern="helps", name="cpu up", status="recurring", support=9, signature={},
        first_us=0, last_us=0,
    )  # fmt: skip
    lines = {line.pattern: line for line in proven([*found, named]).patterns}
    assert lines["helps"].name == "cpu up"
    assert lines["helps"].after is not None
    assert lines["helps"].after < lines["helps"].episodes == 300
    assert lines["same"].after is None
    assert lines["helps"].lift > 0.4
    assert abs(lines["same"].lift) < 0.2


def test_the_bounds_of_all_patterns_hold_together() -> None:
    """Each is given a part of what may go wrong: the one pattern of a run has a wider interval than the run."""
    found = proven(events())
    (line,), lift = found.patterns, over(found)["baseline"]
    assert (line.episodes, line.lift) == (lift.episodes, pytest.approx(lift.lift))
    assert line.low < lift.low
    assert lift.high < line.high
    assert line.none_after is not None
    assert over(found)["none"].proven_after is not None
    assert line.none_after > over(found)["none"].proven_after


def test_what_an_answer_may_cost_is_known_beforehand() -> None:
    """The first answer, late in the run, does not change what was sure before it."""
    shares = {"loop": 0.8, "baseline": 0.15, "none": 0.05}
    found = events(shares=shares)
    late = [one for one in found if isinstance(one, Verdict)][-1]
    asked = [replace(late, id="asked", verdict="escalate", action=None), replace(late, approval="yes", id="told")]
    silent, answered = (
        proven([*found, *more], shares, minutes_per_answer=1.0, price_of_minute=0.05).paid for more in ([], asked)
    )
    assert silent is not None
    assert answered is not None
    assert answered.people == pytest.approx(0.05)
    assert silent.sure_after is not None
    assert answered.sure_after == silent.sure_after
    free = proven(found, shares).paid
    assert free is not None
    assert free.sure_after is not None
    assert free.sure_after < silent.sure_after, "what may be asked is in the range"


def test_what_held_once_and_does_not_now_is_told() -> None:
    def reward(one: Proposal, _: np.random.Generator) -> float:
        good = int(one.id[1:]) < 150
        return 0.3 if one.hold_out and one.hold_out.arm != "loop" else 0.9 if good else -0.1

    shares = {"loop": 0.8, "baseline": 0.15, "none": 0.05}
    paid = proven(events(600, shares, reward=reward), shares).paid
    assert paid is not None
    assert paid.sure_after is not None
    assert not paid.sure_now
    good = proven(events(150, shares, reward=reward), shares).paid
    assert good is not None
    assert good.sure_now


def test_more_than_the_dearest_action_is_counted_and_cut() -> None:
    """The range of a reward is known beforehand: what people did beside the loop cannot widen it."""
    found = events(40)
    theirs = drawn(3, SHARES, id="theirs", by="ada", hold_out=None)
    acts = [verdict(theirs), experience(theirs, reward=0.0, cost=0.5, effective="restart", decided_us=theirs.time_us)]
    told, without = proven([*found, *acts]), proven(found)
    assert (told.dear, without.dear) == (1, 0)
    cost = sum(arm.cost for arm in told.arms) - sum(arm.cost for arm in without.arms)
    assert cost == pytest.approx(0.5)


def test_patterns_are_bounded() -> None:
    found: list[Event] = []
    for number in range(3 * MOST_PATTERNS):
        one = drawn(number, SHARES, pattern=f"p-{number // 2}")
        found += [replace(verdict(one), time_us=one.time_us), experience(one, reward=0.5, decided_us=one.time_us)]
        found += seen(one, 0.5)
    assert len(proven(found).patterns) == MOST_PATTERNS


def test_arms_that_acted_side_by_side_are_told_and_the_lift_without_them() -> None:
    found = proven(events(group="east"))
    assert (found.beside.grouped, found.beside.exposed) == (found.episodes, 0), "episodes are 30 s apart"
    assert found.beside.apart is None
    near = replace(settings(), attribute=replace(settings().attribute, horizon_us=2 * EVERY_US))
    crowded = prove(Listed(events(group="east")), near)
    assert 0 < crowded.beside.crossed <= crowded.beside.exposed < crowded.episodes
    assert crowded.beside.apart is not None
    assert crowded.beside.apart.episodes == crowded.episodes - crowded.beside.exposed
    assert proven(events()).beside.grouped == 0


def test_what_has_no_hold_out_is_of_no_arm() -> None:
    found = events(20)
    bare = drawn(99, SHARES, hold_out=None)
    assert proven([*found, verdict(bare), experience(bare)]).episodes == 20


def test_decisions_on_lives_are_left_out_and_counted_once() -> None:
    lives = [replace(drawn(number, SHARES), episode="", pattern="novel", model="lives/3") for number in range(6)]
    told: list[Event] = [event for life in lives for event in (verdict(life), experience(life, "defaulted", None))]
    late = [experience(life, "late", None) for life in lives[:2]]
    asked = [verdict(life, "escalate") for life in lives]
    theirs = replace(lives[0], id="theirs", by="ada")
    found = proven([*events(20), *asked, *told, *late, verdict(theirs), experience(theirs, by="ada")])
    assert (found.episodes, found.lives) == (20, 6)
    alone = proven(told)
    assert (alone.episodes, alone.open, alone.lives) == (0, 0, 6)


def test_what_was_told_late_was_not_known_before_though_later_ones_were() -> None:
    found = events(40)
    last = next(event for event in found if isinstance(event, Experience) and event.proposal == "p3")
    late_us = START + 100 * EVERY_US
    late = replace(last, id="late", state="late", retracted_reward=last.reward, time_us=late_us)
    course = proven([*found, late]).course
    assert [one.time_us for one in course if one.episodes <= 3] == [known_us(one) for one in (1, 2, 3)]
    assert {one.time_us for one in course if one.episodes > 3} == {late_us}

"""What the gate keeps back at its level, the loop's arm leaves out as long as another action may run."""

from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from schemas.events import Event, Proposal
from streams.loop.policy.choice import hold_out_of
from streams.loop.policy.held_back import HeldBack
from streams.loop.policy.state import State
from tests.loop.decided import SHARES, START, S, at, blocked, proposal, recorded, recurrence, verdict
from tests.loop.held_back import LOOP_ALONE, Run, policy, told
from tests.loop.test_gate_levels_patterns import merged
from tests.loop.test_policy import fold, taught, tick

ALL = ("recycle", "restart", "shed")


def decided(*held: str, seed: int = 7, episode: str = "e1", **fields: object) -> Proposal:
    """Return what is proposed where the gate said before that these are held back."""
    processor = policy(seed=seed, **fields)
    if held:
        fold(processor, told(*held), first=1)
    (one,) = fold(processor, recurrence(episode), first=9)
    return one


def test_a_loop_of_which_the_best_action_is_only_shown_does_what_may_run() -> None:
    run = Run(policy(hold_out=LOOP_ALONE), "recycle", "shed")
    run.live(150)
    last = run.proposals[-100:]
    assert Counter(one.action for one in last)["restart"] > 85
    for one in last:
        assert set(one.probabilities) == {"none", "restart"}
        assert one.blocked == ("level:recycle", "level:shed")
    assert Counter(one.wanted for one in last)["recycle"] > 50


@pytest.mark.parametrize("held", [("recycle",), ("restart",), ("restart", "shed"), ("recycle", "shed")])
def test_propensities_are_exact_for_the_whole_procedure(held: tuple[str, ...]) -> None:
    teacher = policy()
    taught(teacher, {"recycle": 0.6, "restart": 0.45, "shed": 0.1}, times=4)
    fold(teacher, told(*held), first=1)
    state, chosen, said, n = teacher.snapshot(), Counter[str](), dict[str, float](), 2500
    for seed in range(n):
        processor = policy(seed=seed)
        processor.restore(state)
        (one,) = fold(processor, recurrence("e1"), first=9)
        chosen[one.action] += 1
        assert said.setdefault(one.action, one.propensity) == one.propensity
        assert sum(one.probabilities.values()) == pytest.approx(1.0)
        assert set(one.probabilities) == {"none", "restart", *ALL} - {*held} | {"restart"}
        assert (one.probabilities["restart"] == 0.0) == ("restart" in held)
    assert sum(said.values()) == pytest.approx(1.0)
    assert set(said) == {"none", "restart", *ALL} - {*held} | {"restart"}
    assert {action: count / n for action, count in chosen.items()} == pytest.approx(said, abs=0.03)
    if "restart" in held:
        assert said["restart"] == SHARES["baseline"]


@pytest.mark.parametrize(("arm", "action"), [("baseline", "restart"), ("none", "none")])
def test_the_held_out_arms_are_not_masked_and_want_nothing(arm: str, action: str) -> None:
    episodes = [f"e{n}" for n in range(200) if hold_out_of(f"e{n}", seed=7, shares=SHARES).arm == arm]
    for episode in episodes:
        one = decided("restart", "recycle", episode=episode)
        assert (one.action, one.wanted, one.blocked) == (action, None, ("level:recycle", "level:restart"))
        assert one.why is not None
        assert one.why.mode == "held-out"


def test_where_all_are_held_back_nothing_changes() -> None:
    for seed in range(20):
        assert decided(*ALL, seed=seed) == decided(seed=seed)


def test_and_where_limits_block_what_else_may_run() -> None:
    free, held = policy(), policy()
    fold(held, told("recycle", "shed"), first=1)
    for processor in (free, held):
        processor.on_batch(recorded(blocked(action__restart=0), first=5), at(0))
    assert fold(held, recurrence("e1"), first=9) == fold(free, recurrence("e1"), first=9)


def test_what_is_wanted_is_what_the_same_draw_would_have_been_if_every_level_let_it_run() -> None:
    wanted = Counter[str | None]()
    for seed in range(300):
        free, held = decided(seed=seed), decided("recycle", "shed", seed=seed)
        assert free.hold_out is not None
        is_kept = free.hold_out.arm == "loop" and free.action in ("recycle", "shed")
        assert held.wanted == (free.action if is_kept else None)
        assert held.action not in ("recycle", "shed")
        wanted[held.wanted] += 1
    assert min(wanted[action] for action in (None, "recycle", "shed")) > 9


def test_where_people_are_asked_it_is_about_what_is_not_held_back_and_what_else_would_have_been_is_told() -> None:
    asked = 0
    for seed in range(200):
        free = decided(seed=seed, ask_cost=0.0, hold_out=LOOP_ALONE)
        held = decided("recycle", seed=seed, ask_cost=0.0, hold_out=LOOP_ALONE)
        assert held.action != "recycle"
        assert held.wanted == ("recycle" if free.action == "recycle" else None)
        asked += held.asked
    assert asked > 20


def test_what_is_raised_is_known_from_the_next_decision_on_whatever_that_was() -> None:
    for seed in range(20):
        processor = policy(seed=seed)
        (one,) = fold(processor, told("recycle", "shed"), recurrence("e1"), first=1)
        fold(processor, verdict(one, held_back=("shed",)), first=5)
        (later,) = fold(processor, recurrence("e2", "web-2"), first=9)
        assert later.blocked == ("level:shed",)
        fold(processor, verdict(later), first=15)  # it left one out, and of none is said that it is held back
        (last,) = fold(processor, recurrence("e3", "web-3"), first=19)
        assert last.blocked == ()


def test_a_verdict_on_what_left_nothing_out_says_nothing_of_levels() -> None:
    processor = policy()
    fold(processor, told("shed"), verdict(proposal("restart", "e0", "other")), first=1)
    (one,) = fold(processor, recurrence("e1"), first=9)
    assert one.blocked == ("level:shed",)


def test_what_is_held_back_of_one_pattern_is_not_of_another_and_of_merged_ones_the_lower_level_holds() -> None:
    processor = policy()
    fold(processor, told("shed"), told("recycle", pattern="p-2"), first=1)
    (other,) = fold(processor, recurrence("e0", "web-0", pattern="p-3"), first=5)
    assert other.blocked == ()
    fold(processor, merged("p-2", "p-1"), first=6)
    (one,) = fold(processor, recurrence("e1"), first=9)
    assert one.blocked == ("level:recycle", "level:shed")


def test_it_is_known_again_after_an_upgrade() -> None:
    processor = policy()
    fold(processor, told("restart"), first=1)
    processor.relearn([told("shed"), told("recycle", pattern="p-2")])
    (one,) = fold(processor, recurrence("e1"), first=9)
    assert one.blocked == ("level:shed",)


def test_the_patterns_are_bounded_the_one_told_last_kept_longest() -> None:
    known = HeldBack(limit=2)
    for pattern in ("p-1", "p-2", "p-1", "p-3"):
        known.hear(told("shed", pattern=pattern))
    assert known.columns() == [("p-1", ("shed",)), ("p-3", ("shed",))]
    processor = policy(remembered=3, open_limit=3)
    fold(processor, *(told("shed", pattern=f"p-{n}") for n in range(9)), first=1)
    state = msgspec.msgpack.decode(processor.snapshot(), type=State)
    assert [pattern for pattern, _ in state.held_back] == ["p-6", "p-7", "p-8"]


@pytest.mark.parametrize("cuts", [[], [3, 4, 11], [1, 2, 30, 31]])
def test_any_split_and_restart_gives_the_same(cuts: list[int]) -> None:
    run = Run(policy(), "restart", "shed")
    run.live(40)
    records = recorded(*run.events)
    whole, parts = policy(), policy()
    expected = whole.on_batch(records, at(9e3))
    outputs: list[Event] = []
    for start, stop in pairwise([0, *cuts, len(records)]):
        outputs += parts.on_batch(records[start:stop], at(9e3))
        state, parts = parts.snapshot(), policy()
        parts.restore(state)
    assert outputs == expected
    assert parts.snapshot() == whole.snapshot()
    assert any(isinstance(one, Proposal) and one.wanted for one in outputs)


def test_why_tells_only_of_what_could_be_drawn_and_the_baseline() -> None:
    run = Run(policy(), "restart", "recycle")
    run.live(60)
    modes = Counter[str]()
    for one in run.proposals[30:]:
        assert one.why is not None
        assert one.why.runner_up in {"shed", "none", "restart"} - {one.action}
        modes[one.why.mode] += 1
    assert modes.keys() >= {"best", "held-out"}


@pytest.mark.parametrize("arm", sorted(SHARES))
def test_where_what_may_run_is_at_its_limit_for_a_time_episodes_of_all_arms_wait_for_that(arm: str) -> None:
    processor = policy(hold_out={name: float(name == arm) for name in SHARES})
    fold(processor, told("restart", "shed"), first=1)
    fold(processor, blocked(action__recycle=40), first=5)
    assert fold(processor, recurrence("e1"), first=9) == []
    assert processor.next_time() == START + 40 * S
    (one,) = tick(processor, 40)
    assert (one.episode, one.blocked) == ("e1", ("level:restart", "level:shed"))
    (other,) = fold(processor, recurrence("e2", "web-2", "p-2"), first=19)
    assert other.blocked == ("action:recycle",)  # of that pattern nothing is known to be held back


@pytest.mark.parametrize("until", [0, 90])
def test_an_episode_waits_for_the_first_that_may_run_whose_end_is_known(until: int) -> None:
    processor = policy(hold_out=LOOP_ALONE)
    fold(processor, told("restart"), first=1)
    fold(processor, blocked(action__recycle=40, action__shed=until), first=5)
    assert fold(processor, recurrence("e1"), first=9) == []
    assert processor.next_time() == START + 40 * S


def test_where_no_more_may_run_than_is_held_back_it_is_shown_at_once() -> None:
    processor = policy(hold_out=LOOP_ALONE)
    fold(processor, told(*ALL), first=1)
    fold(processor, blocked(action__recycle=40), first=5)
    (one,) = fold(processor, recurrence("e1"), first=9)
    assert one.blocked == ("action:recycle",)

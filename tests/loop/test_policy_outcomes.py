"""What the policy learned does not depend on how outcomes came: late, in another order, twice, or wrong."""

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from schemas.events import Event, Experience, MetricSignature, Proposal, Recurrence
from streams.loop.policy import Policy, PolicySettings
from streams.loop.policy.state import State
from tests.loop.decided import ACTIONS, at, experience, recorded, recurrence

DECISIONS = 60
COST = 0.1
REWARDS = (0.9 - COST, -COST, 0.5 - COST)


def policy() -> Policy:
    return Policy(PolicySettings(), loop="t", seed=7, actions=ACTIONS)


def fold(processor: Policy, events: Sequence[Event], *, first: int = 0) -> list[Proposal]:
    outputs = processor.on_batch(recorded(*events, first=first), at(0))
    return [event for event in outputs if isinstance(event, Proposal)]


def occurrence(number: int) -> Recurrence:
    draw = random.Random(number)
    signature = {name: MetricSignature(mean=draw.gauss(0, 5), peak=8.0, trend=draw.random()) for name in ("cpu", "ram")}
    return recurrence(
        f"e{number}", entity=f"web-{number}", pattern=f"p-{number % 3}", severity=draw.random() * 9, signature=signature
    )


def outcomes(proposals: Sequence[Proposal]) -> list[list[Experience]]:
    """Return what is told of each decision, in order: of a third of them a default, and later what was true."""
    told = []
    for number, one in enumerate(proposals):
        effective = sorted(ACTIONS)[number % 3]
        true = REWARDS[number // 3 % 3]
        kept = {"effective": effective, "cost": COST}
        if number % 3:
            told.append([experience(one, reward=true, **kept)])
        else:
            default = None if number % 2 else 0.3
            told.append(
                [
                    experience(one, "defaulted", default, **kept),
                    experience(one, "late", true, retracted_reward=default, **kept),
                ]
            )
    return told


def shuffled(told: Sequence[Sequence[Experience]], seed: int) -> list[Experience]:
    """Return all that is told in another order, but a default before what corrects it."""
    turns = [number for number, some in enumerate(told) for _ in some]
    random.Random(seed).shuffle(turns)
    left = [list(some) for some in told]
    return [left[number].pop(0) for number in turns]


def state_of(processor: Policy) -> tuple[State, dict[str, Any]]:
    """Return the state, and that of its reward models."""
    state = msgspec.msgpack.decode(processor.snapshot(), type=State)
    return state, msgspec.msgpack.decode(state.model)


def numbers(part: object) -> Iterator[npt.NDArray[np.float64]]:
    """Yield all numbers of a part of the state of the reward models, whose bytes are arrays of float64."""
    match part:
        case bytes():
            yield np.frombuffer(part)
        case bool() | int() | float():
            yield np.array([float(part)])
        case dict():
            for one in part.values():
                yield from numbers(one)
        case list():
            for one in part:
                yield from numbers(one)


def apart(one: object, other: object) -> float:
    """Return the largest relative difference of two parts of the state."""
    pairs = list(zip(numbers(one), numbers(other), strict=True))
    assert len(pairs) > 1
    return max(
        float((np.abs(a - b) / np.maximum(np.maximum(np.abs(a), np.abs(b)), 1e-9 * np.abs(a).max() + 1e-300)).max())
        for a, b in pairs
        if a.size
    )


@pytest.mark.parametrize("seed", range(5))
def test_after_the_same_decisions_outcomes_in_any_order_give_the_same_state(seed: int) -> None:
    ordered, other = policy(), policy()
    for each in (ordered, other):
        proposals = fold(each, [occurrence(number) for number in range(DECISIONS)])
    told = outcomes(proposals)
    fold(ordered, [one for some in told for one in some], first=DECISIONS)
    fold(other, shuffled(told, seed), first=DECISIONS)
    (state, model), (state_too, model_too) = state_of(ordered), state_of(other)
    assert apart(model, model_too) < 1e-9
    assert sorted(state.seen) == sorted(state_too.seen)  # they are kept in the order in which they came
    rest = [msgspec.structs.replace(one, model=b"", seen=[]) for one in (state, state_too)]
    assert rest[0] == rest[1]


@pytest.mark.parametrize("seed", range(5))
def test_outcomes_that_come_between_decisions_give_the_same_regressions_and_offsets_but_other_shares(seed: int) -> None:
    early, late = policy(), policy()
    proposals = fold(late, [occurrence(number) for number in range(DECISIONS)])
    told = outcomes(proposals)
    fold(late, shuffled(told, seed), first=DECISIONS)
    for number, some in enumerate(told):
        (one,) = fold(early, [occurrence(number)], first=number)
        assert one.id == proposals[number].id
        fold(early, some, first=DECISIONS + 2 * number)
    (_, model), (_, model_too) = state_of(early), state_of(late)
    for part in ("scale", "bank", "offsets", "actions", "updates"):
        assert part == "updates" or apart(model[part], model_too[part]) < 1e-9, part
    assert model["updates"] == model_too["updates"]
    assert apart(model["mix"], model_too["mix"]) > 1e-3


@pytest.mark.parametrize("default", [None, 0.3])
def test_a_correction_leaves_nothing_of_the_default(default: float | None) -> None:
    corrected, direct = policy(), policy()
    for each in (corrected, direct):
        (one,) = fold(each, [occurrence(0)])
    fold(corrected, [experience(one, "defaulted", default)], first=5)
    fold(corrected, [experience(one, "late", 0.8, retracted_reward=default)], first=6)
    fold(direct, [experience(one, reward=0.8)], first=5)
    (_, model), (_, model_too) = state_of(corrected), state_of(direct)
    del model["updates"], model_too["updates"]
    assert apart(model, model_too) < 1e-9


def test_a_correction_by_which_nothing_is_known_takes_the_default_back() -> None:
    corrected, untold = policy(), policy()
    for each in (corrected, untold):
        (one,) = fold(each, [occurrence(0)])
    fold(corrected, [experience(one, "defaulted", 0.8)], first=5)
    fold(corrected, [experience(one, "late", None, retracted_reward=0.8)], first=6)
    (_, model), (_, model_too) = state_of(corrected), state_of(untold)
    (solutions, solutions_too) = (np.frombuffer(one["bank"][4]) for one in (model, model_too))
    assert np.abs(solutions - np.pad(solutions_too, (0, len(solutions) - len(solutions_too)))).max() < 1e-9


@pytest.mark.parametrize("late", [None, 0.3, -0.9])
def test_after_a_late_end_its_default_teaches_nothing_any_more(late: float | None) -> None:
    repeated, once = policy(), policy()
    for each in (repeated, once):
        (one,) = fold(each, [occurrence(0)])
        fold(each, [experience(one, "defaulted", 0.8)], first=5)
        fold(each, [experience(one, "late", late, retracted_reward=0.8)], first=6)
    fold(repeated, [experience(one, "defaulted", 0.8)], first=7)
    assert repeated.snapshot() == once.snapshot()


def test_a_correction_that_cannot_be_a_reward_takes_the_default_back_all_the_same() -> None:
    impossible, untold = policy(), policy()
    for each, reward in ((impossible, -0.9), (untold, None)):
        (one,) = fold(each, [occurrence(0)])
        fold(each, [experience(one, "defaulted", 0.8)], first=5)
        fold(each, [experience(one, "late", reward, retracted_reward=0.8, cost=0.1)], first=6)
    assert impossible.snapshot() == untold.snapshot()


IMPOSSIBLE: list[tuple[str, float, float]] = [
    # what, the reward, the cost of its action
    ("less than the cost was lost", -0.2, 0.1),
    ("the sign of a success is wrong", -0.9, 0.1),
    ("more than a full recovery, less the cost", 0.95, 0.1),
    ("nothing that is a number", math.nan, 0.1),
]


@pytest.mark.parametrize(("what", "reward", "cost"), IMPOSSIBLE)
def test_what_cannot_be_a_reward_of_the_action_teaches_nothing(what: str, reward: float, cost: float) -> None:
    processor, other = policy(), policy()
    for each in (processor, other):
        (one,) = fold(each, [occurrence(0)])
    fold(processor, [experience(one, reward=reward, cost=cost)], first=5)
    fold(other, [experience(one, "unobservable", None)], first=5)
    assert processor.snapshot() == other.snapshot(), what


@pytest.mark.parametrize("reward", [-0.1, 0.9])
def test_the_least_and_the_most_that_an_action_can_earn_teach(reward: float) -> None:
    processor = policy()
    (one,) = fold(processor, [occurrence(0)])
    fold(processor, [experience(one, reward=reward, cost=0.1)], first=5)
    assert state_of(processor)[1]["updates"] == 1

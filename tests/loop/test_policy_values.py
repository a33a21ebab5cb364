"""The policy knows what an entity is like: the latest values of its metrics, when it decides."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.events import Proposal, Verdict
from streams.loop.policy.reward_models import reward_model_settings
from streams.loop.policy.settings import PolicySettings
from streams.loop.policy.values import MOST, NAMED, OTHER, WEIGHT, chosen
from tests.loop.decided import START, S, experience, measurement, recurrence, verdict
from tests.loop.test_policy import fold, policy, tick


def values_in(one: Proposal) -> dict[str, float]:
    return {name: value for name, value in one.features.items() if name.startswith((NAMED, OTHER))}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["*"], ["a", "b", "c"]),
        (["c", "*"], ["c", "a", "b"]),
        (["*", "a"], ["b", "c", "a"]),
        (["c", "gone", "a", "c"], ["c", "a"]),
        ([], []),
    ],
)
def test_what_counts_is_named_and_the_others_come_by_name(names: list[str], expected: list[str]) -> None:
    values = {"c": 3.0, "b": 2.0, "a": 1.0, "broken": math.nan, "endless": math.inf}
    found = chosen(values, names)
    assert list(found) == expected
    assert found == {name: values[name] for name in expected}


def test_few_count_however_many_there_are() -> None:
    many = {f"m{number:02d}": float(number) for number in range(40)}
    assert list(chosen(many, ["m30", "*"])) == ["m30", *(f"m{number:02d}" for number in range(MOST - 1))]


def test_a_decision_has_the_values_that_its_recurrence_tells() -> None:
    state = {"cpu": 70.0, "queue": 4.0}
    (one,) = fold(policy(), recurrence(state=state))
    assert values_in(one) == {"other:cpu": 70.0, "other:queue": 4.0}
    (one,) = fold(policy(values=("queue", "*")), recurrence(state=state))
    assert values_in(one) == {"value:queue": 4.0, "other:cpu": 70.0}
    (one,) = fold(policy(values=()), recurrence(state=state))
    assert values_in(one) == {}


def test_an_episode_that_waits_is_decided_by_what_was_measured_last() -> None:
    processor = policy()
    (first,) = fold(processor, recurrence("e1", state={"cpu": 70.0, "queue": 4.0}))
    assert fold(processor, recurrence("e2", state={"cpu": 71.0, "queue": 5.0}), seconds=1.0) == []
    newer = measurement(2.0, abnormal=True, values={"cpu": 90.0, "disk": 1.0})
    elsewhere = measurement(3.0, abnormal=True, entity="web-2", values={"cpu": 1.0})
    assert fold(processor, newer, elsewhere, seconds=4.0) == []
    other = policy()
    other.restore(processor.snapshot())
    assert other.snapshot() == processor.snapshot()
    for one in (processor, other):
        (second,) = fold(one, experience(first), seconds=20.0)
        assert second.episode == "e2"
        assert values_in(second) == {"other:cpu": 90.0, "other:disk": 1.0, "other:queue": 5.0}


def test_an_episode_that_is_decided_again_is_decided_by_what_was_measured_last() -> None:
    processor = policy()
    (first,) = fold(processor, recurrence(state={"cpu": 70.0}))
    fold(processor, denied(first, retry_s=60.0), measurement(2.0, abnormal=True, values={"cpu": 95.0}), seconds=3.0)
    fold(processor, experience(first, "censored", None), seconds=4.0)
    (again,) = tick(processor, 61.0)
    assert values_in(first) == {"other:cpu": 70.0}
    assert values_in(again) == {"other:cpu": 95.0}


def test_where_no_values_count_a_measurement_changes_nothing() -> None:
    processor = policy(values=())
    fold(processor, recurrence("e1", state={"cpu": 70.0}))
    fold(processor, recurrence("e2", state={"cpu": 71.0}), seconds=1.0)
    before = processor.snapshot()
    fold(processor, measurement(2.0, abnormal=True, values={"cpu": 90.0}), seconds=3.0)
    assert processor.snapshot() == before


def denied(of: Proposal, *, retry_s: float) -> Verdict:
    return verdict(of, "deny", retry_after_us=START + int(retry_s * S))


def test_all_that_nobody_named_count_together_as_much_as_one_other_feature() -> None:
    made = reward_model_settings(PolicySettings(), actions=2)
    assert (made.faint_features, made.faint_weight) == (OTHER, WEIGHT)
    assert pytest.approx(1.0) == MOST * WEIGHT**2


def earned(**fields: Any) -> float:
    """Return what the later half of decisions earns where a restart helps below a level that is no trouble, and
    recycling above it.
    """
    processor, rng = policy(hold_out={"loop": 1.0, "baseline": 0.0, "none": 0.0}, **fields), np.random.default_rng(3)
    rewards: list[float] = []
    for number in range(400):
        load = float(rng.normal(200.0, 40.0))
        state = {"cpu": float(rng.normal(70.0, 9.0)), "load": load} if number % 5 else {"load": load}
        (one,) = fold(processor, recurrence(f"e{number}", entity=f"web-{number}", state=state), first=number)
        best = "restart" if load < 200.0 else "recycle"
        rewards.append(0.9 if one.action == best else 0.1)
        fold(processor, experience(one, reward=rewards[-1]), first=number)
    return sum(rewards[200:]) / 200


def test_a_remedy_that_depends_on_a_level_is_learned_though_metrics_come_and_go() -> None:
    assert earned(values=()) < 0.6
    assert earned() > 0.75
    assert earned(values=("load",)) > 0.75


def test_a_policy_that_knew_no_values_goes_on_with_them() -> None:
    older, newer = policy(values=()), policy()
    for number in range(40):
        (one,) = fold(
            older, recurrence(f"e{number}", entity=f"web-{number}", state={"cpu": float(number)}), first=number
        )
        fold(older, experience(one, reward=0.5), first=number)
    newer.restore(older.snapshot())
    (one,) = fold(newer, recurrence("e99", entity="web-99", state={"cpu": 99.0}))
    assert values_in(one) == {"other:cpu": 99.0}
    assert one.model == "ridges/40"
    again = policy()
    again.restore(newer.snapshot())
    assert again.snapshot() == newer.snapshot()
    assert msgspec.msgpack.decode(again.snapshot())["version"] == msgspec.msgpack.decode(older.snapshot())["version"]


def test_a_value_that_is_none_never_stands_in_a_proposal() -> None:
    (one,) = fold(policy(), recurrence(state={"cpu": math.nan, "queue": 4.0}))
    assert values_in(one) == {"other:queue": 4.0}

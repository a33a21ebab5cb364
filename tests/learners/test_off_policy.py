"""What other policies would have earned: cases by hand, and simulated logs with the truth beside them."""

from dataclasses import replace

import numpy as np
import pytest

from streams.learners.cross_fitting import fold_of
from streams.learners.empirical_bernstein import design_effect
from streams.learners.off_policy import BOUND, Log, difference, estimate, judge
from tests.bench import ope_world as worlds
from tests.bench.ope_world import World

UNDISTURBED = World(intervenes=False)


def by_hand(actions: list[int], rewards: list[float], logged: list[float], repeat: int = 1) -> Log:
    """Return a log of entities that are met once each, in which everything happens as proposed."""
    count = len(actions) * repeat
    happened = np.array(actions * repeat)
    return Log(
        features=np.ones((count, 1)),
        clusters=np.arange(count),
        folds=np.array([fold_of(str(number)) for number in range(count)]),
        proposed=happened,
        explores=np.zeros(count, dtype=np.bool_),
        stopped=np.zeros(count, dtype=np.bool_),
        happened=happened,
        rewards=np.array(rewards * repeat),
        logged=np.tile(logged, (count, 1)),
    )


def always(log: Log, action: int) -> np.ndarray:
    return np.eye(log.logged.shape[1])[np.full(len(log), action)]


def test_ips_and_snips_by_hand() -> None:
    log = by_hand([0, 0, 0, 1], [0.5, 0.25, 0.75, 1.0], [0.75, 0.25])
    found = estimate(log, judge(log, always(log, 1)))
    assert found.ips == pytest.approx(4.0 * 1.0 / 4)
    assert found.snips == pytest.approx(1.0)
    found = estimate(log, judge(log, log.logged))
    assert found.ips == found.snips == pytest.approx(2.5 / 4)


def test_doubly_robust_by_hand_before_any_reward_was_seen() -> None:
    """The first decisions are foretold as one half: it earns that, and by weight what it was off."""
    log = by_hand([0, 1], [0.2, 0.9], [0.5, 0.5])
    found = estimate(log, judge(log, always(log, 1)))
    assert found.doubly_robust == pytest.approx((0.5 + (0.5 + 2.0 * (0.9 - 0.5))) / 2)


def test_a_policy_that_does_what_the_log_did_earns_what_the_log_did() -> None:
    log = by_hand([0, 1, 1, 0], [0.0, 1.0, 0.5, 0.25], [0.5, 0.5], repeat=50)
    judged = judge(log, log.logged)
    found = estimate(log, judged)
    assert judged.weights == pytest.approx(1.0)
    assert found.ips == found.snips == pytest.approx(log.rewards.mean())
    assert found.doubly_robust == pytest.approx(log.rewards.mean(), abs=0.01)
    assert judged.support.is_enough
    assert difference(log, judged, judged) == (0.0, 0.0, 0.0)


def test_decisions_without_weight_leave_the_foretold_reward_and_everything_open() -> None:
    log = by_hand([0] * 100, [1.0] * 100, [1.0, 0.0])
    judged = judge(log, always(log, 1))
    found = estimate(log, judged)
    assert not judged.weights.any()
    assert np.isnan(found.snips)
    assert (found.low, found.high) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert not judged.support.is_enough


def test_rewards_that_were_not_seen_have_no_weight() -> None:
    log = by_hand([0, 1], [0.4, np.nan], [0.5, 0.5], repeat=100)
    judged = judge(log, always(log, 1))
    assert not judged.weights.any()
    assert not judged.support.is_enough
    assert judged.support.uncovered == (0.0, 1.0)


def test_every_decision_is_bounded_from_the_side_that_matters() -> None:
    log, met = worlds.simulate(1, 2_000, World())
    for target in (worlds.none(met.eligible), worlds.baseline(met.eligible), worlds.other(met)):
        judged = judge(log, target)
        assert judged.lows.min() >= -BOUND
        assert judged.highs.max() <= 1.0 + BOUND
        found = estimate(log, judged)
        assert found.low <= found.doubly_robust <= found.high


@pytest.fixture(scope="module")
def truths() -> dict[str, float]:
    """Return what three policies earn in the world with limits, refusals and people."""
    return {
        "none": worlds.truth(World(), lambda met: worlds.none(met.eligible)),
        "baseline": worlds.truth(World(), lambda met: worlds.baseline(met.eligible)),
        "other": worlds.truth(World(), worlds.other),
    }


def test_intervals_hold_at_every_look_and_estimates_are_right_although_others_intervene(
    truths: dict[str, float],
) -> None:
    held, off, wished, ratios = 0, [], [], []
    for seed in range(30):
        log, met = worlds.simulate(seed, 1_500, World())
        target = worlds.baseline(met.eligible)
        looks = []
        for count in (50, 150, 400, 800, 1_500):
            part = log.take(slice(count))
            found = estimate(part, judge(part, target[:count]))
            looks.append(found.low <= truths["baseline"] <= found.high)
        held += all(looks)
        judged = judge(log, target)
        normal = 1.96 * np.sqrt(design_effect(judged.values, log.clusters) * judged.values.var() / len(log))
        ratios.append((found.high - found.low) / 2.0 / normal)
        off.append((found.doubly_robust - truths["baseline"], found.snips - truths["baseline"]))
        rows = np.flatnonzero(log.seen)
        told = replace(log, happened=log.proposed).take(rows)
        wish = estimate(told, judge(told, target[rows]))
        wished.append((wish.doubly_robust - truths["baseline"], wish.snips - truths["baseline"]))
    assert held >= 28
    assert np.mean(ratios) < 2.5
    noise = np.std(off, axis=0) / np.sqrt(30)
    assert (np.abs(np.mean(off, axis=0)) < 3.0 * noise).all()
    assert (np.abs(np.mean(wished, axis=0)) > 5.0 * noise).all()


def test_entities_that_differ_widen_the_interval() -> None:
    log, met = worlds.simulate(4, 2_000, UNDISTURBED)
    target = worlds.none(met.eligible)
    apart = replace(log, clusters=np.arange(len(log)))
    whole, alone = estimate(log, judge(log, target)), estimate(apart, judge(apart, target))
    assert whole.doubly_robust == alone.doubly_robust
    assert whole.high - whole.low > alone.high - alone.low


def test_a_look_is_what_it_was_when_the_log_goes_on() -> None:
    """Without interventions nothing is estimated that later decisions could change."""
    log, met = worlds.simulate(2, 1_000, UNDISTURBED)
    target = worlds.other(met)
    part = log.take(slice(300))
    assert np.array_equal(judge(log, target).values[:300], judge(part, target[:300]).values)


def test_the_same_log_gives_the_same_bits() -> None:
    first, second = ((worlds.simulate(3, 800, World())) for _ in range(2))
    found = [estimate(log, judge(log, worlds.baseline(met.eligible))) for log, met in (first, second)]
    assert found[0] == found[1]


def test_a_better_policy_is_told_from_a_worse_one(truths: dict[str, float]) -> None:
    log, met = worlds.simulate(5, 4_000, World())
    better, low, high = difference(log, judge(log, worlds.other(met)), judge(log, worlds.none(met.eligible)))
    assert low > 0.0
    assert low <= truths["other"] - truths["none"] <= high
    assert low < better < high


def test_no_difference_is_larger_than_what_happens_otherwise() -> None:
    log = by_hand([0, 1], [0.0, 1.0], [0.5, 0.5], repeat=50)
    more = log.logged + np.array([0.02, -0.02])
    _, low, high = difference(log, judge(log, log.logged), judge(log, more))
    assert (low, high) == pytest.approx((-0.02, 0.02), abs=1e-3)

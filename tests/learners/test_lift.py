"""What the draw of a hold-out says of its arms, and how often its intervals are wrong at any look."""

import numpy as np
import pytest

from schemas.events import ARMS
from streams.learners.lift import (
    CENTRES,
    MARGIN,
    ArmDraws,
    Differences,
    between,
    beyond,
    beyond_net,
    foretell,
    likeliest,
)

LOOP, BASELINE, NOTHING = range(len(ARMS))
SHARES = (0.6, 0.2, 0.2)
SEQUENCES, EPISODES = 200, 600
PEEKS = (5, 10, 20, 40, 80, 120, 160, 240, 320, 400, 500, 600)
KINDS = 3


def chances(count: int) -> np.ndarray:
    """Return what each arm earns at each episode, shape (n, 3): the loop learns on the way."""
    learned = 0.2 + 0.6 * np.linspace(0.0, 1.0, count)
    return np.stack([learned, np.full(count, 0.35), np.full(count, 0.05)], axis=1)


def hold_out(seed: int, *, count: int = EPISODES, lag: int = 5, shares: tuple[float, ...] = SHARES) -> ArmDraws:
    """Return a hold-out of rewards that are 0 or 1, each told so many episodes later."""
    rng = np.random.default_rng(seed)
    arms = rng.choice(len(ARMS), size=count, p=shares)
    rewards = (rng.random(count) < chances(count)[np.arange(count), arms]).astype(np.float64)
    decided = np.arange(count, dtype=np.int64)
    foretold = foretell(arms, rng.integers(0, KINDS, count), rewards, decided=decided, told=decided + lag)
    return ArmDraws(arms=arms, shares=np.array(shares), rewards=rewards, foretold=foretold)


def truth(one: int, other: int) -> np.ndarray:
    """Return the average difference up to each episode."""
    both = chances(EPISODES)
    found: np.ndarray = np.cumsum(both[:, one] - both[:, other]) / np.arange(1, EPISODES + 1)
    return found


def normal(values: np.ndarray) -> tuple[float, float]:
    """Return the interval that is right at one number of values."""
    half = 1.96 * float(values.std(ddof=1)) / np.sqrt(len(values))
    return float(values.mean()) - half, float(values.mean()) + half


@pytest.mark.parametrize("other", [BASELINE, NOTHING])
def test_an_interval_is_ever_wrong_in_few_sequences_where_the_normal_one_often_is(other: int) -> None:
    wrong, normal_wrong = 0, 0
    right = truth(LOOP, other)
    for seed in range(SEQUENCES):
        found = between(hold_out(seed), LOOP, other)
        looks = [(right[stop - 1], found.interval(stop), normal(found.values[:stop])) for stop in PEEKS]
        wrong += any(not low <= mean <= high for mean, (low, high), _ in looks)
        normal_wrong += any(not low <= mean <= high for mean, _, (low, high) in looks)
    assert wrong <= 0.05 * SEQUENCES
    assert normal_wrong > 0.1 * SEQUENCES


def test_without_a_difference_few_sequences_ever_prove_one() -> None:
    """All arms are drawn from one distribution; every number of episodes is a look."""
    proven = 0
    for seed in range(SEQUENCES):
        rng = np.random.default_rng([seed, 1])
        log = hold_out(seed)
        same = ArmDraws(
            arms=log.arms, shares=log.shares, rewards=(rng.random(EPISODES) < 0.4) * 1.0, foretold=log.foretold
        )
        proven += between(same, LOOP, BASELINE).proven_after() is not None
    assert proven <= 0.025 * SEQUENCES


def test_the_mean_is_right_however_badly_rewards_are_foretold() -> None:
    for foretold in (0.0, 0.5, 1.0):
        logs = [hold_out(seed) for seed in range(50)]
        fixed = [
            ArmDraws(arms=log.arms, shares=log.shares, rewards=log.rewards, foretold=np.full((EPISODES, 3), foretold))
            for log in logs
        ]
        means = [between(log, LOOP, BASELINE).mean() for log in fixed]
        assert np.mean(means) == pytest.approx(truth(LOOP, BASELINE)[-1], abs=4 * np.std(means) / 7)


def test_good_foresight_makes_intervals_narrower() -> None:
    log = hold_out(3)
    blind = ArmDraws(
        arms=log.arms, shares=log.shares, rewards=log.rewards, foretold=np.full((EPISODES, 3), 1.0 - MARGIN)
    )
    low, high = between(log, LOOP, NOTHING).interval()
    blind_low, blind_high = between(blind, LOOP, NOTHING).interval()
    assert high - low < blind_high - blind_low


def test_what_is_proven_stays_so_at_the_look_at_which_it_was() -> None:
    found = between(hold_out(1), LOOP, NOTHING)
    after = found.proven_after()
    assert after is not None
    assert found.interval(after)[0] > -1e-6
    assert found.interval(after - 1)[0] <= 1e-6


@pytest.mark.parametrize("shares", [SHARES, (0.5, 0.4, 0.1), (0.5, 0.5, 0.0)])
def test_no_value_is_beyond_its_range_which_follows_from_the_shares_alone(shares: tuple[float, ...]) -> None:
    ranges = set()
    for seed in range(20):
        log = hold_out(seed, shares=shares)
        for found in (between(log, LOOP, BASELINE), between(log, LOOP, NOTHING), beyond(log, BASELINE)):
            assert found.least - 1e-9 <= found.values.min()
            assert found.values.max() <= found.most + 1e-9
        few = between(log.take(np.arange(EPISODES) < 3), LOOP, BASELINE)
        ranges.add((few.least, few.most, *[getattr(between(log, LOOP, BASELINE), name) for name in ("least", "most")]))
    assert len(ranges) == 1
    assert next(iter(ranges))[:2] == next(iter(ranges))[2:]


def test_what_a_price_may_be_is_in_the_range_whether_it_was_ever_paid_or_not() -> None:
    """Else the first dear answer would change what was said before it."""
    log = hold_out(1)
    found = beyond(log, BASELINE)
    free = beyond_net(log, BASELINE, np.zeros(EPISODES), dearest=2.0)
    most = found.most + 2.0 * (1.0 / SHARES[BASELINE] - 1.0)
    assert (free.least, free.most, free.centres) == (found.least - 2.0, pytest.approx(most), (-3.0, 3.0))
    assert free.values == pytest.approx(found.values)
    assert free.interval()[0] < found.interval()[0]
    dear = beyond_net(log, BASELINE, np.where(log.arms == BASELINE, 0.0, 5.0), dearest=2.0)
    assert dear.values == pytest.approx(np.where(log.arms == BASELINE, found.values, found.values - 2.0))
    for prices in (np.full(EPISODES, 5.0), np.where(log.arms == BASELINE, 5.0, 0.0)):
        priced = beyond_net(log, BASELINE, prices, dearest=2.0).values
        assert free.least - 1e-9 <= priced.min() <= priced.max() <= free.most + 1e-9


def test_what_an_arm_alone_would_have_paid_as_well_is_no_loss() -> None:
    """Where every episode costs the same, in whatever arm, prices change nothing in the mean."""
    gains = []
    for seed in range(100):
        log = hold_out(seed)
        net = beyond_net(log, BASELINE, np.full(EPISODES, 0.5), dearest=2.0)
        gains.append(net.values.mean() - beyond(log, BASELINE).values.mean())
    assert np.mean(gains) == pytest.approx(0.0, abs=4 * np.std(gains) / 10)
    assert np.std(gains) > 0.0


def test_what_was_proven_once_may_hold_no_longer() -> None:
    found = Differences(np.concatenate([np.ones(100), -np.ones(300)]), -1.0, 1.0)
    assert found.proven_after() is not None
    assert found.interval()[0] < 0.0


def test_what_was_earned_beyond_an_arm_is_what_the_others_earn_by_their_shares() -> None:
    found = [beyond(hold_out(seed), BASELINE).mean() for seed in range(100)]
    right = SHARES[LOOP] * truth(LOOP, BASELINE)[-1] + SHARES[NOTHING] * truth(NOTHING, BASELINE)[-1]
    assert np.mean(found) == pytest.approx(right, abs=4 * np.std(found) / 10)


def test_only_what_was_told_before_a_decision_is_foretold_from() -> None:
    arms, kinds = np.zeros(4, dtype=np.intp), np.zeros(4, dtype=np.intp)
    decided = np.array([0, 10, 20, 30], dtype=np.int64)
    told = np.array([15, 30, 35, 45], dtype=np.int64)

    def last(rewards: list[float]) -> list[float]:
        found: list[float] = foretell(arms, kinds, np.array(rewards), decided=decided, told=told)[:, 0].tolist()
        return found

    assert last([1.0, 1.0, 0.0, 0.0]) == last([1.0, 0.0, 1.0, 1.0])
    assert last([0.0, 1.0, 0.0, 0.0]) != last([1.0, 1.0, 0.0, 0.0])
    assert last([1.0, 1.0, 0.0, 0.0])[:2] == [0.5, 0.5]


def test_a_kind_is_foretold_by_its_own_rewards_and_a_new_one_by_those_of_its_arm() -> None:
    decided = np.arange(101, dtype=np.int64)
    rewards = np.concatenate([np.ones(50), np.zeros(50), [0.0]])
    arms = np.zeros(101, dtype=np.intp)
    for kind, expected in ((0, 1.0 - MARGIN), (1, MARGIN), (2, 0.5)):
        kinds = np.concatenate([np.zeros(50), np.ones(50), [kind]]).astype(np.intp)
        found = foretell(arms, kinds, rewards, decided=decided, told=decided)
        assert found[-1, 0] == pytest.approx(expected, abs=0.01)
        assert found[-1, 1] == 0.5


def test_the_price_of_exploring_is_what_the_likeliest_action_earns_more() -> None:
    """It earns 0.8, the others 0.2, and is drawn with a probability of 0.7: the price is 0.3 of the difference."""
    found = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        took = rng.random(EPISODES) < 0.7
        rewards = (rng.random(EPISODES) < np.where(took, 0.8, 0.2)) * 1.0
        priced = likeliest(rewards, np.full(EPISODES, 0.5), chance=np.full(EPISODES, 0.7), took=took, actions=4)
        assert priced.least <= priced.values.min() <= priced.values.max() <= priced.most
        found.append(priced.mean())
    assert np.mean(found) == pytest.approx(0.3 * 0.6, abs=4 * np.std(found) / 10)


def test_where_the_likeliest_is_certain_exploring_has_no_price() -> None:
    count = 50
    priced = likeliest(
        np.linspace(0.0, 1.0, count), np.full(count, 0.3), chance=np.ones(count), took=np.ones(count, bool), actions=1
    )
    assert priced.values == pytest.approx(np.zeros(count), abs=1e-12)


def test_a_mean_of_few_values_is_no_more_than_a_difference_can_be() -> None:
    found = Differences(np.array([3.5, 0.1, -0.6]), -5.0, 5.0)
    assert [found.mean(stop) for stop in (1, 2, None)] == pytest.approx([1.0, 1.0, 1.0])
    assert Differences(np.array([0.5, -0.1]), -5.0, 5.0).mean() == pytest.approx(0.2)


def test_without_episodes_nothing_is_known() -> None:
    empty = Differences(np.zeros(0), -1.0, 1.0)
    assert (empty.mean(), empty.interval(), empty.proven_after()) == (0.0, CENTRES, None)

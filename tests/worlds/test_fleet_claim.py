"""The claim that the loop learns, at the scale of a test; `tests.bench.fleet` makes it over 30 seeds."""

import pytest

from streams.loop.policy import PolicySettings
from tests.bench.fleet import CASES, interval_of, rows_of, run_seed

SEEDS = 16
"""A seed has some ten decisions of the baseline in its last quarter: with six seeds luck decides."""
CONTROL_SEEDS = 6
MINUTES = 10


@pytest.mark.timeout(600)
def test_in_the_last_quarter_the_loop_earns_more_than_the_baseline() -> None:
    runs = [run_seed(seed, world=CASES["steady"], minutes=MINUTES) for seed in range(SEEDS)]
    _, low, _ = interval_of([run.difference() for run in runs])
    assert low > 0.0
    for run in runs:
        assert run.states["observed"] >= 0.9 * (sum(run.states.values()) - run.states.get("late", 0))
    rows = {(row["system"], row["metric"]): row["value"] for row in rows_of("steady", runs)}
    assert rows["flyball", "best_action"] > 0.5
    assert rows["flyball", "regret_quarter_4"] < 0.5 * rows["flyball", "regret_quarter_1"]
    assert rows["flyball", "lift_none_low"] > 0.0
    assert rows["flyball", "availability"] > rows["none", "availability"]


def test_a_policy_that_only_explores_does_not_make_the_claim() -> None:
    """Shows that the claim above is about learning: the same loop, its choice even over all actions."""
    explorer = PolicySettings(floor=1.0)
    runs = [run_seed(seed, world=CASES["steady"], minutes=MINUTES, policy=explorer) for seed in range(CONTROL_SEEDS)]
    _, low, _ = interval_of([run.difference() for run in runs])
    assert low < 0.0
    rows = {(row["system"], row["metric"]): row["value"] for row in rows_of("steady", runs)}
    assert rows["flyball", "regret_quarter_4"] > 0.8 * rows["flyball", "regret_quarter_1"]
    assert rows["flyball", "lift_positive_seeds"] == 0

import pytest

from tests.bench.early import EARLY, EPISODES, World, leaving, sooner


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_a_valid_early_signal_fewer_decisions_are_made_until_the_better_action_is_sure(seed: int) -> None:
    early, late = sooner(seed, early=EARLY), sooner(seed, early=None)
    assert late.foretold == 0
    assert early.foretold > EPISODES
    assert early.chances["p-1"][:40] == late.chances["p-1"][:40]  # nothing is known of the signal yet
    assert early.decisions_to_benefit("p-2") < late.decisions_to_benefit("p-2") - 20


def test_a_signal_that_outcomes_leave_is_told_of_and_is_not_used_for_a_while() -> None:
    after = leaving(1, pattern="p-3")
    assert after is not None
    world = World(seed=1, early=EARLY)
    world.live("p-3", episodes=EPISODES)
    world.live("p-3", episodes=after - 60, turned=True)  # an outcome is known 60 decisions later
    assert world.run.drifts == [EPISODES + after - 60]
    before = world.run.foretold
    world.live("p-3", episodes=30, turned=True)
    assert world.run.foretold == before

"""Where nothing can be learned autonomy is refused, for the right reason; where it can, it is granted."""

import pytest

from tests.bench.density import WORLDS, above, reasons, run_seed

SEED = 3


def test_where_outcomes_are_dense_what_helps_comes_to_act() -> None:
    run = run_seed(SEED, world=WORLDS["dense"])
    assert not reasons(run)
    assert {change.pattern for change in run.changes if change.level == "act"} == {"p-0", "p-1", "p-2"}


@pytest.mark.parametrize("world", ["sparse", "slow", "noisy"])
def test_where_they_are_too_thin_nothing_gets_above_suggest_and_it_says_what_they_lack(world: str) -> None:
    run = run_seed(SEED, world=WORLDS[world])
    assert above(run) == {}
    assert set(reasons(run)) == {world}
    assert all(change.detail and change.remedy for change in run.changes)


def test_where_they_become_too_rare_what_acted_is_lowered_to_suggest() -> None:
    run = run_seed(SEED, world=WORLDS["turning"])
    acted = {(one.pattern, one.action) for one in run.changes[: run.before] if one.level == "act"}
    after = {(one.pattern, one.action): one for one in run.changes[run.before :] if one.reason == "sparse"}
    assert acted
    assert acted <= set(after)
    assert {one.level for one in after.values()} == {"suggest"}

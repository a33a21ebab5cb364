"""The simulated gate that lets only so much explore."""

import numpy as np
import pytest

from tests.bench import ope_world as worlds
from tests.bench.ope import TRYING
from tests.bench.ope_world import BUDGET_DECISIONS, World

LIMIT = 15
TRIES = World(policy=TRYING, explore_limit=LIMIT, risky=(worlds.RESTART,))


def test_what_is_tried_is_stopped_where_it_is_risky_or_the_budget_is_spent_and_nothing_else_is() -> None:
    log, met = worlds.simulate(1, 2_000, TRIES)
    risky = log.proposed == worlds.RESTART
    assert np.array_equal(log.stopped, log.explores & (risky | ~met.admits))
    assert 0.2 < met.admits.mean() < 0.9
    ran = log.explores & (log.happened == log.proposed)
    assert not ran[risky].any()
    assert max(ran[at : at + BUDGET_DECISIONS].sum() for at in range(len(log))) == LIMIT
    assert (log.happened[log.stopped] == worlds.NONE).all()
    assert (log.happened[risky & ~log.explores] == worlds.RESTART).mean() > 0.4


def test_what_is_tried_of_what_was_stopped_is_a_column_of_its_own() -> None:
    log, met = worlds.simulate(1, 2_000, TRIES)
    assert log.apart == (worlds.RECYCLE, worlds.RESTART, worlds.THROTTLE)
    assert log.logged.sum(axis=1) == pytest.approx(1.0)
    assert log.logged[:, log.number :].sum(axis=1).mean() == pytest.approx(log.explores.mean(), abs=0.03)
    for target in (worlds.none(met.eligible), worlds.baseline(met.eligible)):
        assert not worlds.ways(target, log)[:, log.number :].any()
    assert worlds.ways(worlds.other(met), log).sum(axis=1) == pytest.approx(1.0)
    assert worlds.ways(worlds.other(met), log)[:, log.number :].any()


def test_without_a_limit_nothing_explores_apart() -> None:
    log, met = worlds.simulate(1, 500, World())
    assert (log.apart, log.explores.any(), log.stopped.any(), met.admits.all()) == ((), False, False, True)

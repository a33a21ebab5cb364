"""Models that never saw the entity they speak of."""

import numpy as np
import pytest

from streams.learners.cross_fitting import FIRST_BLOCK, FOLDS, fold_of, foretell, foretell_ahead

ROWS = 400


def rows(seed: int = 1):
    rng = np.random.default_rng(seed)
    features = np.column_stack((np.ones(ROWS), rng.standard_normal(ROWS)))
    actions = rng.integers(2, size=ROWS)
    values = np.where(actions == 0, 1.0 + 2.0 * features[:, 1], -3.0)[:, None]
    folds = np.array([fold_of(f"entity-{number}") for number in range(ROWS)])
    return features, actions, values, folds, np.ones(ROWS, dtype=np.bool_)


def test_each_action_is_foretold_by_features() -> None:
    features, actions, values, folds, known = rows()
    found = foretell(features, actions, values, folds, number=2, known=known)
    assert found.shape == (ROWS, 2, 1)
    assert found[:, 0, 0] == pytest.approx(1.0 + 2.0 * features[:, 1], abs=0.1)
    assert found[:, 1, 0] == pytest.approx(-3.0, abs=0.1)


def test_what_an_entity_did_tells_nothing_about_itself() -> None:
    features, actions, values, folds, known = rows()
    before = foretell(features, actions, values, folds, number=2, known=known)
    mine = folds == folds[0]
    after = foretell(features, actions, np.where(mine[:, None], 1e6, values), folds, number=2, known=known)
    assert np.array_equal(before[mine], after[mine])
    assert not np.allclose(before[~mine], after[~mine])


def test_folds_come_from_names_and_are_about_as_large() -> None:
    folds = [fold_of(f"host-{number}") for number in range(5_000)]
    assert np.bincount(folds, minlength=FOLDS).min() > 900
    assert folds[:4] == [fold_of(f"host-{number}") for number in range(4)]


def test_the_order_of_decisions_does_not_matter() -> None:
    features, actions, values, folds, known = rows()
    order = np.random.default_rng(2).permutation(ROWS)
    before = foretell(features, actions, values, folds, number=2, known=known)
    after = foretell(features[order], actions[order], values[order], folds[order], number=2, known=known[order])
    assert after == pytest.approx(before[order], rel=1e-9)


def test_names_of_folds_do_not_matter() -> None:
    features, actions, values, folds, known = rows()
    before = foretell_ahead(features, actions, values, folds, number=2, known=known)
    after = foretell_ahead(features, actions, values, (folds + 2) % FOLDS, number=2, known=known)
    assert after == pytest.approx(before, rel=1e-9)


def test_what_is_not_known_teaches_nothing_and_without_anything_known_all_is_0() -> None:
    features, actions, values, folds, known = rows()
    unknown = np.arange(ROWS) % 3 == 0
    wrong = np.where(unknown[:, None], 1e6, values)
    found = foretell(features, actions, wrong, folds, number=2, known=~unknown)
    assert found[:, 1, 0] == pytest.approx(-3.0, abs=0.1)
    assert not foretell(features, actions, wrong, folds, number=2, known=~known).any()


def test_ahead_nothing_that_follows_changes_what_was_foretold() -> None:
    features, actions, values, folds, known = rows()
    whole = foretell_ahead(features, actions, values, folds, number=2, known=known)
    for stop in (1, FIRST_BLOCK - 1, FIRST_BLOCK, 97, 161):
        part = foretell_ahead(
            features[:stop], actions[:stop], values[:stop], folds[:stop], number=2, known=known[:stop]
        )
        assert np.array_equal(part, whole[:stop])
    assert not whole[:FIRST_BLOCK].any()
    assert whole[-100:, 1, 0] == pytest.approx(-3.0, abs=0.2)

"""What becomes of proposals."""

import numpy as np
import pytest

from streams.learners.cross_fitting import fold_of
from streams.learners.passages import Passages, passages

ROWS, NUMBER = 6_000, 3


def learned(proposed: np.ndarray, happened: np.ndarray, seen: np.ndarray, *more: np.ndarray) -> Passages:
    features = np.column_stack((np.ones(len(proposed)), *more))
    folds = np.array([fold_of(str(number)) for number in range(len(proposed))])
    free = np.zeros(len(proposed), dtype=np.bool_)
    return passages(
        features, folds, proposed=proposed, explores=free, stopped=free, happened=happened, seen=seen, number=NUMBER
    )


def test_where_nothing_comes_in_between_what_is_proposed_happens_for_certain() -> None:
    proposed = np.arange(60) % 2
    found = learned(proposed, proposed, np.ones(60, dtype=np.bool_))
    assert np.array_equal(found.happens, np.broadcast_to(np.eye(NUMBER), (60, NUMBER, NUMBER)))
    assert np.array_equal(found.shows[:, :2], found.happens[:, :2])
    assert not found.shows[:, :, 2].any()  # what the log never showed


def test_what_was_always_refused_cannot_be_seen_however_few_refusals_there_were() -> None:
    proposed = np.array([0, 1, 0, 1, 2, 0, 1, 0] * 4)
    found = learned(proposed, np.where(proposed == 2, 0, proposed), np.ones(32, dtype=np.bool_))
    assert not found.shows[:, :, 2].any()
    assert (found.happens[:, 2, 0] > 0.5).all()


def test_refusals_overrides_and_unseen_rewards_are_told_apart_by_features() -> None:
    """0 is none. 1 is refused in half of the cases, and never seen then; 2 becomes 1 by hand, the more the harder."""
    rng = np.random.default_rng(1)
    hard = rng.integers(2, size=ROWS)
    proposed = rng.integers(NUMBER, size=ROWS)
    draw = rng.random(ROWS)
    happened = np.where((proposed == 1) & (draw < 0.5), 0, proposed)
    happened = np.where((proposed == 2) & (draw < np.where(hard == 1, 0.8, 0.2)), 1, happened)
    found = learned(proposed, happened, (happened != 0) | (proposed == 0), hard)
    assert found.happens[:, 1].mean(axis=0) == pytest.approx([0.5, 0.5, 0.0], abs=0.03)
    assert found.shows[:, 1].mean(axis=0) == pytest.approx([0.0, 0.5, 0.0], abs=0.03)
    assert found.happens[hard == 1, 2, 1].mean() == pytest.approx(0.8, abs=0.05)
    assert found.happens[hard == 0, 2, 1].mean() == pytest.approx(0.2, abs=0.05)
    assert found.happens.sum(axis=2) == pytest.approx(1.0)
    assert (found.shows <= found.happens).all()

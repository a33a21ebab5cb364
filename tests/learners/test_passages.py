"""What becomes of proposals."""

import numpy as np
import pytest

from streams.learners.cross_fitting import fold_of
from streams.learners.passages import Passages, passages

ROWS, NUMBER = 6_000, 3


def learned(
    proposed: np.ndarray,
    happened: np.ndarray,
    seen: np.ndarray,
    *more: np.ndarray,
    explores: np.ndarray | None = None,
    stopped: np.ndarray | None = None,
    apart: tuple[int, ...] = (),
) -> Passages:
    features = np.column_stack((np.ones(len(proposed)), *more))
    folds = np.array([fold_of(str(number)) for number in range(len(proposed))])
    free = np.zeros(len(proposed), dtype=np.bool_)
    return passages(
        features,
        folds,
        proposed=proposed,
        explores=free if explores is None else explores,
        stopped=free if stopped is None else stopped,
        happened=happened,
        seen=seen,
        number=NUMBER,
        apart=apart,
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


def test_what_is_stopped_because_it_explores_says_nothing_of_the_same_action_otherwise() -> None:
    """An executor refuses 1 in a quarter of the cases; half of what explores it does not come that far."""
    rng = np.random.default_rng(2)
    proposed = rng.integers(2, size=ROWS)
    explores = (proposed == 1) & (rng.random(ROWS) < 0.7)
    stopped = explores & (rng.random(ROWS) < 0.5)
    happened = np.where(stopped | (rng.random(ROWS) < 0.25), 0, proposed)
    found = learned(
        proposed, happened, (happened != 0) | (proposed == 0), explores=explores, stopped=stopped, apart=(1,)
    )
    assert found.happens.shape == (ROWS, NUMBER + 1, NUMBER)
    assert found.happens[:, 1].mean(axis=0) == pytest.approx([0.25, 0.75, 0.0], abs=0.03)
    assert found.happens[:, NUMBER].mean(axis=0) == pytest.approx([0.625, 0.375, 0.0], abs=0.03)
    assert found.shows[:, NUMBER].mean(axis=0) == pytest.approx([0.0, 0.375, 0.0], abs=0.03)


def test_what_only_explores_is_as_likely_to_be_let_through_otherwise_as_where_it_was_not_stopped() -> None:
    rng = np.random.default_rng(3)
    proposed = rng.integers(2, size=ROWS)
    explores = proposed == 1
    stopped = explores & (rng.random(ROWS) < 0.5)
    happened = np.where(stopped | (rng.random(ROWS) < 0.25), 0, proposed)
    seen = (happened != 0) | (proposed == 0)
    found = learned(proposed, happened, seen, explores=explores, stopped=stopped, apart=(1,))
    assert found.happens[:, 1, 1].mean() == pytest.approx(0.75, abs=0.03)


def test_what_is_always_stopped_where_it_explores_cannot_be_seen_there() -> None:
    proposed = np.array([0, 1, 0, 1, 0, 1] * 10)
    explores = np.arange(60) % 4 == 1
    happened = np.where(explores, 0, proposed)
    seen = np.ones(60, dtype=np.bool_)
    found = learned(proposed, happened, seen, explores=explores, stopped=explores, apart=(1,))
    assert (found.shows[:, 1, 1] > 0.99).all()
    assert not found.shows[:, NUMBER, 1].any()

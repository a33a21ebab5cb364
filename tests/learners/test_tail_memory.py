import math

import msgspec
import numpy as np
import pytest

from streams.learners.tail_memory import EXPECTED, TailMemory

NORMAL = (0.0, 1.28, 2.05, 0.37)
ROW = np.array([0])


def packed(target: TailMemory) -> bytes:
    return msgspec.msgpack.encode(target.columns())


def memory(**changes: float) -> TailMemory:
    made = TailMemory(planes=1, prior=NORMAL, **changes)
    made.grow(1, 1)
    return made


def surprise(target: TailMemory, value: float) -> float:
    return float(target.score_many(ROW, np.full((1, 1, 1), value))[0, 0, 0])


def taught(values: np.ndarray, **changes: float) -> TailMemory:
    """Return a memory of one cell that learned the values in turn."""
    target = memory(**changes)
    for value in values.tolist():
        target.learn_many(ROW, np.full((1, 1, 1), value))
    return target


@pytest.mark.parametrize(("value", "p"), [(0.0, 0.5), (1.28, 0.1), (2.05, 0.02), (2.42, 0.02 / math.e)])
def test_a_newborn_cell_knows_its_prior(value, p):
    assert surprise(memory(), value) == pytest.approx(-math.log(p), abs=1e-6)


@pytest.mark.parametrize("draw", ["normal", "standard_exponential"])
@pytest.mark.parametrize("p", [0.5, 0.1, 0.02, 0.002])
def test_surprise_is_minus_log_p_of_whatever_it_learned(draw, p):
    rng = np.random.default_rng(0)
    target = taught(getattr(rng, draw)(size=8_000))
    fresh = getattr(rng, draw)(size=50_000)
    scores = target.score_many(np.zeros(len(fresh), int), fresh[:, None, None])[:, 0, 0]
    assert float(np.mean(scores >= -math.log(p))) == pytest.approx(p, rel=0.3)


def test_logarithms_of_heavy_tails_have_a_tail_of_their_own():
    rng = np.random.default_rng(1)
    target = taught(np.log(np.abs(rng.standard_t(3, 8_000))))
    fresh = np.log(np.abs(rng.standard_t(3, 200_000)))
    scores = target.score_many(np.zeros(len(fresh), int), fresh[:, None, None])[:, 0, 0]
    assert float(np.mean(scores >= -math.log(1e-3))) == pytest.approx(1e-3, rel=0.5)


def test_one_outlier_does_not_make_the_next_one_ordinary():
    target = taught(np.concatenate([np.random.default_rng(2).normal(size=200), [1e6]]))
    assert surprise(target, 1e5) > 100


def test_equal_values_leave_larger_ones_finitely_surprising():
    target = taught(np.full(1_000, 3.0))
    assert 5 < surprise(target, 4.0) < 1e3


def test_an_absent_value_is_as_expected_and_not_learned():
    target = memory()
    before = packed(target)
    target.learn_many(ROW, np.full((1, 1, 1), np.nan))
    assert packed(target) == before
    assert surprise(target, math.nan) == EXPECTED


def test_many_rows_at_once_are_no_different_from_one_after_another():
    values = np.random.default_rng(3).normal(size=(300, 7, 1, 2))
    many, one = (TailMemory(planes=1, prior=NORMAL) for _ in range(2))
    for target in (many, one):
        target.grow(7, 2)
    for batch in values:
        scores = many.score_many(np.arange(7), batch)
        many.learn_many(np.arange(7), batch)
        for row in range(7):
            place = np.array([row])
            assert one.score_many(place, batch[place]).tobytes() == scores[place].tobytes()
            one.learn_many(place, batch[place])
    assert packed(one) == packed(many)


def test_a_restored_memory_is_the_same_and_a_cleared_row_is_newborn():
    target = taught(np.random.default_rng(4).normal(5, 1, 100))
    other = TailMemory(planes=1, prior=NORMAL)
    other.adopt(target.columns())
    assert packed(other) == packed(target)
    assert surprise(other, 7.0) == surprise(target, 7.0)
    other.clear(0)
    assert surprise(other, 1.28) == pytest.approx(math.log(10))


def test_a_memory_kept_in_32_bits_scores_almost_alike_and_is_restored_to_the_bit():
    values = np.random.default_rng(5).normal(size=(2_000, 1, 1, 1))
    half, whole = (TailMemory(planes=1, prior=NORMAL, kept=kept) for kept in (np.float32, np.float64))
    for target in (half, whole):
        target.grow(1, 1)
        for value in values:
            target.learn_many(ROW, value)
    assert surprise(half, 2.5) == pytest.approx(surprise(whole, 2.5), rel=1e-4)
    other = TailMemory(planes=1, prior=NORMAL, kept=np.float32)
    other.adopt(half.columns())
    assert packed(other) == packed(half)


def test_some_of_the_rows_just_scored_are_learned_as_if_alone():
    rows, some = np.arange(5), np.array([0, 3])
    scored, alone = (TailMemory(planes=2, prior=NORMAL) for _ in range(2))
    for target in (scored, alone):
        target.grow(5, 3)
    for values in np.random.default_rng(6).normal(size=(60, 5, 2, 3)):
        scored.score_many(rows, values)
        scored.learn_many(rows, values, some)
        alone.learn_many(rows[some], values[some])
        assert packed(scored) == packed(alone)

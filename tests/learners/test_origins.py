import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.learners.origins import blame_of, shares_of

EQUAL = [5.0, 5.0, 5.0]
CHAIN = {(0, 1): 1.0, (1, 2): 1.0}
S = 1_000_000


@st.composite
def storms(draw: st.DrawFn) -> tuple[list[float], list[int], dict[tuple[int, int], float]]:
    size = draw(st.integers(1, 8))
    strengths = draw(st.lists(st.floats(0.1, 100), min_size=size, max_size=size))
    opened = draw(st.lists(st.integers(0, 60 * S), min_size=size, max_size=size))
    pairs = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))
    return strengths, opened, draw(st.dictionaries(pairs, st.floats(0, 1), max_size=20))


def test_trouble_is_sought_where_the_calls_end() -> None:
    blame = blame_of(EQUAL, [0, 0, 0], [0, 0, 0], CHAIN, lag_us=S)
    shares = shares_of(blame, EQUAL, np.ones(3, bool))
    assert list(shares.argsort()[::-1]) == [2, 1, 0]
    assert blame[0] == pytest.approx([0.5, 0.25, 0.25])


def test_a_callee_that_is_hardly_abnormal_explains_little() -> None:
    strengths = [5.0, 9.0, 0.5]
    shares = shares_of(blame_of(strengths, [0, 0, 0], [0, 0, 0], CHAIN, lag_us=S), strengths, np.ones(3, bool))
    assert shares.argmax() == 1
    assert shares[1] > 0.7


def test_what_came_long_after_its_caller_is_no_cause() -> None:
    early = blame_of([5.0, 5.0], [10 * S, 0], [10 * S, 0], {(0, 1): 1.0}, lag_us=S)
    late = blame_of([5.0, 5.0], [0, 10 * S], [0, 10 * S], {(0, 1): 1.0}, lag_us=S)
    assert early[0, 1] == pytest.approx(0.5)
    assert late[0, 1] < 0.001
    assert blame_of([5.0, 5.0], [0, 10 * S], [9 * S, 10 * S], {(0, 1): 1.0}, lag_us=S)[0, 1] > 0.2


def test_a_circle_of_calls_is_no_trap() -> None:
    blame = blame_of(EQUAL, [0, 0, 0], [0, 0, 0], CHAIN | {(2, 0): 1.0}, lag_us=S)
    assert blame.sum(axis=1) == pytest.approx(np.ones(3))


def test_only_candidates_get_a_share_unless_there_is_none() -> None:
    blame = blame_of(EQUAL, [0, 0, 0], [0, 0, 0], CHAIN, lag_us=S)
    assert shares_of(blame, EQUAL, np.array([True, True, False]))[2] == 0
    assert shares_of(blame, EQUAL, np.zeros(3, bool)).sum() == pytest.approx(1)


@given(storms())
def test_shares_are_shares(storm: tuple[list[float], list[int], dict[tuple[int, int], float]]) -> None:
    strengths, opened, calls = storm
    blame = blame_of(strengths, opened, opened, calls, lag_us=S)
    shares = shares_of(blame, strengths, np.ones(len(strengths), bool))
    assert blame.sum(axis=1) == pytest.approx(np.ones(len(strengths)))
    assert shares.min() >= 0
    assert shares.sum() == pytest.approx(1)


@given(storms(), st.randoms(use_true_random=False))
def test_the_order_in_which_entities_are_given_does_not_matter(
    storm: tuple[list[float], list[int], dict[tuple[int, int], float]], chance: random.Random
) -> None:
    strengths, opened, calls = storm
    places = list(range(len(strengths)))
    chance.shuffle(places)
    moved = {(places.index(caller), places.index(callee)): trust for (caller, callee), trust in calls.items()}
    blame = blame_of(strengths, opened, opened, calls, lag_us=S)
    times = [opened[p] for p in places]
    other = blame_of([strengths[p] for p in places], times, times, moved, lag_us=S)
    assert other == pytest.approx(blame[np.ix_(places, places)])

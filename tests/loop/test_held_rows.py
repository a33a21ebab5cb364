"""Which rows of a batch repeat one before, in the batch or among those that are held."""

import numpy as np
import pytest

from streams.loop.detect.held_rows import HeldRows, Rows

Pairs = list[tuple[int, int]]


def rows(pairs: Pairs) -> Rows:
    """Return rows of slots and times, sorted by slot; their places in the batch are of no account here."""
    slots, times = np.array(pairs, np.int64).reshape(-1, 2).T
    return Rows(numbers=np.arange(len(slots)), slots=slots, times=times, ends=times + 1)


def holding(pairs: Pairs) -> HeldRows:
    held = HeldRows()
    held.add(rows(pairs))
    return held


@pytest.mark.parametrize(
    ("held", "new", "doubtful", "repeats"),
    [
        ([], [], {0}, []),
        ([], [(0, 5), (0, 6), (1, 5)], {0, 1}, [-1, -1, -1]),
        ([], [(0, 5), (0, 6), (0, 5), (0, 5)], {0}, [-1, -1, 0, 0]),
        ([], [(0, 7), (1, 5), (1, 5)], {0, 1}, [-1, -1, 1]),
        ([(0, 5)], [(0, 5), (0, 6)], {0}, [-2, -1]),
        ([(0, 5)], [(0, 5), (0, 5)], {0}, [-2, -2]),
        ([(1, 5)], [(0, 5)], {0, 1}, [-1]),
        ([(0, 5), (1, 5)], [(0, 5), (0, 5), (1, 5), (1, 6), (1, 6)], {1}, [-1, -1, -2, -1, 3]),
        ([(0, 5)], [(0, 5), (0, 5)], set(), [-1, -1]),
    ],
    ids=[
        "nothing", "all different", "the first of three", "a place counts from the start of the rows", "held",
        "held and twice", "held of another entity", "only who is doubtful", "nobody is doubtful",
    ],
)  # fmt: skip
def test_a_row_repeats_the_first_like_it(held: Pairs, new: Pairs, doubtful: set[int], repeats: list[int]) -> None:
    flags = np.array([slot in doubtful for slot in range(2)])
    assert holding(held).repeated(rows(new), flags).tolist() == repeats


def test_what_was_let_go_is_not_repeated() -> None:
    held = holding([(0, 5), (0, 8), (1, 5)])
    held.let_go(np.array([8, 0]))
    assert held.repeated(rows([(0, 5), (0, 8), (1, 5)]), np.array([True, True])).tolist() == [-1, -2, -2]


def test_what_is_held_is_the_same_after_a_restart_in_whatever_order_it_came() -> None:
    one, other = holding([(1, 5), (0, 8), (0, 5)]), HeldRows()
    other.adopt(one.columns())
    assert other.columns() == one.columns() == holding([(0, 5), (0, 8), (1, 5)]).columns()
    assert other.repeated(rows([(0, 8), (1, 6)]), np.array([True, True])).tolist() == [-2, -1]

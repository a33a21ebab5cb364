"""How surprising a value is, by its own past: rank inside, an exponential tail beyond the top 2 %."""

import math
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from streams.learners.room import room_for, widened

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

LN_2, LN_10, LN_50 = math.log(2), math.log(10), math.log(50)
LEAST_GAP = 1e-3
"""The knots never come closer, so that there is always a slope between them."""
LEAST_TAIL = 0.05
"""The least mean excess: a tail learned from equal values must not make the next larger one infinitely rare."""
CLIP = 8.0
"""An excess counts as at most so many mean ones: one outlier must not make the next one ordinary."""
EXPECTED = 1.0
"""The mean surprise of values that are what they always were: -log of a uniform p."""
LONGEST = 2.0**18
"""Steps end to shrink after so many values (3 days of seconds): smaller ones would be lost in 32 bits."""
_LN_5 = LN_10 - LN_2


class Tails(msgspec.Struct, array_like=True):
    """All cells of a memory: its own arrays, which change with it."""

    rows: int
    columns: int
    state: list[memoryview]
    counts: memoryview


class TailMemory:
    """Turns values into -log p, p being the share of the past of the same cell that was at least as large.

    A cell is (row, plane, column) and remembers five numbers: its median, 90 % and 98 % quantile, the mean excess over
    the last, and a count. Quantiles follow by stochastic approximation (Robbins and Monro 1951, steps of Newton's
    size), beyond the 98 % the tail is exponential, so values given as logarithms have a Pareto tail (Hill 1975). Steps
    shrink with the count, up to `LONGEST`. `prior` is what a new cell is born with (the three quantiles and the mean
    excess); it weighs as much as `prior_windows` values, and `prior_excesses` in the tail. Numbers are `kept` in 32 or
    64 bits, and computed in 64. Rows never outgrow `limit`.
    """

    def __init__(
        self,
        *,
        planes: int,
        prior: tuple[float, float, float, float],
        prior_windows: float = 20.0,
        prior_excesses: float = 1.0,
        limit: int | None = None,
        kept: type[np.float32 | np.float64] = np.float64,
    ) -> None:
        self._planes = planes
        self._born = prior
        self._prior_windows = prior_windows
        self._prior_excesses = prior_excesses
        self._limit = limit
        self._rows = 0
        # median, upper and tail quantile, and mean excess; apart, so that computing with one is computing in a row
        self._state: list[npt.NDArray[Any]] = [np.zeros((0, planes, 0), kept) for _ in prior]
        self._kept = kept
        self._counts = np.zeros((0, planes, 0), np.float32)

    def grow(self, rows: int, columns: int) -> None:
        """Make room for so many rows and columns."""
        had_rows, _, had_columns = self._counts.shape
        room, columns = room_for(rows, had_rows, limit=self._limit), max(columns, had_columns)
        if (room, columns) != (had_rows, had_columns):
            shape = (room, self._planes, columns)
            for place, born in enumerate(self._born):
                self._state[place] = widened(self._state[place], shape, born)
            self._counts = widened(self._counts, shape, 0)
        self._rows = max(rows, self._rows)

    def clear(self, row: int) -> None:
        """Forget one row."""
        for array, born in zip(self._state, self._born, strict=True):
            array[row] = born
        self._counts[row] = 0

    def row(self, row: int) -> list[npt.NDArray[Any]]:
        """Return all that is known of one row, as views."""
        return [*(array[row] for array in self._state), self._counts[row]]

    def score_many(self, rows: Rows, values: Floats) -> Floats:
        """Return the surprise of values of shape (n, planes, columns), in nats; an absent value (NaN) is `EXPECTED`."""
        median, upper, tail, excess = self._of(rows)
        above, width = values - median, upper - median
        surprise = width * LN_2
        surprise /= width + np.maximum(-above, 0)
        surprise += _LN_5 * np.minimum(np.maximum(above, 0) / width, 1)
        surprise += (LN_50 - LN_10) * np.minimum(np.maximum(values - upper, 0) / (tail - upper), 1)
        surprise += np.maximum(values - tail, 0) / excess
        np.copyto(surprise, EXPECTED, where=np.isnan(surprise))
        return surprise

    def learn_many(self, rows: Rows, values: Floats) -> None:
        """Learn values of shape (n, planes, columns), one of each cell of the given rows, which must be distinct."""
        before = self._of(rows)
        counts = self._counts.take(rows, axis=0)
        after = np.minimum(counts + np.float32(1), np.float32(LONGEST))
        median, upper, tail, excess = before
        size = after.astype(np.float64)
        size += self._prior_windows
        exceeds = values > tail
        larger = np.minimum(values - tail, CLIP * excess)
        larger -= excess
        larger /= 0.02 * size + self._prior_excesses
        larger *= exceeds
        larger += excess
        np.maximum(larger, LEAST_TAIL, out=larger)
        low = _moved(median, (upper - median) / 0.4, values > median, 0.5, size)
        high = np.maximum(_moved(upper, (tail - upper) / 0.08, values > upper, 0.1, size), low + LEAST_GAP)
        far = np.maximum(_moved(tail, excess / 0.02, exceeds, 0.02, size), high + LEAST_GAP)
        absent = np.isnan(values)
        some_absent = absent.any()
        for array, old, new in zip(self._state, before, (low, high, far, larger), strict=True):
            if some_absent:
                np.copyto(new, old, where=absent)
            array[rows] = new
        if some_absent:
            np.copyto(after, counts, where=absent)
        self._counts[rows] = after

    def columns(self) -> Tails:
        """Return all cells, uncopied."""
        state, counts = [array[: self._rows].data for array in self._state], self._counts[: self._rows]
        return Tails(rows=self._rows, columns=counts.shape[2], state=state, counts=counts.data)

    def adopt(self, found: Tails) -> None:
        """Replace all cells by a copy of those of a memory of equal planes."""
        self._rows = found.rows
        shape = (found.rows, self._planes, found.columns)
        self._state = [np.frombuffer(data, self._kept).reshape(shape).copy() for data in found.state]
        self._counts = np.frombuffer(found.counts, np.float32).reshape(shape).copy()

    def _of(self, rows: Rows) -> list[Floats]:
        """Return median, upper and tail quantile and mean excess of the cells of some rows."""
        return [np.asarray(array.take(rows, axis=0), np.float64) for array in self._state]


def _moved(quantile: Floats, width: Floats, larger: Flags, share: float, size: Floats) -> Floats:
    """Return a quantile moved up where a value was larger, and a little down where not (balanced at `share`)."""
    step = np.subtract(larger, share, dtype=np.float64)
    step *= width
    step /= size
    step += quantile
    return step

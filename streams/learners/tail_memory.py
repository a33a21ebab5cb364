"""How surprising a value is, by its own past: rank inside, an exponential tail beyond the top 2 %."""

import math
from itertools import pairwise
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
LEAST_EXCESS = 0.05
"""The least mean excess: a tail learned from equal values must not make the next larger one infinitely rare."""
CLIP = 8.0
"""An excess counts as at most so many mean ones: one outlier must not make the next one ordinary."""
EXPECTED = 1.0
"""The mean surprise of values that are what they always were: -log of a uniform p."""
LONGEST = 2.0**18
"""Steps end to shrink after so many values (3 days of seconds): smaller ones would be lost in 32 bits."""
_CLIMBS = np.array([LN_10 - LN_2, LN_50 - LN_10]).reshape(-1, 1, 1, 1)
"""By how much surprise grows from the median to the 90 % quantile, and from there to the 98 % one."""
_SHARES = np.array([0.5, 0.1, 0.02]).reshape(-1, 1, 1, 1)
"""Of the values above each quantile."""
_SPANS = np.array([0.4, 0.08, 0.02]).reshape(-1, 1, 1, 1)
"""The share of values between a quantile and the next, or beyond the last."""


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
    excess); it weighs as much as `prior_windows` values, and `prior_excesses` in the tail, whose mean excess never
    falls below `least_excess`. Numbers are `kept` in 32 or
    64 bits, and computed in 64. Rows never outgrow `limit`.
    """

    def __init__(
        self,
        *,
        planes: int,
        prior: tuple[float, float, float, float],
        prior_windows: float = 20.0,
        prior_excesses: float = 1.0,
        least_excess: float = LEAST_EXCESS,
        limit: int | None = None,
        kept: type[np.float32 | np.float64] = np.float64,
    ) -> None:
        self._planes = planes
        self._born = prior
        self._prior_windows = prior_windows
        self._prior_excesses = prior_excesses
        self._least_excess = least_excess
        self._limit = limit
        self._rows = 0
        # median, upper and tail quantile, and mean excess; apart, so that computing with one is computing in a row
        self._state: npt.NDArray[Any] = np.zeros((len(prior), 0, planes, 0), kept)
        self._looked: tuple[Rows, Floats, Floats] | None = None
        self._kept = kept
        self._counts = np.zeros((0, planes, 0), np.float32)

    def grow(self, rows: int, columns: int) -> None:
        """Make room for so many rows and columns."""
        had_rows, _, had_columns = self._counts.shape
        room, columns = room_for(rows, had_rows, limit=self._limit), max(columns, had_columns)
        if (room, columns) != (had_rows, had_columns):
            shape = (room, self._planes, columns)
            tables = zip(self._state, self._born, strict=True)
            self._state = np.stack([widened(table, shape, born) for table, born in tables])
            self._looked = None
            self._counts = widened(self._counts, shape, 0)
        self._rows = max(rows, self._rows)

    def clear(self, row: int) -> None:
        """Forget one row."""
        self._looked = None
        for table, born in zip(self._state, self._born, strict=True):
            table[row] = born
        self._counts[row] = 0

    def row(self, row: int) -> list[npt.NDArray[Any]]:
        """Return all that is known of one row, as views."""
        return [*(array[row] for array in self._state), self._counts[row]]

    def score_many(self, rows: Rows, values: Floats) -> Floats:
        """Return the surprise of values of shape (n, planes, columns), in nats; an absent value (NaN) is `EXPECTED`."""
        known, widths = self._look(rows)
        above = values - known[:3]
        surprise: Floats = widths[0] * LN_2
        surprise /= widths[0] - np.minimum(above[0], 0.0)
        np.maximum(above, 0.0, out=above)
        above /= widths
        climbed = above[:2]
        np.minimum(climbed, 1.0, out=climbed)
        climbed *= _CLIMBS
        for part in above:
            surprise += part
        np.copyto(surprise, EXPECTED, where=np.isnan(surprise))
        return surprise

    def learn_many(self, rows: Rows, values: Floats, chosen: Rows | None = None) -> None:
        """Learn values of shape (n, planes, columns), one of each cell of the given rows, which must be distinct; of
        these the places `chosen`, or all.
        """
        before, widths = self._look(rows)
        self._looked = None
        if chosen is not None:
            before, widths = before.take(chosen, axis=1), widths.take(chosen, axis=1)
            rows, values = rows[chosen], values.take(chosen, axis=0)
        counts = self._counts.take(rows, axis=0)
        after = np.minimum(counts + 1.0, LONGEST)
        size = np.add(after, self._prior_windows, dtype=np.float64)
        learned = np.empty_like(before)
        quantiles, excess = before[:3], before[3]
        larger = values > quantiles
        self._learn_excess(values - quantiles[2], larger[2], excess, size, learned[3])
        # the quantiles move up where a value was larger, and a little down where not (balanced at their shares)
        widths /= _SPANS
        moved = np.subtract(larger, _SHARES, out=learned[:3], dtype=np.float64)
        moved *= widths
        moved /= size
        moved += quantiles
        for lower, upper in pairwise(moved):
            np.maximum(upper, lower + LEAST_GAP, out=upper)
        absent = np.isnan(values)
        if np.count_nonzero(absent):
            np.copyto(learned, before, where=absent)
            np.copyto(after, counts, where=absent)
        self._state[:, rows] = learned
        self._counts[rows] = after

    def _learn_excess(self, beyond: Floats, exceeds: Flags, excess: Floats, size: Floats, learned: Floats) -> None:
        """Write the mean excess after values that lie so far `beyond` the last quantile."""
        np.minimum(beyond, CLIP * excess, out=learned)
        learned -= excess
        learned /= 0.02 * size + self._prior_excesses
        learned *= exceeds
        learned += excess
        np.maximum(learned, self._least_excess, out=learned)

    def columns(self) -> Tails:
        """Return all cells, uncopied."""
        state, counts = [table[: self._rows].data for table in self._state], self._counts[: self._rows]
        return Tails(rows=self._rows, columns=counts.shape[2], state=state, counts=counts.data)

    def adopt(self, found: Tails) -> None:
        """Replace all cells by a copy of those of a memory of equal planes."""
        self._rows = found.rows
        shape = (found.rows, self._planes, found.columns)
        self._looked = None
        self._state = np.stack([np.frombuffer(data, self._kept).reshape(shape) for data in found.state])
        self._counts = np.frombuffer(found.counts, np.float32).reshape(shape).copy()

    def _look(self, rows: Rows) -> tuple[Floats, Floats]:
        """Return median, upper and tail quantile and mean excess of the cells of some rows, one after another; and how
        far it is from each quantile to the next, or to the mean beyond the last.

        The last answer is kept for the same rows: windows are mostly learned right after they were judged.
        """
        if self._looked is None or self._looked[0] is not rows:
            known = self._state.take(rows, axis=1).astype(np.float64, copy=False)
            widths = known[1:].copy()
            widths[:2] -= known[:2]
            self._looked = rows, known, widths
        return self._looked[1:]

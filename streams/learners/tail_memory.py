"""How surprising a value is, by its own past: rank inside, an exponential tail beyond the top 2 %."""

import math

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
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
_MEDIAN, _UPPER, _TAIL, _EXCESS, _COUNT = range(5)


class _Columns(msgspec.Struct, array_like=True):
    rows: int
    columns: int
    state: bytes


class TailMemory:
    """Turns values into -log p, p being the share of the past of the same cell that was at least as large.

    A cell is (plane, row, column) and remembers five numbers: its median, 90 % and 98 % quantile, the mean excess over
    the last, and a count. Quantiles follow by stochastic approximation (Robbins and Monro 1951, steps of Newton's
    size), beyond the 98 % the tail is exponential, so values given as logarithms have a Pareto tail (Hill 1975). Steps
    shrink with the count and nothing is forgotten. `prior` is what a new cell is born with (the three quantiles and
    the mean excess); it weighs as much as `prior_windows` values, and `prior_excesses` in the tail.
    """

    def __init__(
        self,
        *,
        planes: int,
        prior: tuple[float, float, float, float],
        prior_windows: float = 20.0,
        prior_excesses: float = 1.0,
    ) -> None:
        self._planes = planes
        self._born = np.array([*prior, 0.0])[:, None, None, None]
        self._prior_windows = prior_windows
        self._prior_excesses = prior_excesses
        self._rows = 0
        self._state = self._new(0, 0)

    def grow(self, rows: int, columns: int) -> None:
        """Make room for so many rows and columns."""
        had_rows, had_columns = self._state.shape[2:]
        if rows > had_rows or columns > had_columns:
            wide = self._new(max(rows, 2 * had_rows) if rows > had_rows else had_rows, max(columns, had_columns))
            wide[:, :, :had_rows, :had_columns] = self._state
            self._state = wide
        self._rows = max(rows, self._rows)

    def clear(self, row: int) -> None:
        """Forget one row."""
        self._state[:, :, row] = self._born[:, 0]

    def score_many(self, rows: Rows, values: Floats) -> Floats:
        """Return the surprise of values of shape (planes, n, columns), in nats; an absent value (NaN) is `EXPECTED`."""
        median, upper, tail, excess, _ = self._state[:, :, rows]
        below = (upper - median) * LN_2 / (upper - median + np.maximum(median - values, 0))
        inner = np.minimum(np.maximum(values - median, 0) / (upper - median), 1)
        outer = np.minimum(np.maximum(values - upper, 0) / (tail - upper), 1)
        beyond = np.maximum(values - tail, 0) / excess
        surprise = below + (LN_10 - LN_2) * inner + (LN_50 - LN_10) * outer + beyond
        return np.where(np.isfinite(values), surprise, EXPECTED)

    def learn_many(self, rows: Rows, values: Floats) -> None:
        """Learn values of shape (planes, n, columns), one of each cell of the given rows, which must be distinct."""
        state = self._state[:, :, rows]
        median, upper, tail, excess, count = state
        after = count + 1
        size = after + self._prior_windows
        learned = np.empty_like(state)
        exceeds = values > tail
        seen = 0.02 * size + self._prior_excesses
        larger = excess + np.where(exceeds, (np.minimum(values - tail, CLIP * excess) - excess) / seen, 0)
        learned[_EXCESS] = np.maximum(larger, LEAST_TAIL)
        learned[_MEDIAN] = median + (upper - median) / 0.4 * ((values > median) - 0.5) / size
        grown = upper + (tail - upper) / 0.08 * ((values > upper) - 0.1) / size
        learned[_UPPER] = np.maximum(grown, learned[_MEDIAN] + LEAST_GAP)
        grown = tail + excess / 0.02 * (exceeds - 0.02) / size
        learned[_TAIL] = np.maximum(grown, learned[_UPPER] + LEAST_GAP)
        learned[_COUNT] = after
        self._state[:, :, rows] = np.where(np.isfinite(values), learned, state)

    def snapshot(self) -> bytes:
        """Return all cells; equal states give equal bytes."""
        known = self._state[:, :, : self._rows]
        return msgspec.msgpack.encode(_Columns(rows=self._rows, columns=known.shape[3], state=known.tobytes()))

    def restore(self, snapshot: bytes) -> None:
        """Replace all cells by those that `snapshot` returned in a memory of equal planes."""
        found = msgspec.msgpack.decode(snapshot, type=_Columns)
        self._rows = found.rows
        self._state = np.frombuffer(found.state).reshape(5, self._planes, found.rows, found.columns).copy()

    def _new(self, rows: int, columns: int) -> Floats:
        return np.broadcast_to(self._born, (5, self._planes, rows, columns)).copy()

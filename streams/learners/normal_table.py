"""What is normal for each metric of each entity: running mean and spread at two scales, in one table of columns."""

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

SMALL_SAMPLE = 5.0
"""A spread from n windows is widened by 1 + 5/n: at n = 10 the sample deviation is off by half now and then."""
OUTLIER = 3.0
"""Residuals are clipped to this many spreads before they are learned, so that one outlier moves little."""


class _Columns(msgspec.Struct, array_like=True):
    rows: int
    metrics: int
    arrays: list[bytes]


class NormalTable:
    """Exponentially weighted mean and variance per (entity row, metric), at a fast and a slow scale.

    The weights (West 1979, Finch 2009) start as 3/(n + 2), so that what an entity does while it starts up soon counts
    for little, and end as 1/`fast_windows` and 1/`slow_windows`. A row's small sample borrows the spread of its peers,
    relative to its own mean.
    NaN is an absent value: it is not learned and its z is 0.
    """

    def __init__(
        self,
        *,
        fast_windows: float,
        slow_windows: float,
        warmup_windows: int,
        prior_windows: float,
        floor_relative: float,
        limit: float,
    ) -> None:
        self._least_weight = np.array([1 / fast_windows, 1 / slow_windows])[:, None, None]
        self._warmup = warmup_windows
        self._prior = prior_windows
        self._floor_relative = floor_relative
        self._limit = limit
        self._rows = self._metrics = 0
        self._count = np.zeros((0, 0))
        self._mean = np.zeros((2, 0, 0))  # fast and slow
        self._variance = np.zeros((2, 0, 0))
        self._peers = np.zeros(0)
        self._floors = np.zeros(0)

    def grow(self, rows: int, floors: Floats) -> None:
        """Make room for `rows` rows, and for as many metrics as there are `floors` (the least spread of each)."""
        metrics = len(floors)
        self._floors = floors
        if rows > len(self._count) or metrics > self._metrics:
            shape = (max(rows, 2 * len(self._count)) if rows > len(self._count) else len(self._count), metrics)
            self._count = _padded(self._count, shape)
            self._mean = np.stack([_padded(array, shape) for array in self._mean])
            self._variance = np.stack([_padded(array, shape) for array in self._variance])
            self._peers = np.concatenate([self._peers, np.zeros(metrics - len(self._peers))])
        self._rows, self._metrics = max(rows, self._rows), metrics

    def clear(self, row: int) -> None:
        """Forget one row: it warms up again."""
        self._count[row] = 0
        self._mean[:, row] = self._variance[:, row] = 0

    def standardise(self, rows: Rows, values: Floats) -> Floats:
        """Return z of each value, shape (n, metrics), clipped to the limit; 0 where absent or not yet warm.

        Of the two scales the one that finds the value less surprising counts: the fast one follows slow drift, the slow
        one remembers what was normal before a noisy minute.
        """
        count, mean = self._count[rows], self._mean[:, rows]
        fast, slow = (values - mean) / self._spread(mean, self._variance[:, rows], count)
        best = np.where(np.abs(fast) < np.abs(slow), fast, slow)
        known = (count >= self._warmup) & np.isfinite(best)
        return np.where(known, np.clip(best, -self._limit, self._limit), 0.0)

    def learn(self, rows: Rows, values: Floats) -> None:
        """Learn one window of each of the given rows, which must be distinct."""
        present = np.isfinite(values)
        before = self._count[rows]
        count = before + present
        mean, variance = self._mean[:, rows], self._variance[:, rows]
        residual = np.where(present, values - mean, 0.0)
        bound = np.where(before >= self._warmup, OUTLIER * self._spread(mean, variance, before), np.inf)
        residual = np.minimum(np.maximum(residual, -bound), bound)
        weight = np.where(present, np.maximum(self._least_weight, 3 / (np.maximum(count, 1) + 2)), 0.0)
        self._mean[:, rows] = mean + weight * residual
        self._variance[:, rows] = (1 - weight) * (variance + weight * residual * residual)
        self._count[rows] = count

    def survey(self) -> None:
        """Take the median relative spread of all warm rows, per metric, as what a newcomer borrows."""
        count, mean = self._count[: self._rows], self._mean[1, : self._rows]
        ratio = np.sqrt(self._variance[1, : self._rows]) / (np.abs(mean) + self._floors)
        for metric in range(self._metrics):
            warm = ratio[count[:, metric] >= self._warmup, metric]
            if warm.size:
                self._peers[metric] = float(np.median(warm))

    def warm_metrics(self) -> list[int]:
        """Return the metrics (columns) of which at least one row knows enough."""
        warm = (self._count[: self._rows] >= self._warmup).any(axis=0)
        return [int(metric) for metric in np.flatnonzero(warm)]

    def snapshot(self) -> bytes:
        """Return the whole table; equal states give equal bytes."""
        columns = (self._count, *self._mean, *self._variance)
        arrays = [self._peers[: self._metrics].tobytes()]
        arrays += [array[: self._rows, : self._metrics].tobytes() for array in columns]
        return msgspec.msgpack.encode(_Columns(rows=self._rows, metrics=self._metrics, arrays=arrays))

    def restore(self, snapshot: bytes, floors: Floats) -> None:
        """Replace the table by one that `snapshot` returned; `floors` as in `grow`."""
        state = msgspec.msgpack.decode(snapshot, type=_Columns)
        shape = (state.rows, state.metrics)
        peers, *columns = (np.frombuffer(data).copy() for data in state.arrays)
        count, *moments = (column.reshape(shape) for column in columns)
        self._peers, self._count, self._floors = peers, count, floors
        self._mean, self._variance = np.stack(moments[:2]), np.stack(moments[2:])
        self._rows, self._metrics = shape

    def _spread(self, mean: Floats, variance: Floats, count: Floats) -> Floats:
        """Return the standard deviation to judge by: own and borrowed, widened while small, and never under the floors.

        A constant metric has no spread of its own; the floors say what change of it would matter at all.
        """
        size = np.abs(mean)
        borrowed = self._prior * np.maximum(0.0, 1 - count / (5 * self._prior))
        peer = self._peers * (size + self._floors)
        pooled = (count * variance + borrowed * peer * peer) / np.maximum(count + borrowed, 1)
        spread = np.sqrt(pooled) * (1 + SMALL_SAMPLE / np.maximum(count, 1))
        least: Floats = np.maximum(spread, np.maximum(self._floors, self._floor_relative * size))
        return least


def _padded(array: Floats, shape: tuple[int, int]) -> Floats:
    """Return a copy with zeros below and to the right."""
    wide = np.zeros(shape)
    wide[: array.shape[0], : array.shape[1]] = array
    return wide

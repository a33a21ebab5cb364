"""What is normal for each metric of each entity: running mean and spread at two scales, in one table of columns."""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from streams.learners.room import room_for, widened

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

SMALL_SAMPLE = 5.0
"""A spread from n windows is widened by 1 + 5/n: at n = 10 the sample deviation is off by half now and then."""
OUTLIER = 3.0
"""Residuals are clipped to this many spreads before they are learned, so that one outlier moves little."""
SURVEYED = 1_000
"""At most about so many rows, evenly apart, are asked for what a newcomer borrows."""
_COUNT, _MEAN, _VARIANCE = 0, slice(1, 3), slice(3, 5)
_PLANES = 5


class _Columns(msgspec.Struct, array_like=True):
    rows: int
    metrics: int
    peers: memoryview
    state: memoryview


class NormalTable:
    """Exponentially weighted mean and variance per (entity row, metric), at a fast and a slow scale.

    The weights (West 1979, Finch 2009) start as 3/(n + 2), so that what an entity does while it starts up soon counts
    for little, and end as 1/`fast_windows` and 1/`slow_windows`. A row's small sample borrows the spread of its peers,
    relative to its own mean.
    NaN is an absent value: it is not learned and its z is 0. Rows never outgrow `row_limit`.
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
        row_limit: int | None = None,
    ) -> None:
        self._least_weight = np.array([1 / fast_windows, 1 / slow_windows])[:, None]
        self._warmup = warmup_windows
        self._prior = prior_windows
        self._floor_relative = floor_relative
        self._limit = limit
        self._row_limit = row_limit
        self._rows = self._metrics = 0
        self._state = np.zeros((0, _PLANES, 0))
        self._peers = np.zeros(0)
        self._floors = np.zeros(0)
        self._looked: tuple[Rows, Floats, Floats, Floats, Floats] | None = None

    def grow(self, rows: int, floors: Floats) -> None:
        """Make room for `rows` rows, and for as many metrics as there are `floors` (the least spread of each)."""
        metrics = len(floors)
        self._floors, self._looked = floors, None
        had_rows, _, had_metrics = self._state.shape
        room = room_for(rows, had_rows, limit=self._row_limit)
        if (room, metrics) != (had_rows, had_metrics):
            self._state = widened(self._state, (room, _PLANES, metrics), 0)
            self._peers = np.concatenate([self._peers, np.zeros(metrics - len(self._peers))])
        self._rows, self._metrics = max(rows, self._rows), metrics

    def clear(self, row: int) -> None:
        """Forget one row: it warms up again."""
        self._looked = None
        self._state[row] = 0

    def clear_metric(self, rows: Rows, metric: int) -> None:
        """Forget one metric (column) of some rows."""
        self._looked = None
        self._state[rows, :, metric] = 0

    def release_metric(self, metric: int) -> None:
        """Take a column for another metric: of that nobody borrows what this one had. All rows have forgotten it."""
        self._peers[metric] = 0

    def row(self, row: int) -> list[npt.NDArray[Any]]:
        """Return all that is known of one row, as views."""
        return [self._state[row]]

    def standardise(self, rows: Rows, values: Floats) -> Floats:
        """Return z of each value, shape (n, metrics), clipped to the limit; 0 where absent or not yet warm.

        Of the two scales the one that finds the value less surprising counts: the fast one follows slow drift, the slow
        one remembers what was normal before a noisy minute.
        """
        count, mean, _, spread = self._look(rows)
        z = values[:, None] - mean
        z /= spread
        size = np.abs(z)
        best = np.where(size[:, 0] < size[:, 1], z[:, 0], z[:, 1])
        np.minimum(np.maximum(best, -self._limit, out=best), self._limit, out=best)
        np.copyto(best, 0.0, where=(count < self._warmup) | np.isnan(best))
        return best

    def learn(self, rows: Rows, values: Floats, chosen: Rows | None = None) -> None:
        """Learn one window of each of the given rows, which must be distinct; of these the places `chosen`, or all."""
        before, mean, variance, spread = self._look(rows)
        self._looked = None
        if chosen is not None:
            before, mean, variance, spread, values = (
                each.take(chosen, axis=0) for each in (before, mean, variance, spread, values)
            )
            rows = rows[chosen]
        present = np.isfinite(values)
        count = before + present
        residual = values[:, None] - mean
        np.copyto(residual, 0.0, where=~present[:, None])
        bound = OUTLIER * spread
        np.copyto(bound, np.inf, where=(before < self._warmup)[:, None])
        residual = np.minimum(np.maximum(residual, -bound), bound)
        weight = np.maximum(self._least_weight, (3.0 / (np.maximum(count, 1.0) + 2.0))[:, None])
        weight *= present[:, None]
        step = weight * residual
        learned = np.empty((len(rows), _PLANES, values.shape[1]))
        learned[:, _COUNT] = count
        np.add(mean, step, out=learned[:, _MEAN])
        np.multiply(1.0 - weight, variance + step * residual, out=learned[:, _VARIANCE])
        self._state[rows] = learned

    def survey(self) -> None:
        """Take the median relative spread of warm rows, per metric, as what a newcomer borrows."""
        self._looked = None
        asked = self._state[: self._rows : max(1, self._rows // SURVEYED)]
        count, mean, variance = asked[:, _COUNT], asked[:, _MEAN][:, 1], asked[:, _VARIANCE][:, 1]
        ratio = np.sqrt(variance) / (np.abs(mean) + self._floors)
        warm = count >= self._warmup
        np.copyto(ratio, np.inf, where=~warm)
        ratio.sort(axis=0)
        number, metric = np.count_nonzero(warm, axis=0), np.arange(self._metrics)
        middle = (ratio[(number - 1) // 2, metric] + ratio[number // 2, metric]) / 2
        self._peers = np.where(number > 0, middle, self._peers)

    def warm_metrics(self) -> list[int]:
        """Return the metrics (columns) of which at least one row knows enough."""
        warm = (self._state[: self._rows, _COUNT] >= self._warmup).any(axis=0)
        return [int(metric) for metric in np.flatnonzero(warm)]

    def snapshot(self) -> bytes:
        """Return the whole table; equal states give equal bytes."""
        state = self._state[: self._rows]
        return msgspec.msgpack.encode(
            _Columns(rows=self._rows, metrics=self._metrics, peers=self._peers.data, state=state.data)
        )

    def restore(self, snapshot: bytes, floors: Floats) -> None:
        """Replace the table by one that `snapshot` returned; `floors` as in `grow`."""
        found = msgspec.msgpack.decode(snapshot, type=_Columns)
        self._peers, self._floors = np.frombuffer(found.peers).copy(), floors
        self._state = np.frombuffer(found.state).reshape(found.rows, _PLANES, found.metrics).copy()
        self._rows, self._metrics, self._looked = found.rows, found.metrics, None

    def _look(self, rows: Rows) -> tuple[Floats, Floats, Floats, Floats]:
        """Return count (n, metrics), and mean, variance and spread at both scales (n, 2, metrics).

        The last answer is kept for the same rows: windows are mostly learned right after they were judged.
        """
        if self._looked is None or self._looked[0] is not rows:
            state = self._state.take(rows, axis=0)
            count, mean, variance = state[:, _COUNT], state[:, _MEAN], state[:, _VARIANCE]
            self._looked = rows, count, mean, variance, self._spread(mean, variance, count)
        return self._looked[1:]

    def _spread(self, mean: Floats, variance: Floats, count: Floats) -> Floats:
        """Return the standard deviation to judge by: own and borrowed, widened while small, and never under the floors.

        A constant metric has no spread of its own; the floors say what change of it would matter at all.
        """
        size = np.abs(mean)
        borrowed = self._prior * np.maximum(0.0, 1.0 - count / (5 * self._prior))
        peer = self._peers * (size + self._floors)
        # what a count gives is the same at both scales
        shared = np.maximum(count + borrowed, 1.0)[:, None]
        spread = count[:, None] * variance
        spread += borrowed[:, None] * peer * peer
        spread /= shared
        np.sqrt(spread, out=spread)
        spread *= (1.0 + SMALL_SAMPLE / np.maximum(count, 1.0))[:, None]
        size *= self._floor_relative
        np.maximum(size, self._floors, out=size)
        return np.maximum(spread, size, out=size)

"""How far a value is from where it has been: residuals at several time scales, in one table of columns."""

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

SCALES = (1.0, 16.0, 256.0)
"""Windows over which the averages are taken; the first is the value before, so its residual is the jump."""
SEASON_SLOTS = 48
DAY_US = 86_400_000_000
FEATURES = 5
"""Planes of `ratios`: jump, medium and long residual, medium against long average, residual of the time of day."""
SEASON_WEIGHT = 0.1
SMALL_SAMPLE = 5.0
"""A spread from n windows is widened by 1 + 5/n."""
OUTLIER = 30.0
"""What is learned from one residual, in spreads, is at most this."""
LEAST, MOST = 1e-3, 3_000.0
"""Ratios are kept within these, so that their logarithms are finite."""
_COUNT, _MEANS, _SPREADS, _SEASON = 0, slice(1, 4), slice(4, 9), 9
_PLANES = _SEASON + SEASON_SLOTS


class _Columns(msgspec.Struct, array_like=True):
    rows: int
    metrics: int
    state: bytes


class ResidualTable:
    """Exponentially weighted averages per (entity row, metric), and the mean size of each residual so far.

    Averages start as plain means (weight 1/n) and end at 1/scale; a season has 48 slots of the day. The spread of each
    residual is its mean size over the whole past. NaN is an absent value: it is not learned and its ratios are NaN.
    """

    def __init__(self, *, warmup_windows: int, floor_relative: float) -> None:
        self._least_weight = 1 / np.array(SCALES)[:, None, None]
        self._warmup = warmup_windows
        self._floor_relative = floor_relative
        self._rows = 0
        self._floors = np.zeros(0)
        self._state = np.zeros((_PLANES, 0, 0))

    def grow(self, rows: int, floors: Floats) -> None:
        """Make room for `rows` rows, and for as many metrics as there are `floors` (the least spread of each)."""
        self._floors = floors
        had_rows, had_metrics = self._state.shape[1:]
        if rows > had_rows or len(floors) > had_metrics:
            wide = np.zeros((_PLANES, max(rows, 2 * had_rows) if rows > had_rows else had_rows, len(floors)))
            wide[_SEASON:] = np.nan
            wide[:, :had_rows, :had_metrics] = self._state
            self._state = wide
        self._rows = max(rows, self._rows)

    def clear(self, row: int) -> None:
        """Forget one row: it warms up again."""
        self._state[:_SEASON, row] = 0
        self._state[_SEASON:, row] = np.nan

    def ratios(self, rows: Rows, values: Floats, times_us: Rows) -> tuple[Floats, Floats]:
        """Return the sizes of the residuals of values (n, metrics), shape (FEATURES, n, metrics): the logarithms of
        their ratios to their spreads, and their plain ratios to the floors. NaN where absent or not yet warm.
        """
        state = self._state[:_SEASON, rows]
        size = np.abs(self._residuals(state, rows, values, times_us))
        count = state[_COUNT]
        floor = np.maximum(self._floors, self._floor_relative * np.abs(state[_MEANS][-1]))
        spread = np.maximum(state[_SPREADS] * (1 + SMALL_SAMPLE / np.maximum(count, 1)), floor)
        ratio = np.minimum(np.maximum(size / spread, LEAST), MOST)
        warm = count >= self._warmup
        return np.log(np.where(warm, ratio, np.nan)), np.where(warm, size / floor, np.nan)

    def learn(self, rows: Rows, values: Floats, times_us: Rows) -> None:
        """Learn one window of each of the given rows, which must be distinct."""
        state = self._state[:_SEASON, rows]
        present = np.isfinite(values)
        count, spreads = state[_COUNT], state[_SPREADS]
        bound = np.where(count >= self._warmup, OUTLIER * np.maximum(spreads, self._floors), np.inf)
        residuals = np.where(present & (count > 0), self._residuals(state, rows, values, times_us), 0.0)
        residuals = np.minimum(np.maximum(residuals, -bound), bound)
        state[_MEANS] += np.where(
            count > 0, self._weights(count) * residuals[: len(SCALES)], np.where(present, values, 0)
        )
        state[_SPREADS] += np.where(present, self._fresh(count), 0.0) * (np.abs(residuals) - spreads)
        state[_COUNT] = count + present
        self._state[:_SEASON, rows] = state
        planes = _slots_of_day(times_us)
        season = self._state[planes, rows]
        fresh = np.where(present, values, np.nan)
        self._state[planes, rows] = np.where(np.isnan(season), fresh, season + SEASON_WEIGHT * residuals[-1])

    def snapshot(self) -> bytes:
        """Return the whole table; equal states give equal bytes."""
        known = self._state[:, : self._rows]
        return msgspec.msgpack.encode(_Columns(rows=self._rows, metrics=known.shape[2], state=known.tobytes()))

    def restore(self, snapshot: bytes, floors: Floats) -> None:
        """Replace the table by one that `snapshot` returned; `floors` as in `grow`."""
        found = msgspec.msgpack.decode(snapshot, type=_Columns)
        self._rows, self._floors = found.rows, floors
        self._state = np.frombuffer(found.state).reshape(_PLANES, found.rows, found.metrics).copy()

    def _residuals(self, state: Floats, rows: Rows, values: Floats, times_us: Rows) -> Floats:
        """Return the signed residuals, shape (FEATURES, n, metrics)."""
        means, season = state[_MEANS], self._state[_slots_of_day(times_us), rows]
        residuals = values - means
        medium = means[1] + self._weights(state[_COUNT])[1] * residuals[1]
        seasonal = np.where(np.isnan(season), residuals[-1], values - season)
        return np.concatenate([residuals, (medium - means[-1])[None], seasonal[None]])

    def _weights(self, count: Floats) -> Floats:
        weights: Floats = np.maximum(self._least_weight, self._fresh(count))
        return weights

    def _fresh(self, count: Floats) -> Floats:
        """Return the weight of the next value in what is averaged over the whole past; while an entity starts up the
        latest values count for more.
        """
        return np.where(count < self._warmup, 3 / (count + 3), 1 / (count + 1))


def _slots_of_day(times_us: Rows) -> Rows:
    """Return the plane of the season that each time falls into."""
    planes: Rows = _SEASON + times_us % DAY_US * SEASON_SLOTS // DAY_US
    return planes

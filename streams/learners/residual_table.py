"""How far a value is from where it has been: residuals at several time scales, in one table of columns."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from streams.learners.room import room_for, widened

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

SCALES = (1.0, 16.0, 256.0)
"""Windows over which the averages are taken; the first is the value before, so its residual is the jump."""
SEASON_SLOTS = 48
DAY_US = 86_400_000_000
FEATURES = 5
"""Planes of `ratios`: jump, medium and long residual, medium against long average, residual of the time of day."""
LEVEL = 3
"""The plane of medium against long average."""
SEASON_WEIGHT = 0.1
SMALL_SAMPLE = 5.0
"""A spread from n windows is widened by 1 + 5/n."""
OUTLIER = 30.0
"""What is learned from one residual, in spreads, is at most this."""
LEAST, MOST = 1e-3, 3_000.0
"""Ratios are kept within these, so that their logarithms are finite."""
LARGEST = 1e30
"""Values are clipped to this, so that they and their residuals fit the table."""
LONGEST = 2.0**22
"""Counts end here (49 days of seconds): what one value moves after more would be lost in 32 bits."""
_COUNT, _MEANS, _SPREADS = 0, slice(1, 4), slice(4, 9)
_MEDIUM, _LONG = 2, 3
_PLANES = 9


class Residuals(msgspec.Struct, array_like=True):
    """All of a table: its own arrays, which change with it."""

    rows: int
    metrics: int
    averages: memoryview
    season: memoryview


@dataclass(frozen=True, slots=True)
class _Look:
    """What a table knows of some rows, and how far values, shape (n, metrics), are from it."""

    rows: Rows
    values: Floats
    averages: Floats
    clipped: Floats
    """The values."""
    places: Rows
    """Where in the seasons of all rows the slot of the day lies."""
    fresh: Floats
    """The weight of the values in what is averaged over the whole past."""
    residuals: Floats
    """Shape (n, FEATURES, metrics)."""

    def cut(self, chosen: Rows) -> "_Look":
        """Return the same of some of the rows."""
        return _Look(
            self.rows[chosen],
            self.values[chosen],
            self.averages[chosen],
            self.clipped[chosen],
            self.places[chosen],
            self.fresh[chosen],
            self.residuals[chosen],
        )


class ResidualTable:
    """Exponentially weighted averages per (entity row, metric), and the mean size of each residual so far.

    Averages start as plain means (weight 1/n) and end at 1/scale; a season has 48 slots of the day. The spread of each
    residual is its mean size over the whole past. NaN is an absent value: it is not learned and its ratios are NaN.
    Kept in 32 bits, computed in 64. Rows never outgrow `limit`.
    """

    def __init__(self, *, warmup_windows: int, floor_relative: float, limit: int | None = None) -> None:
        self._least_weight = 1 / np.array(SCALES)[:, None]
        self._warmup = warmup_windows
        self._floor_relative = floor_relative
        self._limit = limit
        self._rows = 0
        self._floors = np.zeros(0)
        self._averages = np.zeros((0, _PLANES, 0), np.float32)
        self._season = np.zeros((0, SEASON_SLOTS, 0), np.float32)
        self._looked: _Look | None = None

    def grow(self, rows: int, floors: Floats) -> None:
        """Make room for `rows` rows, and for as many metrics as there are `floors` (the least spread of each)."""
        self._floors, self._looked = floors, None
        had_rows, _, had_metrics = self._averages.shape
        room = room_for(rows, had_rows, limit=self._limit)
        if (room, len(floors)) != (had_rows, had_metrics):
            self._averages = widened(self._averages, (room, _PLANES, len(floors)), 0)
            self._season = widened(self._season, (room, SEASON_SLOTS, len(floors)), np.nan)
        self._rows = max(rows, self._rows)

    def clear(self, row: int) -> None:
        """Forget one row: it warms up again."""
        self._looked = None
        self._averages[row] = 0
        self._season[row] = np.nan

    def row(self, row: int) -> list[npt.NDArray[Any]]:
        """Return all that is known of one row, as views."""
        return [self._averages[row], self._season[row]]

    def ratios(self, rows: Rows, values: Floats, times_us: Rows) -> tuple[Floats, Floats]:
        """Return the sizes of the residuals of values (n, metrics), shape (n, FEATURES, metrics): the logarithms of
        their ratios to their spreads, and their plain ratios to the floors. NaN where absent or not yet warm.
        """
        look = self._look(rows, values, times_us)
        averages, size = look.averages, np.abs(look.residuals)
        count = averages[:, _COUNT]
        np.copyto(size, np.nan, where=(count < self._warmup)[:, None])
        floor = np.maximum(self._floors, self._floor_relative * np.abs(averages[:, _MEANS][:, -1]))[:, None]
        spread = averages[:, _SPREADS] * (1.0 + SMALL_SAMPLE / np.maximum(count, 1.0))[:, None]
        ratio = size / np.maximum(spread, floor)
        np.minimum(np.maximum(ratio, LEAST, out=ratio), MOST, out=ratio)
        return np.log(ratio, out=ratio), size / floor

    def learn(self, rows: Rows, values: Floats, times_us: Rows, chosen: Rows | None = None) -> None:
        """Learn one window of each of the given rows, which must be distinct; of these the places `chosen`, or all."""
        look = self._look(rows, values, times_us)
        self._looked = None
        if chosen is not None:
            look = look.cut(chosen)
        averages, residuals, values, fresh, places = (
            look.averages,
            look.residuals,
            look.clipped,
            look.fresh,
            look.places,
        )
        present = np.isfinite(values)
        count, spreads = averages[:, _COUNT], averages[:, _SPREADS]
        first = present & (count == 0.0)
        np.copyto(residuals, 0.0, where=(first | ~present)[:, None])
        bound = OUTLIER * np.maximum(spreads, self._floors)
        np.copyto(bound, np.inf, where=(count < self._warmup)[:, None])
        residuals = np.minimum(np.maximum(residuals, -bound), bound)
        steps = np.maximum(self._least_weight, fresh[:, None])
        steps *= residuals[:, : len(SCALES)]
        np.copyto(steps, values[:, None], where=first[:, None])
        averages[:, _MEANS] += steps
        averages[:, _SPREADS] += (present * fresh)[:, None] * (np.abs(residuals) - spreads)
        averages[:, _COUNT] = np.minimum(count + present, LONGEST)
        self._averages[look.rows] = averages
        flat = self._season.reshape(-1, self._season.shape[2])
        season = flat.take(places, axis=0)
        flat[places] = np.where(np.isnan(season), values, season + SEASON_WEIGHT * residuals[:, -1])

    def settle(self, rows: Rows, moved: Flags) -> None:
        """Take the medium average for the long one where `moved`, shape (n, metrics): the level is another now."""
        self._looked = None
        averages = self._averages
        averages[rows, _LONG] = np.where(moved, averages[rows, _MEDIUM], averages[rows, _LONG])

    def columns(self) -> Residuals:
        """Return the whole table, uncopied."""
        averages, season = self._averages[: self._rows], self._season[: self._rows]
        return Residuals(rows=self._rows, metrics=averages.shape[2], averages=averages.data, season=season.data)

    def adopt(self, found: Residuals, floors: Floats) -> None:
        """Replace the table by a copy of another; `floors` as in `grow`."""
        self._rows, self._floors, self._looked = found.rows, floors, None
        averages, season = np.frombuffer(found.averages, np.float32), np.frombuffer(found.season, np.float32)
        self._averages = averages.reshape(found.rows, _PLANES, found.metrics).copy()
        self._season = season.reshape(found.rows, SEASON_SLOTS, found.metrics).copy()

    def _look(self, rows: Rows, values: Floats, times_us: Rows) -> _Look:
        """Look up rows, and hold values against them.

        The last answer is kept for the same arguments: windows are mostly learned right after they were judged.
        """
        look = self._looked
        if look is None or look.rows is not rows or look.values is not values:
            averages = self._averages.take(rows, axis=0).astype(np.float64)
            clipped, places = _clipped(values), _places(rows, times_us)
            fresh = self._fresh(averages[:, _COUNT])
            residuals = self._residuals(averages, clipped, fresh, places)
            look = self._looked = _Look(rows, values, averages, clipped, places, fresh, residuals)
        return look

    def _residuals(self, averages: Floats, values: Floats, fresh: Floats, places: Rows) -> Floats:
        """Return the signed residuals, shape (n, FEATURES, metrics)."""
        residuals = np.empty((len(values), FEATURES, values.shape[1]))
        means, plain = averages[:, _MEANS], residuals[:, : len(SCALES)]
        np.subtract(values[:, None], means, out=plain)
        medium = means[:, 1] + np.maximum(self._least_weight[1], fresh) * plain[:, 1]
        np.subtract(medium, means[:, -1], out=residuals[:, -2])
        season = self._season.reshape(-1, values.shape[1]).take(places, axis=0)
        np.subtract(values, season, out=residuals[:, -1])
        np.copyto(residuals[:, -1], plain[:, -1], where=np.isnan(season))
        return residuals

    def _fresh(self, count: Floats) -> Floats:
        """Return the weight of the next value in what is averaged over the whole past; while an entity starts up the
        latest values count for more.
        """
        start = np.where(count < self._warmup, 3.0, 1.0)
        return start / (count + start)


def _clipped(values: Floats) -> Floats:
    clipped: Floats = np.minimum(np.maximum(values, -LARGEST), LARGEST)
    return clipped


def _places(rows: Rows, times_us: Rows) -> Rows:
    """Return where in the seasons of all rows the slot of the day of each time lies."""
    places: Rows = rows * SEASON_SLOTS + times_us % DAY_US * SEASON_SLOTS // DAY_US
    return places

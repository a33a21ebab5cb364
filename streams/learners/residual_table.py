"""How far a value is from where it has been: residuals at several time scales, in one table of columns."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from streams.learners import own_season
from streams.learners.own_season import LEVEL as OWN_LEVEL
from streams.learners.own_season import WEIGHT as OWN_WEIGHT
from streams.learners.periodicity import BINS
from streams.learners.room import room_for, widened
from streams.learners.season_profile import SLOTS
from streams.learners.seasons import Seasons

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

SCALES = (1.0, 16.0, 256.0)
"""Windows over which the averages are taken; the first is the value before, so its residual is the jump."""
FEATURES = 5
"""Planes of `ratios`: jump, medium and long residual, medium against long average, residual of the phase."""
LEVEL, SEASON = 3, 4
"""The planes of medium against long average, and of the phase."""
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
_LAST, _MEDIUM, _LONG = 1, 2, 3
_PLANES = 9


class Residuals(msgspec.Struct, array_like=True):
    """All of a table: its own arrays, which change with it."""

    rows: int
    metrics: int
    averages: memoryview
    season: memoryview
    own: memoryview


@dataclass(frozen=True, slots=True)
class _Look:
    """What a table knows of some rows, and how far values, shape (n, metrics), are from it."""

    rows: Rows
    values: Floats
    averages: Floats
    clipped: Floats
    """The values, less the season where they have one of their own."""
    places: Rows
    """Where in the seasons of all rows the slots lie: (n, metrics), or (n,) of those of all metrics."""
    own: Floats | None
    """Shape (n, 2, metrics), where some metric has a season of its own."""
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
            None if self.own is None else self.own[chosen],
            self.fresh[chosen],
            self.residuals[chosen],
        )


class ResidualTable:
    """Exponentially weighted averages per (entity row, metric), and the mean size of each residual so far.

    Averages start as plain means (weight 1/n) and end at 1/scale. A season has `SLOTS` slots, of which the caller names
    the one at hand (`phases`, shape (n, metrics), or (n, 1) where all metrics have that of a day): averages of what was
    there, which say what to expect. Where a period of its own was found (`expect`), they say how far its phase is off
    its level, and everything is held against what is left of values without that (seasonal adjustment; Winters 1960,
    his level averaged over the period). The spread of each residual is its mean size over the whole past. NaN is an
    absent value: it is not learned and its ratios are NaN. Kept in 32 bits, computed in 64. Rows never outgrow `limit`.
    """

    def __init__(self, *, warmup_windows: int, floor_relative: float, limit: int | None = None) -> None:
        self._least_weight = 1 / np.array(SCALES)[:, None]
        self._warmup = warmup_windows
        self._floor_relative = floor_relative
        self._limit = limit
        self._rows = 0
        self._floors = np.zeros(0)
        self._averages = np.zeros((0, _PLANES, 0), np.float32)
        self._season = np.zeros((0, SLOTS, 0), np.float32)
        self._own = np.zeros((0, own_season.PLANES, 0), np.float32)
        self._looked: _Look | None = None

    def grow(self, rows: int, floors: Floats) -> None:
        """Make room for `rows` rows, and for as many metrics as there are `floors` (the least spread of each)."""
        self._floors, self._looked = floors, None
        had_rows, _, had_metrics = self._averages.shape
        room = room_for(rows, had_rows, limit=self._limit)
        if (room, len(floors)) != (had_rows, had_metrics):
            self._averages = widened(self._averages, (room, _PLANES, len(floors)), 0)
            self._season = widened(self._season, (room, SLOTS, len(floors)), np.nan)
            self._own = widened(self._own, (room, own_season.PLANES, len(floors)), 0)
        self._rows = max(rows, self._rows)

    def clear(self, row: int) -> None:
        """Forget one row, but for the seasons of a period of its own: it warms up again."""
        self._looked = None
        self._averages[row] = 0
        self._own[row, OWN_LEVEL] = 0
        self._season[row, :, self._own[row, OWN_WEIGHT] == 0] = np.nan

    def forget(self, row: int) -> None:
        """Forget all about one row."""
        self._own[row] = 0
        self.clear(row)

    def clear_metric(self, rows: Rows, metric: int) -> None:
        """Forget all about one metric (column) of some rows."""
        self._looked = None
        self._averages[rows, :, metric] = 0
        self._own[rows, :, metric] = 0
        self._season[rows, :, metric] = np.nan

    def row(self, row: int) -> list[npt.NDArray[Any]]:
        """Return all that is known of one row, as views."""
        return [self._averages[row], self._season[row], self._own[row]]

    def ratios(self, rows: Rows, values: Floats, phases: Rows) -> tuple[Floats, Floats]:
        """Return the sizes of the residuals of values (n, metrics), shape (n, FEATURES, metrics): the logarithms of
        their ratios to their spreads, and their plain ratios to the floors. NaN where absent or not yet warm.
        """
        look = self._look(rows, values, phases)
        averages, size = look.averages, np.abs(look.residuals)
        count = averages[:, _COUNT]
        np.copyto(size, np.nan, where=(count < self._warmup)[:, None])
        floor = np.maximum(self._floors, self._floor_relative * np.abs(averages[:, _MEANS][:, -1]))[:, None]
        spread = averages[:, _SPREADS] * (1.0 + SMALL_SAMPLE / np.maximum(count, 1.0))[:, None]
        ratio = size / np.maximum(spread, floor)
        np.minimum(np.maximum(ratio, LEAST, out=ratio), MOST, out=ratio)
        return np.log(ratio, out=ratio), size / floor

    def learn(self, rows: Rows, values: Floats, phases: Rows, chosen: Rows | None = None) -> None:
        """Learn one window of each of the given rows, which must be distinct; of these the places `chosen`, or all."""
        look = self._look(rows, values, phases)
        self._looked = None
        if chosen is not None:
            look = look.cut(chosen)
        averages, residuals, values, fresh = look.averages, look.residuals, look.clipped, look.fresh
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
        step = SEASON_WEIGHT * residuals[:, -1]
        if look.own is not None:
            spread = np.maximum(spreads[:, -1], self._floors)
            added = own_season.learned(look.own, values, residuals[:, -1], spread, first)
            step = np.where(look.own[:, OWN_WEIGHT] > 0, added, step)
            self._own[look.rows] = look.own
        averages[:, _COUNT] = np.minimum(count + present, LONGEST)
        self._averages[look.rows] = averages
        slots = self._slots(look.places)
        season = slots.take(look.places, axis=0)
        slots[look.places] = np.where(np.isnan(season), values, season + step)

    def settle(self, rows: Rows, moved: Flags) -> None:
        """Take the medium average for the long one where `moved`, shape (n, metrics): the level is another now."""
        self._looked = None
        medium, own = self._averages[rows, _MEDIUM], self._own[rows]
        self._averages[rows, _LONG] = np.where(moved, medium, self._averages[rows, _LONG])
        self._own[rows, OWN_LEVEL] = np.where(moved & (own[:, OWN_WEIGHT] > 0), medium, own[:, OWN_LEVEL])

    def expect(self, seasons: Seasons) -> None:
        """Hold metrics against other seasons from now on. What is known of the columns is changed into what it would be
        had they been held against those, as far as can be told; it is made less sure, so that the rest is soon learned.
        """
        self._looked = None
        at = seasons.rows, slice(None), seasons.metrics
        averages, before = self._averages[at].astype(np.float64), self._own[at].astype(np.float64)[:, OWN_WEIGHT]
        own = seasons.weight > 0
        spreads = averages[:, _SPREADS]
        taken = np.where(before[:, None] > 0, self._season[at], 0.0)
        averages[:, _SPREADS] = np.where(
            own[:, None],
            own_season.adjusted_spreads(seasons, spreads),
            own_season.plain_spreads(seasons, spreads, taken, before),
        )
        np.copyto(averages[:, _LAST], seasons.last, where=np.isfinite(seasons.last))
        for plane in (_MEDIUM, _LONG):
            np.copyto(averages[:, plane], seasons.level, where=own)
        averages[:, _COUNT] = np.minimum(averages[:, _COUNT], BINS)
        self._averages[at] = averages
        self._own[at] = np.stack([seasons.weight, np.where(own, seasons.level, 0.0)], axis=1)
        slots = seasons.slots + np.where(own, 0.0, seasons.level)[:, None]
        self._season[at] = np.where(seasons.known[:, None], slots, np.nan)

    def columns(self) -> Residuals:
        """Return the whole table, uncopied."""
        averages, season, own = (table[: self._rows].data for table in (self._averages, self._season, self._own))
        return Residuals(rows=self._rows, metrics=len(self._floors), averages=averages, season=season, own=own)

    def adopt(self, found: Residuals, floors: Floats) -> None:
        """Replace the table by a copy of another; `floors` as in `grow`."""
        self._rows, self._floors, self._looked = found.rows, floors, None
        averages, season, own = (np.frombuffer(data, np.float32) for data in (found.averages, found.season, found.own))
        self._averages = averages.reshape(found.rows, _PLANES, found.metrics).copy()
        self._season = season.reshape(found.rows, SLOTS, found.metrics).copy()
        self._own = own.reshape(found.rows, own_season.PLANES, found.metrics).copy()

    def _look(self, rows: Rows, values: Floats, phases: Rows) -> _Look:
        """Look up rows, and hold values against them.

        The last answer is kept for the same arguments: windows are mostly learned right after they were judged.
        """
        look = self._looked
        if look is None or look.rows is not rows or look.values is not values:
            averages = self._averages.take(rows, axis=0).astype(np.float64)
            clipped, places = _clipped(values), _places(rows, phases, values.shape[1])
            season: npt.NDArray[Any] = self._slots(places).take(places, axis=0)
            own = self._own_of(rows, phases)
            if own is not None:
                adjusted = own[:, OWN_WEIGHT] > 0
                clipped -= np.where(adjusted, season, 0.0)
                season = np.where(adjusted, own[:, OWN_LEVEL], season)
            fresh = self._fresh(averages[:, _COUNT])
            residuals = self._residuals(averages, clipped, fresh, season)
            look = self._looked = _Look(rows, values, averages, clipped, places, own, fresh, residuals)
        return look

    def _own_of(self, rows: Rows, phases: Rows) -> Floats | None:
        """Return what is known of seasons of their own, shape (n, 2, metrics), if any metric of the rows has one."""
        if phases.shape[1] < self._own.shape[2]:
            return None
        own: Floats = self._own.take(rows, axis=0).astype(np.float64)
        return own if np.count_nonzero(own[:, OWN_WEIGHT]) else None

    def _slots(self, places: Rows) -> npt.NDArray[np.float32]:
        """Return all seasons in the shape that places are of: a slot of all metrics, or of one."""
        slots, metrics = len(self._season) * SLOTS, self._season.shape[2]
        return self._season.reshape(slots, metrics) if places.ndim == 1 else self._season.reshape(slots * metrics)

    def _residuals(self, averages: Floats, values: Floats, fresh: Floats, season: npt.NDArray[Any]) -> Floats:
        """Return the signed residuals, shape (n, FEATURES, metrics)."""
        residuals = np.empty((len(values), FEATURES, values.shape[1]))
        means, plain = averages[:, _MEANS], residuals[:, : len(SCALES)]
        np.subtract(values[:, None], means, out=plain)
        medium = means[:, 1] + np.maximum(self._least_weight[1], fresh) * plain[:, 1]
        np.subtract(medium, means[:, -1], out=residuals[:, -2])
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


def _places(rows: Rows, phases: Rows, metrics: int) -> Rows:
    """Return where in the seasons of all rows the slots `phases` lie: (n, metrics) of single metrics, or, of phases
    (n, 1), (n,) of all metrics at once, which lie together.
    """
    if phases.shape[1] == 1:
        return rows * SLOTS + phases[:, 0]
    places: Rows = (rows[:, None] * SLOTS + phases) * metrics + np.arange(metrics)
    return places

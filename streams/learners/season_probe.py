"""Which period each metric of each entity has, found by one ring of averages per entity, a metric at a time."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from streams.learners.periodicity import BINS, LONGEST, SHORTEST, SLOTS, Profile, profile_of, refined, shown_periods
from streams.learners.room import room_for

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

DAY_US = 86_400_000_000
NATURAL_US = np.array(
    [seconds * 1e6 for seconds in (60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600, 28_800, 43_200)]
    + [float(DAY_US)]
)
"""A period as good as one of these is one."""
SAME = 0.01
"""Periods closer than this share are the same."""
STRONGER = 1.1
RELATED = 0.04
"""One closer to a multiple of another than this is taken for it."""
LEAST_KNOWN = 0.75
"""A ring that knows less of its values than this share says nothing."""
CROWDED = 4
FIRST_DEPTH, DEEPER = 2, 2
"""A metric's first turn ends when its averages have doubled twice; whenever all have had one, turns get deeper."""
_END, _SUM, _COUNT, _METRIC = range(4)
_START, _WIDTH, _BASE, _BIN, _DEPTH = range(5)
_OPEN = (-np.inf, 0.0, 0.0, 0.0)
_TURN = (0.0, 1.0, np.inf, -1.0, FIRST_DEPTH)


class Probes(msgspec.Struct, array_like=True):
    """All of a probe: its own arrays, which change with it."""

    rows: int
    metrics: int
    rings: memoryview
    open: memoryview
    turns: memoryview
    periods: memoryview
    strengths: memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """What a metric (column) of a row is to be held against from now on, by phase; `slots` is None where nothing is
    known of that.
    """

    row: int
    metric: int
    weight: float
    """One over the windows of its period, if that is its own and not that of the day, else 0."""
    last: float
    """The value just learned, less its slot if the period is its own."""
    slots: Floats | None = None
    """What it deviates from `level` by phase."""
    level: float = 0.0
    noise: float = 0.0
    """Mean size of what is left of values, were they independent, ..."""
    residual: float = 0.0
    """... and of averages of them over a bin."""


class SeasonProbe:
    """..."""

    def __init__(self, *, limit: int | None = None) -> None:
        self._limit = limit
        self._rows = 0
        self._rings = np.zeros((0, BINS), np.float32)
        self._open = np.zeros((0, len(_OPEN)))
        self._turns = np.zeros((0, len(_TURN)))
        self._periods = np.zeros((0, 0), np.float32)
        self._strengths = np.zeros((0, 0), np.float32)

    def grow(self, rows: int, metrics: int) -> None:
        had_rows, had_metrics = self._periods.shape
        room = room_for(rows, had_rows, limit=self._limit)
        if (room, metrics) != (had_rows, had_metrics):
            self._rings = _taller(self._rings, (room, BINS), np.nan)
            self._open = _taller(self._open, (room, len(_OPEN)), _OPEN)
            self._turns = _taller(self._turns, (room, len(_TURN)), _TURN)
            self._periods = _taller(self._periods, (room, metrics), DAY_US)
            self._strengths = _taller(self._strengths, (room, metrics), 0)
        self._rows = max(rows, self._rows)

    def clear(self, row: int) -> None:
        self._rings[row] = np.nan
        self._open[row] = _OPEN
        self._turns[row] = _TURN
        self._periods[row] = DAY_US
        self._strengths[row] = 0

    def row(self, row: int) -> list[npt.NDArray[Any]]:
        return [self._rings[row], self._open[row], self._turns[row], self._periods[row], self._strengths[row]]

    def columns(self) -> Probes:
        """Return all of it, uncopied."""
        rows = self._rows
        tables = (self._rings, self._open, self._turns, self._periods, self._strengths)
        return Probes(rows, self._periods.shape[1], *(table[:rows].data for table in tables))

    def adopt(self, found: Probes) -> None:
        """Replace all of it by a copy of another."""
        rows = self._rows = found.rows
        self._rings = np.frombuffer(found.rings, np.float32).reshape(rows, BINS).copy()
        self._open = np.frombuffer(found.open).reshape(rows, len(_OPEN)).copy()
        self._turns = np.frombuffer(found.turns).reshape(rows, len(_TURN)).copy()
        self._periods = np.frombuffer(found.periods, np.float32).reshape(rows, found.metrics).copy()
        self._strengths = np.frombuffer(found.strengths, np.float32).reshape(rows, found.metrics).copy()

    def phases(self, rows: Rows, times_us: Rows) -> Rows:
        """Return the slot of the period of each metric at one time of each row, shape (n, metrics)."""
        periods = self._periods.take(rows, axis=0).astype(np.float64)
        times = times_us.astype(np.float64)[:, None]
        phase = times - np.floor(times / periods) * periods  # exact
        phase *= SLOTS
        phase /= periods
        return phase.astype(np.int64)

    def learn(self, rows: Rows, values: Floats, times_us: Rows) -> list[Season]:
        """Learn one window of each of distinct rows; return what changes by that."""
        if not values.shape[1]:
            return []
        seasons: list[Season] = []
        now = self._open.take(rows, axis=0)
        over = (times_us >= now[:, _END]).nonzero()[0]
        if len(over):
            seasons = self._next_bins(rows[over], values[over], times_us[over])
            now = self._open.take(rows, axis=0)
        mine = values[np.arange(len(rows)), now[:, _METRIC].astype(np.int64)]
        present = np.isfinite(mine)
        now[:, _COUNT] += present
        now[:, _SUM] += np.where(present, mine, 0.0)
        self._open[rows] = now
        return seasons

    def _next_bins(self, rows: Rows, values: Floats, times_us: Rows) -> list[Season]:
        """Write the averages that are complete into their rings, and begin the next."""
        total, count = self._open[rows, _SUM], self._open[rows, _COUNT]
        turns = self._turns[rows]
        some = (count > 0).nonzero()[0]
        self._rings[rows[some], turns[some, _BIN].astype(np.int64)] = total[some] / count[some]
        bins = _bins(turns, times_us)
        crowded = (count >= CROWDED) & (turns[:, _WIDTH] == turns[:, _BASE])
        seasons: list[Season] = []
        full = ((bins >= BINS) | crowded).nonzero()[0]
        if len(full):
            self._turns[rows[crowded], _BASE] /= count[crowded]
            crowded |= bins >= 2 * BINS
            seasons = self._fill(rows[full], values[full], times_us[full], crowded[full])
            turns = self._turns[rows]
            bins = _bins(turns, times_us)
        self._turns[rows, _BIN] = bins
        self._open[rows, _END] = turns[:, _START] + (bins + 1) * turns[:, _WIDTH]
        self._open[rows, _SUM] = self._open[rows, _COUNT] = 0.0
        return seasons

    def _fill(self, rows: Rows, values: Floats, times_us: Rows, useless: Flags) -> list[Season]:
        """Look for a period in rings that are full; then go on with half of their bins, or with another metric."""
        seasons = self._judge(rows[~useless], values[~useless], times_us[~useless])
        turns, metric = self._turns[rows], self._open[rows, _METRIC].astype(np.int64)
        second = np.isinf(turns[:, _BASE]) & np.isfinite(self._open[rows, _END])
        turns[second, _BASE] = times_us[second] - turns[second, _START]
        deepest = turns[:, _WIDTH] * LONGEST >= DAY_US
        over = ~useless & (deepest | (turns[:, _WIDTH] >= turns[:, _BASE] * 2.0 ** turns[:, _DEPTH]))
        following = _next_present(values, metric + over)
        turned = over & (following <= metric)
        turns[turned, _DEPTH] = np.where(deepest, FIRST_DEPTH, turns[:, _DEPTH] + DEEPER)[turned]
        afresh = useless | (over & (deepest | (following != metric)))
        turns[afresh, _START] = times_us[afresh]
        turns[:, _WIDTH] = np.where(afresh, np.where(np.isinf(turns[:, _BASE]), 1.0, turns[:, _BASE]), 2 * turns[:, _WIDTH])
        self._turns[rows] = turns
        self._open[rows, _METRIC] = following
        self._rings[rows[afresh]] = np.nan
        halved = rows[~afresh]
        pairs = self._rings[halved].reshape(-1, BINS // 2, 2)
        first, second_half = pairs[..., 0], pairs[..., 1]
        both = np.where(np.isnan(first), second_half, np.where(np.isnan(second_half), first, (first + second_half) / 2))
        self._rings[halved] = np.nan
        self._rings[halved, : BINS // 2] = both
        return seasons

    def _judge(self, rows: Rows, values: Floats, times_us: Rows) -> list[Season]:
        rings = self._rings[rows].astype(np.float64)
        enough = np.isfinite(rings).mean(axis=1) >= LEAST_KNOWN
        if not enough.any():
            return []
        rows, rings, values, times_us = rows[enough], rings[enough], values[enough], times_us[enough]
        metrics = self._open[rows, _METRIC].astype(np.int64)
        shown = shown_periods(rings)
        asked = ((shown > 0) | (self._periods[rows, metrics] != DAY_US)).nonzero()[0].tolist()
        seasons = []
        for i in asked:
            row, metric = int(rows[i]), int(metrics[i])
            changed, profile = self._decide(row, metric, rings[i], float(shown[i]))
            if changed:
                seasons.append(self._season(row, metric, profile, value=float(values[i, metric]), time_us=times_us[i : i + 1]))
        return seasons

    def _season(self, row: int, metric: int, profile: Profile | None, *, value: float, time_us: Rows) -> Season:
        own = self._periods[row, metric] != DAY_US
        if profile is None:
            return Season(row=row, metric=metric, weight=0.0, last=value)
        phase = self.phases(np.array([row]), time_us)[0, metric]
        width, base = self._turns[row, [_WIDTH, _BASE]].tolist()
        return Season(
            row=row,
            metric=metric,
            weight=base / self._periods[row, metric] if own else 0.0,
            last=value - float(profile.slots[phase]) if own else value,
            slots=profile.slots,
            level=profile.level,
            noise=profile.residual * (width / base) ** 0.5,
            residual=profile.residual,
        )

    def _decide(self, row: int, metric: int, ring: Floats, shown: float) -> tuple[bool, Profile | None]:
        start, width = self._turns[row, [_START, _WIDTH]].tolist()
        period_us, strength = float(self._periods[row, metric]), float(self._strengths[row, metric])
        if not shown:
            if not SHORTEST <= period_us / width <= LONGEST / 2 or _profile(ring, period_us, start, width).explains:
                return False, None
            self._periods[row, metric], self._strengths[row, metric] = DAY_US, 0
            return True, None
        found_us = natural(refined(ring, shown) * width)
        if found_us > DAY_US * (1 + SAME):
            return False, None
        profile = _profile(ring, found_us, start, width)
        if not profile.explains:
            return False, None
        apart = abs(found_us / period_us - 1)
        if apart <= SAME:
            self._strengths[row, metric] = max(strength, profile.strength)
            return False, None
        if apart > RELATED and profile.strength <= STRONGER * strength:
            return False, None
        self._periods[row, metric], self._strengths[row, metric] = found_us, profile.strength
        return True, profile


def natural(period_us: float) -> float:
    """Return the natural period that is the same, or else the period itself, as exactly as it is kept."""
    nearest = NATURAL_US[np.abs(NATURAL_US / period_us - 1).argmin()]
    return float(nearest if abs(nearest / period_us - 1) <= SAME else np.float32(period_us))


def _profile(ring: Floats, period_us: float, start_us: float, width_us: float) -> Profile:
    phase = start_us / period_us
    return profile_of(ring, period_us / width_us, phase - np.floor(phase))


def _bins(turns: Floats, times_us: Rows) -> Floats:
    """Return in which bin of its ring each time lies."""
    bins: Floats = np.maximum(np.floor((times_us - turns[:, _START]) / turns[:, _WIDTH]), 0.0)
    return bins


def _next_present(values: Floats, first: Rows) -> Rows:
    """Return the next metric (column) of each row from `first` on, round the end, that is present."""
    number = values.shape[1]
    ahead = (np.arange(number) - first[:, None]) % number
    following: Rows = np.where(np.isfinite(values), ahead, number + ahead).argmin(axis=1)
    return following


def _taller(table: npt.NDArray[Any], shape: tuple[int, int], fill: float | tuple[float, ...]) -> npt.NDArray[Any]:
    tall = np.empty(shape, table.dtype)
    tall[:] = fill
    tall[: table.shape[0], : table.shape[1]] = table
    return tall

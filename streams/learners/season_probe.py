"""Which period each metric of each entity has, found by one ring of averages per entity, a metric at a time."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from streams.learners.periodicity import BINS, LONGEST, shown_periods
from streams.learners.room import room_for
from streams.learners.season_choice import DAY_US, Choice, Held, Seen
from streams.learners.season_profile import SLOTS
from streams.learners.seasons import Seasons

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

LEAST_KNOWN = 0.75
"""A ring that knows less of its values than this share says nothing."""
CROWDED = 4
"""So many windows in a bin that should take one: windows are closer than they seemed."""
FIRST_DEPTH, DEEPER = 2, 2
"""A metric's first turn ends when its averages have doubled twice; whenever all have had one, turns get deeper."""
TOGETHER = 64
"""Rings of so many rows that follow one another begin together, those of the next a window later, and so on round a
ring: of many entities that start at once few are searched in any one window.
"""
LARGEST = 1e30
"""Values are clipped to this, so that their averages fit the ring."""
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


@dataclass(frozen=True, slots=True)
class _Full:
    """Windows that fill the rings of their rows."""

    rows: Rows
    metrics: Rows
    """The columns the rings are of."""
    values: Floats
    times_us: Rows

    def of(self, places: Rows | Flags) -> "_Full":
        """Return some of them."""
        return _Full(self.rows[places], self.metrics[places], self.values[places], self.times_us[places])


class SeasonProbe:
    """Which period each metric (column) of each entity (row) has; a day, unless another shows.

    An entity has one ring of averages, of one metric at a time. When the ring is full it is asked for a period, and two
    of its bins become one: so periods of `SHORTEST` windows and more show after three to six cycles. A metric's turn
    ends after some doublings; whenever each metric present had one, turns get longer, until a ring holds a day three
    times; then it begins again. Bins are of equal time, so that gaps do no harm; of what is not learned nothing is
    known. Kept in some 400 bytes a row.
    """

    def __init__(self, *, limit: int | None = None) -> None:
        self._limit = limit
        self._rows = 0
        self._rings = np.zeros((0, BINS), np.float32)
        self._open = np.zeros((0, len(_OPEN)))
        self._turns = np.zeros((0, len(_TURN)))
        self._periods = np.zeros((0, 0), np.float32)
        self._strengths = np.zeros((0, 0), np.float32)

    def grow(self, rows: int, metrics: int) -> None:
        """Make room for so many rows and metrics."""
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
        """Forget one row."""
        self._rings[row] = np.nan
        self._open[row] = _OPEN
        self._turns[row] = _TURN
        self._periods[row] = DAY_US
        self._strengths[row] = 0

    def clear_metric(self, rows: Rows, metric: int) -> None:
        """Forget one metric (column) of some rows; those whose ring is of it begin another."""
        self._periods[rows, metric] = DAY_US
        self._strengths[rows, metric] = 0
        mine = rows[self._open[rows, _METRIC] == metric]
        self._rings[mine] = np.nan
        self._open[mine] = _OPEN
        self._turns[mine] = _TURN

    def row(self, row: int) -> list[npt.NDArray[Any]]:
        """Return all that is known of one row, as views."""
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
        """Return the slot, of `SLOTS`, of the period of each metric at one time of each row: shape (n, metrics), or
        (n, 1) where all periods are a day.
        """
        periods = self._periods.take(rows, axis=0)
        if np.count_nonzero(periods != DAY_US) == 0:
            return (times_us % DAY_US * SLOTS // DAY_US)[:, None]
        return _phases(periods.astype(np.float64), times_us)

    def learn(self, rows: Rows, values: Floats, times_us: Rows) -> Seasons | None:
        """Learn one window of each of distinct rows, values of shape (n, metrics); return the seasons that change."""
        if not values.shape[1]:
            return None
        seasons = None
        now = self._open.take(rows, axis=0)
        over = (times_us >= now[:, _END]).nonzero()[0]
        if len(over):
            ended = now.take(over, axis=0)
            seasons = self._next_bins(rows[over], values[over], times_us[over], ended)
            now[over] = ended
        mine = values[np.arange(len(rows)), now[:, _METRIC].astype(np.int64)]
        present = np.isfinite(mine)
        now[:, _COUNT] += present
        now[:, _SUM] += _clipped(np.where(present, mine, 0.0))
        self._open[rows] = now
        return seasons

    def _next_bins(self, rows: Rows, values: Floats, times_us: Rows, ended: Floats) -> Seasons | None:
        """Write the averages that are complete into their rings; `ended` becomes what is open now."""
        count, turns = ended[:, _COUNT], self._turns.take(rows, axis=0)
        begun = turns[:, _BIN] >= 0
        some = (begun & (count > 0)).nonzero()[0]
        self._rings[rows[some], turns[some, _BIN].astype(np.int64)] = ended[some, _SUM] / count[some]
        bins = _bins(turns, times_us)
        crowded = begun & (count >= CROWDED) & (turns[:, _WIDTH] == turns[:, _BASE])
        first = begun & np.isinf(turns[:, _BASE])
        seasons = None
        full = ((bins >= BINS) | crowded | first).nonzero()[0]
        if len(full):
            self._turns[rows[crowded], _BASE] = np.maximum(turns[crowded, _BASE] / count[crowded], 1.0)
            silent = first | (bins >= 2 * BINS)
            windows = _Full(rows[full], ended[full, _METRIC].astype(np.int64), values[full], times_us[full])
            seasons, ended[full, _METRIC] = self._fill(windows, silent[full], crowded[full])
            turns = self._turns.take(rows, axis=0)
            bins = _bins(turns, times_us)
        self._turns[rows, _BIN] = bins
        ended[:, _END] = turns[:, _START] + (bins + 1) * turns[:, _WIDTH]
        ended[:, _SUM] = ended[:, _COUNT] = 0.0
        return seasons

    def _fill(self, full: _Full, silent: Flags, crowded: Flags) -> tuple[Seasons | None, Rows]:
        """Look for periods in rings that are full; then go on with half of their bins, or with another metric. Those of
        entities that were silent for longer, or whose bins are too wide, begin again. Return what changes, and the
        metrics to go on with.
        """
        useless = silent | crowded
        seasons = self._judge(full.of(~useless))
        rows, metrics, times_us = full.rows, full.metrics, full.times_us
        turns = self._turns.take(rows, axis=0)
        second = silent & (turns[:, _BIN] == 0)  # how far windows are apart is first known, or was mistaken
        turns[second, _BASE] = times_us[second] - turns[second, _START]
        deepest = turns[:, _WIDTH] * LONGEST >= DAY_US
        over = ~useless & (deepest | (turns[:, _WIDTH] >= turns[:, _BASE] * 2.0 ** turns[:, _DEPTH]))
        following = _next_present(full.values, metrics + over)
        round_ended = over & (following <= metrics)
        turns[round_ended, _DEPTH] = np.where(deepest, FIRST_DEPTH, turns[:, _DEPTH] + DEEPER)[round_ended]
        known = self._periods[rows, metrics] != DAY_US  # is asked for again, lest it has ended
        afresh = useless | (over & (deepest | known | (following != metrics)))
        unknown = np.isinf(turns[:, _BASE])
        turns[:, _WIDTH] = np.where(afresh, np.where(unknown, 1.0, turns[:, _BASE]), 2 * turns[:, _WIDTH])
        turns[afresh, _START] = times_us[afresh]
        apart = (useless & ~unknown).nonzero()[0]
        turns[apart, _START] += rows[apart] // TOGETHER % BINS * turns[apart, _BASE]
        self._turns[rows] = turns
        self._rings[rows] = np.where(afresh[:, None], np.float32(np.nan), _halved(self._rings[rows]))
        return seasons, following

    def _judge(self, full: _Full) -> Seasons | None:
        """Return what changes by rings that are full, given the windows just learned."""
        full = full.of(np.count_nonzero(np.isfinite(self._rings[full.rows]), axis=1) >= LEAST_KNOWN * BINS)
        rows, metrics = full.rows, full.metrics
        if not len(rows):
            return None
        rings, width_us = self._rings[rows].astype(np.float64), self._turns[rows, _WIDTH]
        shown = shown_periods(rings)
        strength = self._strengths[rows, metrics].astype(np.float64)
        held = Held(period_us=self._periods[rows, metrics].astype(np.float64), strength=strength)
        asked = ((shown > 0) | ((strength > 0) & held.visible(width_us))).nonzero()[0]
        if not len(asked):
            return None
        full, held = full.of(asked), held.of(asked)
        rows, metrics = full.rows, full.metrics
        seen = Seen(rings[asked], start_us=self._turns[rows, _START], width_us=width_us[asked])
        choice = seen.choose(shown[asked], held)
        self._periods[rows, metrics], self._strengths[rows, metrics] = choice.held.period_us, choice.held.strength
        changed = (choice.held.period_us != held.period_us).nonzero()[0]
        return self._seasons(full.of(changed), choice.of(changed)) if len(changed) else None

    def _seasons(self, full: _Full, choice: Choice) -> Seasons:
        """Return what is held against metrics now, given their last values, which may be absent."""
        rows, metrics, period_us, profiles = full.rows, full.metrics, choice.held.period_us, choice.profiles
        own = period_us != DAY_US
        slot = np.take_along_axis(profiles.slots, _phases(period_us[:, None], full.times_us), axis=1)[:, 0]
        last = _clipped(full.values[np.arange(len(rows)), metrics])
        width, base = self._turns[rows, _WIDTH], self._turns[rows, _BASE]
        return Seasons(
            rows=rows,
            metrics=metrics,
            weight=np.where(own, base / period_us, 0.0),
            last=last - np.where(own, slot, 0.0),
            known=choice.known,
            slots=profiles.slots,
            level=profiles.level,
            noise=profiles.residual * np.sqrt(width / base),
            residual=profiles.residual,
        )


def _phases(periods: Floats, times_us: Rows) -> Rows:
    """Return the slots of periods, shape (n, metrics), at times (n,)."""
    times = times_us.astype(np.float64)[:, None]
    phase = times - np.floor(times / periods) * periods  # exact, but of periods of milliseconds it may be a whole one
    phase *= SLOTS
    phase /= periods
    slots: Rows = np.minimum(phase.astype(np.int64), SLOTS - 1)
    return slots


def _clipped(values: Floats) -> Floats:
    clipped: Floats = np.minimum(np.maximum(values, -LARGEST), LARGEST)
    return clipped


def _bins(turns: Floats, times_us: Rows) -> Floats:
    """Return in which bin of its ring each time lies; -1 before the first."""
    bins: Floats = np.maximum(np.floor((times_us - turns[:, _START]) / turns[:, _WIDTH]), -1.0)
    return bins


def _halved(rings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return rings (rows, BINS) with two bins in one; the second half of their bins is unknown yet."""
    pairs = rings.reshape(len(rings), BINS // 2, 2)
    first, second = pairs[..., 0], pairs[..., 1]
    halved = np.full_like(rings, np.nan)
    both = np.where(np.isnan(second), first, (first + second) / 2)
    halved[:, : BINS // 2] = np.where(np.isnan(first), second, both)
    return halved


def _next_present(values: Floats, first: Rows) -> Rows:
    """Return the next metric (column) of each row from `first` on, round the end, that is present."""
    number = values.shape[1]
    ahead = (np.arange(number) - first[:, None]) % number
    following: Rows = np.where(np.isfinite(values), ahead, number + ahead).argmin(axis=1)
    return following


def _taller(table: npt.NDArray[Any], shape: tuple[int, int], fill: float | tuple[float, ...]) -> npt.NDArray[Any]:
    """Return a copy of a table of another shape; what is new is `fill`."""
    tall = np.empty(shape, table.dtype)
    tall[:] = fill
    tall[: table.shape[0], : table.shape[1]] = table
    return tall

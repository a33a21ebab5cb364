"""Whether a window of an entity is an alarm: how surprising it is by the entity's own past, against a stated rate."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from streams.learners.alarm_rate import AlarmRate
from streams.learners.residual_table import FEATURES, LEVEL, Residuals, ResidualTable
from streams.learners.season_probe import Probes, SeasonProbe
from streams.learners.tail_memory import EXPECTED, LN_50, TailMemory, Tails
from streams.loop.detect.settings import DetectSettings
from streams.loop.packing import packed_parts, unpacked

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Table = TypeVar("Table", Residuals, Probes, Tails)

FLOOR_RELATIVE = 0.01
"""The least spread of a metric, as a share of its mean: what changes by less than `slack` of it surprises nobody."""
SETTLED_WINDOWS = 35
"""So many windows after an alarm, about two medium averages, a level that is still among the rarest 2 % of the past is
accepted: something did change. Until then no size of a residual is learned.
"""
SIZE_PRIOR = (-0.17, 0.72, 1.06, 0.3)
"""Median, 90 % and 98 % quantile of ln(|x| / mean |x|) of a normal x, and a mean excess beyond of heavier tails."""
SUM_PRIOR = (-0.45, 2.9, 5.8, 2.24)
"""The same of a sum of `FEATURES` unit exponentials less their mean, a little correlated. A sum of surprises is never
taken to be rarer than it says: beyond its tail quantile a nat more counts as one at most (`least_excess`). Otherwise a
metric of few values, whose sums are few too, would make one that is a hair larger than ever infinitely rare.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One window of each of n entities."""

    ratios: Floats
    """Shape (n, features, metrics)."""
    phases: Ints
    """Shape (n, metrics): the slot of the season of each metric; (n, 1) where all have the same."""
    total: Floats
    """Shape (n,): the sum of the features' surprise; NaN where nothing is known yet."""
    abnormal: Flags
    armed: Flags
    """Whether the last alarm of the entity is long enough ago, and over."""
    fresh: Flags
    """Whether it is so fresh that it may yet turn out to be another level."""
    moved: Flags
    """Shape (n, metrics): whether the level is to be accepted as it is since the last alarm."""


class Known(msgspec.Struct, array_like=True):
    """All that a `Surprise` knows. Its tables are most of the state of detect: they are packed without being copied."""

    table: Residuals
    probe: Probes
    features: Tails
    sums: Tails
    rate: bytes
    smooth: bytes
    sizes: list[int]
    """Of the arrays of the tables in order, unpacked, in bytes."""

    def size(self) -> int:
        """Return how many bytes all is, as it is."""
        packed = (*_arrays(self.table), *_arrays(self.probe), *_arrays(self.features), *_arrays(self.sums))
        return sum(map(len, packed)) + len(self.rate) + len(self.smooth)


class Surprise:
    """Residuals at several scales, each turned into -log p by its own past; their sum, calibrated the same way again;
    and a threshold that keeps the stated rate of alarms.
    """

    def __init__(self, settings: DetectSettings) -> None:
        self._settings = settings
        rows = settings.entity_limit
        self._table = ResidualTable(warmup_windows=settings.warmup_windows, floor_relative=FLOOR_RELATIVE, limit=rows)
        self._probe = SeasonProbe(limit=rows)
        self._features = TailMemory(planes=FEATURES, prior=SIZE_PRIOR, limit=rows, kept=np.float32)
        self._sums = TailMemory(planes=1, prior=SUM_PRIOR, least_excess=EXPECTED, limit=rows)
        limit, in_all = settings.alarm_limit, settings.alarm_limit_in_all
        self._rate = AlarmRate(
            alarms=limit.count,
            interval_us=limit.interval_us,
            floor=settings.floor,
            per_alarm=settings.p_per_alarm,
            rearm_windows=settings.rearm,
            in_all_per_us=in_all.count / in_all.interval_us if in_all is not None else math.inf,
        )
        self._smooth = np.zeros(0)

    def grow(self, slots: int, metrics: Sequence[str]) -> None:
        """Make room for so many entities, and for these metrics (columns)."""
        self._table.grow(slots, np.array(self._settings.floors_of(metrics)))
        self._probe.grow(slots, len(metrics))
        self._features.grow(slots, len(metrics))
        self._sums.grow(slots, 1)
        self._rate.grow(slots)
        self._smooth = np.concatenate([self._smooth, np.zeros(max(0, slots - len(self._smooth)))])

    def forget(self, slot: int) -> None:
        """Forget all about an entity."""
        self.learn_afresh(slot)
        self._table.forget(slot)
        self._probe.clear(slot)
        self._features.clear(slot)
        self._sums.clear(slot)
        self._rate.clear(slot)

    def forget_metric(self, slots: Ints, metric: int) -> None:
        """Forget one metric (column) of some entities."""
        self._table.clear_metric(slots, metric)
        self._probe.clear_metric(slots, metric)
        self._features.clear_columns(slots, np.full(len(slots), metric))

    def row(self, slot: int) -> list[npt.NDArray[Any]]:
        """Return all that is known of an entity, as views."""
        tables = (self._table, self._probe, self._features, self._sums, self._rate)
        return [self._smooth[slot : slot + 1], *chain.from_iterable(table.row(slot) for table in tables)]

    def learn_afresh(self, slot: int) -> None:
        """Take what the entity does from now on as its normal; how much it varies stays known."""
        self._table.clear(slot)
        self._smooth[slot] = 0.0

    def judge(self, slots: Ints, values: Floats, times_us: Ints, score: Floats) -> Judged:
        """Judge one window of each of distinct slots; values have the shape (n, metrics).

        While an entity's past is too short to tell how rare a window is at the stated rate, what is far off by `score`,
        in deviations that are borrowed from its peers at first, is abnormal too; and what is a little off and rare.
        """
        phases = self._probe.phases(slots, times_us)
        ratios, over_floor = self._table.ratios(slots, values, phases)
        known = np.isfinite(ratios)
        notable = over_floor > self._settings.slack
        surprise = self._features.score_many(slots, ratios)
        np.minimum(surprise, EXPECTED, out=surprise, where=~notable)
        total = self._total(slots, surprise, known[:, 0])
        needed, armed, short = self._rate.follow(slots, times_us)
        calibrated = self._sums.score_many(slots, total[:, None, None])[:, 0, 0]
        # an unknown total scores as an expected one, which would do where alarms may be frequent
        summed = np.isfinite(total)
        rarest = summed & (calibrated >= needed)
        surprising = rarest & np.logical_or.reduce(notable, axis=(1, 2))
        lasting = (rarest & ~armed).nonzero()[0]
        if len(lasting):
            self._rate.hold(slots[lasting], calibrated[lasting])
        rare = summed & (calibrated >= -math.log(self._settings.floor))
        off = (score >= self._settings.threshold) | (rare & (score >= self._settings.rare_threshold))
        abnormal = surprising | (short & off)
        ago = np.where(armed, np.inf, self._rate.ago(slots))
        moved = (ago == SETTLED_WINDOWS)[:, None] & (surprise[:, LEVEL] >= LN_50)
        return Judged(
            ratios=ratios,
            phases=phases,
            total=total,
            abnormal=abnormal,
            armed=armed,
            fresh=ago < SETTLED_WINDOWS,
            moved=moved,
        )

    def learn(self, slots: Ints, values: Floats, times_us: Ints, judged: Judged, chosen: Ints | None) -> None:
        """Learn the windows just judged, or those at the `chosen` places, and how surprising they were.

        What follows an alarm until the next may be raised is no surprise of the past: it is the same event, and events
        are what is kept at a stated rate. Otherwise a shift would make the next one ordinary.
        """
        ratios = judged.ratios
        if np.count_nonzero(judged.fresh):
            ratios = np.where(judged.fresh[:, None, None], np.nan, ratios)
        self._features.learn_many(slots, ratios, chosen)
        self._sums.learn_many(slots, np.where(judged.armed, judged.total, np.nan)[:, None, None], chosen)
        self._table.learn(slots, values, judged.phases, chosen)
        if chosen is None:
            seasons = self._probe.learn(slots, values, times_us)
        else:
            seasons = self._probe.learn(slots[chosen], values[chosen], times_us[chosen])
        if seasons is not None:
            self._table.expect(seasons)
            own = seasons.weight > 0  # what is left of values has other tails; of plain ones those that are known hold
            self._features.clear_columns(seasons.rows[own], seasons.metrics[own])
        if np.count_nonzero(judged.moved):
            settled = judged.moved.any(axis=1)
            self._table.settle(slots[settled], judged.moved[settled])
            self._rate.refund(slots[settled])

    def share(self, parts: int) -> None:
        """Part the alarms that are acceptable in all, if that is stated, among so many entities."""
        if parts:
            self._rate.share(parts)

    def spend(self, slots: Ints) -> None:
        """Note that an episode of each of these entities opened."""
        self._rate.spend(slots)

    def columns(self) -> Known:
        """Return all that is known; equal states encode to equal bytes."""
        table, probe = self._table.columns(), self._probe.columns()
        features, sums = self._features.columns(), self._sums.columns()
        sizes = [array.nbytes for each in (table, probe, features, sums) for array in _arrays(each)]
        return Known(
            table=_each(table, _packed),
            probe=_each(probe, _packed),
            features=_each(features, _packed),
            sums=_each(sums, _packed),
            rate=self._rate.snapshot(),
            smooth=self._smooth.tobytes(),
            sizes=sizes,
        )

    def adopt(self, known: Known, metrics: Sequence[str]) -> None:
        """Replace all that is known by a copy of what `columns` returned."""
        sizes = iter(known.sizes)
        self._table.adopt(
            _each(known.table, lambda packed: unpacked(packed, next(sizes))),
            np.array(self._settings.floors_of(metrics)),
        )
        self._probe.adopt(_each(known.probe, lambda packed: unpacked(packed, next(sizes))))
        self._features.adopt(_each(known.features, lambda packed: unpacked(packed, next(sizes))))
        self._sums.adopt(_each(known.sums, lambda packed: unpacked(packed, next(sizes))))
        self._rate.restore(known.rate)
        self._smooth = np.frombuffer(known.smooth).copy()

    def _total(self, slots: Ints, surprise: Floats, known: Flags) -> Floats:
        """Return the sum over features and metrics beyond what is expected, over the root of the metrics known: so it
        varies as much with many as with few. With it goes its own average over the last windows.
        """
        if not surprise.shape[2]:
            return np.full(len(slots), np.nan)
        metrics = np.add.reduce(surprise, axis=1)  # of so few, numpy adds one after another
        metrics -= FEATURES * EXPECTED
        # added column by column, so that the last bit does not depend on how many windows are judged at once
        some = np.add.reduce(known, axis=1, dtype=np.int64)
        total = reduce(np.add, metrics.T) / np.sqrt(np.maximum(some, 1.0))
        windows = self._settings.smooth
        if windows > 1:
            smooth = self._smooth[slots]
            smooth += (total - smooth) / windows
            self._smooth[slots] = smooth
            total += windows**0.5 * smooth
        return np.where(some > 0, total, np.nan)


def _packed(data: memoryview) -> memoryview:
    return packed_parts(data)[1]


def _arrays(table: Residuals | Probes | Tails) -> list[memoryview]:
    """Return the arrays of a table in order."""
    values = (getattr(table, name) for name in table.__struct_fields__)
    return [array for value in values if not isinstance(value, int) for array in _listed(value)]


def _listed(value: memoryview | list[memoryview]) -> list[memoryview]:
    return value if isinstance(value, list) else [value]


def _each(table: Table, change: Callable[[memoryview], memoryview]) -> Table:
    """Return a table with each of its arrays changed, in order."""
    changed: dict[str, memoryview | list[memoryview]] = {}
    for name in table.__struct_fields__:
        value = getattr(table, name)
        if isinstance(value, memoryview):
            changed[name] = change(value)
        elif isinstance(value, list):
            changed[name] = [change(array) for array in value]
    return replace(table, **changed)

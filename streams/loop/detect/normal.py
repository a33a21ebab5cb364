"""How far a window is from what is normal for its entity: z per metric, and one score."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from streams.learners.half_space_trees import HalfSpaceTrees
from streams.learners.normal_table import NormalTable
from streams.loop.detect.settings import DetectSettings

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FOREST_SLACK = 3.0


class _State(msgspec.Struct, array_like=True):
    table: bytes
    metrics: list[str]
    seen: bytes
    taught: int
    forest: bytes
    forest_sums: tuple[float, float]
    forest_moments: tuple[float, float]


class Normal:
    """Normal of every entity (slot) and metric, and a forest over all of them for unusual combinations.

    What entities share (borrowed spreads, the forest's masses and scale) changes only when `forest_windows` warm
    windows have been folded, at the same window however the input was cut into batches: see `until_pivot`.
    """

    def __init__(self, settings: DetectSettings, *, seed: int) -> None:
        self._settings = settings
        self._table = NormalTable(
            fast_windows=settings.fast,
            slow_windows=settings.slow_windows,
            warmup_windows=settings.warmup_windows,
            prior_windows=settings.prior_windows,
            floor_relative=settings.floor_relative,
            limit=settings.z_limit,
            row_limit=settings.entity_limit,
        )
        self._seed = seed
        self._metrics: list[str] = []
        self._seen = np.zeros(0, np.int64)
        self._taught = 0
        self._forest = self._new_forest(())
        self._columns = np.zeros(0, np.int64)
        self._forest_sums = self._forest_moments = (0.0, 0.0)

    def grow(self, slots: int, metrics: Sequence[str]) -> None:
        """Make room for so many entities, and for these metrics (columns)."""
        self._metrics = list(metrics)
        self._table.grow(slots, np.array(self._settings.floors_of(self._metrics)))
        self._seen = np.concatenate([self._seen, np.zeros(max(0, slots - len(self._seen)), np.int64)])

    def forget(self, slot: int) -> None:
        """Forget all about an entity."""
        self._seen[slot] = 0
        self._table.clear(slot)

    def forget_metric(self, slots: Ints, metric: int) -> None:
        """Forget one metric (column) of some entities."""
        self._table.clear_metric(slots, metric)

    def release_metric(self, metric: int) -> None:
        """Give a column to another metric: entities, that all have forgotten it, share nothing of it any more."""
        self._table.release_metric(metric)
        others = [name for name in self._forest.names if name != self._metrics[metric]]
        if len(others) < len(self._forest.names):
            self._plant(others)
            self._taught = 0
            self._forest_sums = (0.0, 0.0)

    def is_warm(self, slot: int) -> bool:
        """Return whether an entity is no longer warming up."""
        return bool(self._seen[slot] >= self._settings.warmup_windows)

    def row(self, slot: int) -> list[npt.NDArray[Any]]:
        """Return all that is known of an entity, as views."""
        return [self._seen[slot : slot + 1], *self._table.row(slot)]

    def learn_afresh(self, slot: int) -> None:
        """Take what the entity does from now on as its normal."""
        self._table.clear(slot)

    def until_pivot(self, warm: npt.NDArray[np.bool_]) -> int:
        """Return how many of the next windows there are up to the one that pivots, given which of them are `warm`."""
        return int(warm.cumsum().searchsorted(self._settings.forest_windows - self._taught)) + 1

    def judge(self, slots: Ints, values: Floats) -> tuple[Floats, Floats, Floats]:
        """Return z (n, metrics), the score (n,) and the forest's raw score of one window of each of distinct slots."""
        z = self._table.standardise(slots, values)
        excess = np.maximum(np.abs(z) - self._settings.slack, 0.0)
        excess *= excess
        # added column by column, so that the last bit does not depend on how many windows are judged at once
        score = np.sqrt(reduce(np.add, excess.T)) if z.shape[1] else np.zeros(len(z))
        forest = self._forest.score_many(z.take(self._columns, axis=1))
        mean, deviation = self._forest_moments
        if deviation > 0:
            beyond = np.maximum((forest - mean) / deviation - FOREST_SLACK, 0)
            score = score + np.minimum(self._settings.forest_weight * beyond, self._settings.threshold / 2)
        seen = self._seen[slots] + 1
        self._seen[slots] = seen
        return z, np.where(seen > self._settings.warmup_windows, score, 0.0), forest

    def learn(self, slots: Ints, values: Floats, chosen: Ints | None) -> None:
        """Learn one window of each of distinct slots, or of those at the `chosen` places."""
        self._table.learn(slots, values, chosen)

    def learn_shared(self, z: Floats, forest: Floats, warm: npt.NDArray[np.bool_]) -> None:
        """Learn what entities share from windows in order, at most up to the pivot: their z and forest scores."""
        number = int(np.count_nonzero(warm))
        if not number:
            return
        if number < len(warm):
            z, forest = z[warm], forest[warm]
        self._forest_sums = (_add(self._forest_sums[0], forest), _add(self._forest_sums[1], forest**2))
        if len(self._columns):
            self._forest.learn_many(z.take(self._columns, axis=1))
        self._taught += number
        if self._taught == self._settings.forest_windows:
            self._pivot()

    def warm(self, slots: Ints, rounds: Ints) -> npt.NDArray[np.bool_]:
        """Return which windows are of entities that are no longer warming up, before any of them is judged."""
        warm: npt.NDArray[np.bool_] = self._seen[slots] + rounds >= self._settings.warmup_windows
        return warm

    def snapshot(self) -> bytes:
        """Return all that is known; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _State(
                table=self._table.snapshot(),
                metrics=self._metrics,
                seen=self._seen.tobytes(),
                taught=self._taught,
                forest=self._forest.snapshot(),
                forest_sums=self._forest_sums,
                forest_moments=self._forest_moments,
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace all that is known by what `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._metrics = state.metrics
        self._seen = np.frombuffer(state.seen, np.int64).copy()
        self._table.restore(state.table, np.array(self._settings.floors_of(self._metrics)))
        self._taught = state.taught
        self._forest_sums, self._forest_moments = state.forest_sums, state.forest_moments
        self._forest = self._new_forest(())
        self._forest.restore(state.forest)
        self._columns = np.array([self._metrics.index(name) for name in self._forest.names], np.int64)

    def _pivot(self) -> None:
        count, (total, squares) = self._taught, self._forest_sums
        mean = total / count
        self._table.survey()
        known = sorted(self._metrics[column] for column in self._table.warm_metrics())
        if known != list(self._forest.names):
            self._plant(known)
        elif total > 0:
            self._forest_moments = (mean, max(squares / count - mean * mean, 1e-6) ** 0.5)
        self._taught = 0
        self._forest_sums = (0.0, 0.0)

    def _plant(self, metrics: Sequence[str]) -> None:
        self._forest = self._new_forest(metrics)
        self._columns = np.array([self._metrics.index(name) for name in metrics], np.int64)
        self._forest_moments = (0.0, 0.0)

    def _new_forest(self, metrics: Sequence[str]) -> HalfSpaceTrees:
        limits = (-self._settings.z_limit, self._settings.z_limit)
        return HalfSpaceTrees(
            window_size=self._settings.forest_windows, limits=limits, seed=self._seed, features=list(metrics)
        )


def _add(start: float, values: Floats) -> float:
    """Add one by one, so that the last bit does not depend on where a batch ended."""
    terms = np.empty(len(values) + 1)
    terms[0], terms[1:] = start, values
    return float(np.add.accumulate(terms)[-1])

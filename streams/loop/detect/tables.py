"""The tables of detect, with a row (slot) per entity and a column per metric: who gets a row, who is put aside, and
which columns are free again.
"""

import numpy as np
import numpy.typing as npt

from streams.loop.detect.aside import Aside, Row
from streams.loop.detect.drift import DriftWatches
from streams.loop.detect.entities import Entities, Seated
from streams.loop.detect.folding import Folding
from streams.loop.detect.metrics import Metrics
from streams.loop.detect.normal import Normal
from streams.loop.detect.settings import DetectSettings
from streams.loop.detect.surprise import Surprise
from streams.loop.detect.windows import Windows

Ints = npt.NDArray[np.int64]

ASIDE_AT_ONCE = 500
"""So many entities are put aside at a count at most (0.2 ms each), so that a step stays short. Not so where many new
ones find the tables full at once: each of those that are gone has to make room for one.
"""


class Tables:
    """All tables change together: they have room for the same entities and metrics, in the same rows and columns."""

    def __init__(
        self,
        settings: DetectSettings,
        *,
        entities: Entities,
        metrics: Metrics,
        aside: Aside,
        windows: Windows,
        normal: Normal,
        surprise: Surprise,
        folding: Folding,
        drifts: DriftWatches,
    ) -> None:
        self._settings = settings
        self._entities = entities
        self._metrics = metrics
        self._aside = aside
        self._windows = windows
        self._normal = normal
        self._surprise = surprise
        self._folding = folding
        self._drifts = drifts
        self._all = windows, normal, surprise, folding
        self._room: tuple[int, list[str]] = (0, [])
        """How many entities, and which metrics, there is room for in every table."""

    def grow(self) -> None:
        """Make room for all entities and metrics."""
        slots, metrics = len(self._entities), self._metrics.names
        if self._room != (slots, metrics):
            self._windows.grow(slots, len(metrics))
            self._normal.grow(slots, metrics)
            self._surprise.grow(slots, metrics)
            self._folding.grow(slots, len(metrics))
            self._drifts.grow(metrics)
            self._room = (slots, list(metrics))

    def adopted(self) -> None:
        """Note that the tables were replaced: they have no more room than is taken."""
        self._room = (0, [])

    def seat(self, seated: Seated) -> None:
        """Give a slot to an entity, with what is known of it. Who had it before is put aside, unless hardly anything is
        known of it: names that come once, in floods, must neither cost much nor push out those that are known.
        """
        known = self._aside.take(seated.entity)  # before it is forgotten for the one who leaves
        if seated.left and self._normal.is_warm(seated.slot):
            self._vacate(seated.slot, seated.left, seated.left_group)
        elif seated.left:
            self._forget(seated.slot)
        if known is not None:
            known.onto(self._row(seated.slot))
            for metric in self._metrics.taken_since(known.releases):
                self._forget_metric(np.array([seated.slot]), metric)
            self._entities.groups[seated.slot] = known.group

    def put_aside(self, now_us: int) -> None:
        """Free the slots of entities that have been gone for long, and forget what was said long ago."""
        self._folding.expire(self._windows.latest)
        gone = self._entities.gone()
        silent = gone[self._entities.arrival(gone) <= now_us - self._settings.aside_us]
        for slot in silent[:ASIDE_AT_ONCE].tolist():
            self._vacate(slot, self._entities.names[slot], self._entities.groups[slot])
            self._entities.free(slot)

    def release_metrics(self, now_us: int) -> None:
        """Forget metrics without a value for long, where others found no room; not those that open windows hold."""
        unseen_since_us = now_us - self._settings.metric_gone_us
        released = self._metrics.release(unseen_since_us=unseen_since_us, held=self._windows.held_metrics())
        for metric in released:
            self._forget_metric(np.arange(len(self._entities)), metric)
            self._normal.release_metric(metric)
        if released:
            self.grow()

    def _vacate(self, slot: int, entity: str, group: str) -> None:
        known = [array.copy() for array in self._row(slot)]
        self._forget(slot)
        self._aside.put(entity, group, known, blank=self._row(slot), releases=self._metrics.releases)

    def _forget(self, slot: int) -> None:
        for table in self._all:
            table.forget(slot)

    def _forget_metric(self, slots: Ints, metric: int) -> None:
        for table in (self._normal, self._surprise, self._folding):
            table.forget_metric(slots, metric)

    def _row(self, slot: int) -> Row:
        return [array for table in self._all for array in table.row(slot)]

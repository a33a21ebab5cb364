"""The processor detect: telemetry in; episodes, measurements and censuses out."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.events import Census, Event
from schemas.ids import Cause, Mint
from streams.loop.detect.aside import Aside, Packed
from streams.loop.detect.drift import DriftWatches
from streams.loop.detect.entities import Entities
from streams.loop.detect.episodes import Draft, Episodes
from streams.loop.detect.folding import Folding
from streams.loop.detect.late import Late
from streams.loop.detect.metrics import Metrics
from streams.loop.detect.normal import Normal
from streams.loop.detect.overflow import LIMITS, Overflows
from streams.loop.detect.settings import DetectSettings
from streams.loop.detect.surprise import Known, Surprise
from streams.loop.detect.tables import Tables
from streams.loop.detect.windows import Closed, Windows
from streams.loop.packing import Bytes, encoded
from streams.loop.processor import Input, Now, Refused
from streams.loop.telemetry import Coded, TelemetryBatch
from streams.loop.versions import refuse_other_version

STATE_VERSION = 7

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_Timer = tuple[int, str, str, int]
"""Due time, kind, entity, slot."""
_KINDS = ("idle", "gone", "census")
"""Of timers due at once: windows close before their entity is gone, and a census counts what is left."""


class _State(msgspec.Struct):
    version: int
    counts: dict[str, int]
    metrics: bytes
    entities: bytes
    aside: list[tuple[str, Packed]]
    windows: bytes
    normal: bytes
    surprise: Known
    episodes: bytes
    recent: bytes
    drifts: bytes
    overflows: bytes
    late: tuple[int, int, int]
    census_due_us: int | None
    census_groups: list[str]


class Detect:
    """Watches the entities of one partition.

    `counts` says what was left out: rows behind the watermark (`late`), rows of an entity and time already seen
    (`duplicates`), and by the name of its setting what is beyond a limit: rows of more entities, values of more
    metrics, more rows of a window. Besides it says what became of the late rows (`LATE_FATES`).

    With `measures_all` every window is measured, as whoever follows whole lives needs it, not those of episodes alone.
    """

    name = "detect"

    def __init__(
        self,
        settings: DetectSettings,
        *,
        loop: str,
        partition: int,
        seed: int,
        partitions: int = 1,
        measures_all: bool = False,
    ) -> None:
        self._settings = settings
        self._loop = loop
        self._partition = partition
        self._partitions = partitions
        self.counts = dict.fromkeys(("late", "duplicates", "letter", *LIMITS), 0)
        self.refused: list[Refused] = []
        self._metrics = Metrics(limit=settings.metric_limit, counts=self.counts)
        self._entities = Entities(limit=settings.entity_limit)
        self._aside = Aside(limit=settings.aside_limit, bytes_limit=settings.aside_bytes)
        self._windows = Windows(
            window_us=settings.window_us,
            lateness_us=settings.lateness_us,
            rows_limit=settings.window_rows_limit,
            counts=self.counts,
        )
        self._normal = Normal(settings, seed=seed)
        self._episodes = Episodes(settings, loop=loop, measures_all=measures_all)
        self._surprise = Surprise(settings)
        self._drifts = DriftWatches(partition=partition)
        self._overflows = Overflows(partition=partition, counts=self.counts)
        self._late = Late(
            limit=settings.letter_limit,
            bytes_limit=settings.letter_bytes,
            counts=self.counts,
            overflows=self._overflows,
        )
        self._folding = Folding(
            settings,
            entities=self._entities,
            normal=self._normal,
            surprise=self._surprise,
            episodes=self._episodes,
            drifts=self._drifts,
        )
        self._tables = Tables(
            settings,
            entities=self._entities,
            metrics=self._metrics,
            aside=self._aside,
            windows=self._windows,
            normal=self._normal,
            surprise=self._surprise,
            folding=self._folding,
            drifts=self._drifts,
        )
        self._census_due_us: int | None = None
        self._census_groups: set[str] = set()
        self._next_us: int | None = None
        self._next_is_known = False

    def on_batch(self, inputs: Sequence[Input], now: Now) -> list[Event]:
        """Fold telemetry; other inputs are not for detect."""
        mint = Mint(loop=self._loop, processor=self.name)
        batches = [batch for batch in inputs if isinstance(batch, TelemetryBatch) and len(batch)]
        self.refused = []
        return [event for batch in batches for event in self._written(self._fold(batch, now), mint, now)]

    def on_time(self, now: Now) -> list[Event]:
        """Close the windows of silent entities, note who is gone, count, and put aside who has been gone for long."""
        mint = Mint(loop=self._loop, processor=self.name)
        events: list[Event] = []
        idle: list[_Timer] = []
        for timer in self._due(now.us):
            if timer[1] == "idle":
                idle.append(timer)
                continue
            events += self._written(self._close_idle(idle), mint, now)
            idle = []
            if timer[1] == "gone":
                events += self._written(self._leave(timer), mint, now)
            else:
                events += self._written(self._count(timer[0], now), mint, now)
                self._tables.put_aside(now.us)
                self._tables.release_metrics(now.us)
        events += self._written(self._close_idle(idle), mint, now)
        self._next_is_known = False
        return events

    def next_time(self) -> int | None:
        """Return when the first entity falls silent or is gone, or the next census is due."""
        if not self._next_is_known:
            self._next_us = self._earliest()
            self._next_is_known = True
        return self._next_us

    def snapshot(self) -> Bytes:
        known = self._surprise.columns()
        state = _State(
            version=STATE_VERSION,
            counts=dict(sorted(self.counts.items())),
            metrics=self._metrics.snapshot(),
            entities=self._entities.snapshot(),
            aside=self._aside.columns(),
            windows=self._windows.snapshot(),
            normal=self._normal.snapshot(),
            surprise=known,
            episodes=self._episodes.snapshot(),
            recent=self._folding.snapshot(),
            drifts=self._drifts.snapshot(),
            overflows=self._overflows.snapshot(),
            late=self._late.snapshot(),
            census_due_us=self._census_due_us,
            census_groups=sorted(self._census_groups),
        )
        parts = [state.entities, state.windows, state.normal, state.episodes, state.recent]
        return encoded(state, size=sum(map(len, parts)) + self._aside.size() + known.size())

    def restore(self, snapshot: bytes) -> None:
        """Replace the state; raises `RecoveryError` when the snapshot is of another version."""
        refuse_other_version(snapshot, of=self.name, version=STATE_VERSION)
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self.counts.update(state.counts)
        self._metrics.restore(state.metrics)
        self._entities.restore(state.entities)
        self._aside.adopt(state.aside)
        self._windows.restore(state.windows, len(self._metrics.names))
        self._normal.restore(state.normal)
        self._surprise.adopt(state.surprise, self._metrics.names)
        self._episodes.restore(state.episodes)
        self._folding.restore(state.recent)
        self._drifts.restore(state.drifts)
        self._overflows.restore(state.overflows)
        self._late.restore(state.late)
        self._tables.adopted()
        self._census_due_us = state.census_due_us
        self._census_groups = set(state.census_groups)
        self._next_is_known = False

    def _fold(self, batch: TelemetryBatch, now: Now) -> list[Draft]:
        """Take the rows that find room, and fold the windows they close."""
        entities = Coded.of(batch.entities)
        slots, seated = self._entities.slots_of(entities)
        rows = (slots >= 0).nonzero()[0]
        if len(rows) < len(slots):
            self.counts["entity_limit"] += len(slots) - len(rows)
            self._overflows.note("entity_limit", entities.among(np.flatnonzero(slots < 0)))
        if not len(rows):
            return []
        slots = slots[rows]
        values = self._metrics.columns(batch.metrics, batch.values.take(rows, axis=0), now.us)
        self._overflows.note("metric_limit", self._metrics.left_out)
        self._tables.grow()
        for one in seated:
            self._tables.seat(one)
        self._entities.arrive(slots, now.us)
        self._next_is_known = False
        if self._census_due_us is None:
            self._census_due_us = _next_multiple(now.us, self._settings.census_us)
        cuts = self._entities.group_changes(slots, _of_rows(batch.groups, rows)) if batch.groups else []
        drafts: list[Draft] = []
        late: list[int] = []
        for start, stop in pairwise([0, *cuts, len(rows)]):
            some = rows[start:stop]
            closed = self._close(batch, some, slots[start:stop], values[start:stop])
            drafts += self._fold_windows(closed, _closing(batch, some, closed))
            late += some[closed.late].tolist()
        self.refused += self._late.refuse(batch, late, now.us)
        return drafts

    def _close(self, batch: TelemetryBatch, rows: Ints, slots: Ints, values: Floats) -> Closed:
        """Put some rows into their windows and return those that they close."""
        self._entities.join(slots, _of_rows(batch.groups, rows))
        return self._windows.add(slots, batch.time_us[rows], values, _of_rows(batch.tokens, rows))

    def _fold_windows(self, closed: Closed, cause: Callable[[int], Cause]) -> list[Draft]:
        return self._folding.fold(closed, cause, self._metrics.names)

    def _due(self, now_us: int) -> list[_Timer]:
        """Return the timers due, in order."""
        settings, names = self._settings, self._entities.names
        waiting = self._windows.waiting()
        arrivals = self._entities.arrival(waiting)
        timers = [
            (due, "idle", names[slot], slot)
            for slot, due in zip(waiting.tolist(), (arrivals + settings.idle_us).tolist(), strict=True)
            if due <= now_us
        ]
        gone = self._entities.silent_since(now_us - settings.gone_us)
        dues = (self._entities.arrival(gone) + settings.gone_us).tolist()
        timers += [(due, "gone", names[slot], slot) for slot, due in zip(gone.tolist(), dues, strict=True)]
        if self._census_due_us is not None and self._census_due_us <= now_us:
            timers.append((self._census_due_us, "census", "", -1))
        return sorted(timers, key=lambda timer: (timer[0], _KINDS.index(timer[1]), timer[2]))

    def _earliest(self) -> int | None:
        times = [] if self._census_due_us is None else [self._census_due_us]
        waiting = self._windows.waiting()
        if len(waiting):
            times.append(int(self._entities.arrival(waiting).min()) + self._settings.idle_us)
        first = self._entities.first_arrival()
        if first is not None:
            times.append(first + self._settings.gone_us)
        return min(times, default=None)

    def _close_idle(self, timers: list[_Timer]) -> list[Draft]:
        if not timers:
            return []
        causes = {slot: Cause(f"timer:{self.name}:idle/{entity}", 0, due) for due, _, entity, slot in timers}
        closed = self._windows.close(list(causes))
        return self._fold_windows(closed, lambda index: causes[int(closed.slots[index])])

    def _leave(self, timer: _Timer) -> list[Draft]:
        due, _, entity, slot = timer
        self._entities.leave(slot)
        drafts = []
        if self._episodes.is_open(entity):
            cause = Cause(f"timer:{self.name}:gone/{entity}", 0, due)
            drafts = self._episodes.close(entity, self._entities.groups[slot], cause, self._windows.floor(slot))
        self._episodes.forget(entity)
        return drafts

    def _count(self, due_us: int, now: Now) -> list[Draft]:
        """Count each group; one that has become empty is counted once more."""
        live = self._entities.live_by_group()
        self._surprise.share(live.total() * self._partitions)
        abnormal = self._episodes.open_by_group(self._entities.group_of)
        groups = sorted(set(live) | self._census_groups)
        self._census_groups = set(live)
        self._census_due_us = _next_multiple(now.us, self._settings.census_us) if live else None
        censuses = [
            Draft(
                type=Census,
                # every partition counts at the same times: only its number tells the ids of two counts apart
                cause=Cause(f"timer:{self.name}:census/{group}", self._partition, due_us),
                fields={
                    "partition": self._partition,
                    "group": group,
                    "live": live[group],
                    "abnormal": abnormal[group],
                },
            )
            for group in groups
        ]
        return censuses + self._drifts.close_block(due_us) + self._overflows.tell(due_us)

    def _written(self, drafts: list[Draft], mint: Mint, now: Now) -> list[Event]:
        return [
            draft.type(id=mint(draft.cause), time_us=now.us, causes=(str(draft.cause),), **draft.fields)
            for draft in drafts
        ]


def _of_rows(texts: Mapping[int, str], rows: Ints) -> dict[int, str]:
    """Return the texts of some rows by their place among them."""
    return {place: texts[row] for place, row in enumerate(rows.tolist()) if row in texts} if texts else {}


def _closing(batch: TelemetryBatch, rows: Ints, closed: Closed) -> Callable[[int], Cause]:
    return lambda index: batch.cause(int(rows[closed.closers[index]]))


def _next_multiple(time_us: int, period_us: int) -> int:
    return (time_us // period_us + 1) * period_us

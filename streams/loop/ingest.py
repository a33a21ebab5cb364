"""Ingest: re-key foreign telemetry, so that an entity always lies in one partition, as Arrow frames."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pyarrow as pa

from schemas.arrow import ENTITY, EVENT, GROUP, TIME, TIME_TYPE, to_parts
from schemas.events import Event, TelemetryFrame
from schemas.ids import Cause, Mint
from schemas.partitions import partition_of
from schemas.wire import VALUE_LIMIT
from streams.loop.ingest_settings import IngestSettings
from streams.loop.processor import Input, Now
from streams.loop.telemetry import TelemetryBatch

__all__ = ["Ingest", "IngestSettings"]

_OWNERS_LIMIT = 200_000


class _Waiting(msgspec.Struct):
    """Rows of one target partition that wait for more, in order; `values` holds one dict per row."""

    due_us: int
    source: int
    """The partition that its first row came from: that alone tells the timers of two sources apart."""
    entities: list[str]
    times: list[int]
    values: list[dict[str, float]]
    tokens: list[str | None]
    groups: list[str | None]


class Ingest:
    """Cuts rows into frames by count alone, whatever batches they came in; a timer sends what is left.

    State: fewer than `rows_per_frame` rows per target partition.
    """

    name = "ingest"

    def __init__(self, settings: IngestSettings, *, loop: str, partitions: int) -> None:
        self._settings = settings
        self._loop = loop
        self._partitions = partitions
        self._waiting: dict[int, _Waiting] = {}
        self._owners: dict[str, int] = {}

    def on_batch(self, inputs: Sequence[Input], now: Now) -> list[Event]:
        """Take rows in and return the frames that became full, in the order of the rows that filled them."""
        mint = Mint(loop=self._loop, processor=self.name)
        frames: list[Event] = []
        for batch in inputs:
            if isinstance(batch, TelemetryBatch):
                for row, partition, part in self._fill(batch, now):
                    frames += self._frames(partition, part, batch.cause(row), mint, now)
        return frames

    def on_time(self, now: Now) -> list[Event]:
        """Return what has waited long enough."""
        mint = Mint(loop=self._loop, processor=self.name)
        due = sorted((part.due_us, partition) for partition, part in self._waiting.items() if part.due_us <= now.us)
        frames: list[Event] = []
        for due_us, partition in due:
            part = self._waiting.pop(partition)
            cause = Cause(f"timer:{self.name}:{partition}", part.source, due_us)
            frames += self._frames(partition, part, cause, mint, now)
        return frames

    def next_time(self) -> int | None:
        """Return when the oldest waiting row is due."""
        return min((part.due_us for part in self._waiting.values()), default=None)

    def snapshot(self) -> bytes:
        """Return the waiting rows."""
        return msgspec.msgpack.encode(sorted(self._waiting.items()), order="deterministic")

    def restore(self, snapshot: bytes) -> None:
        """Take over waiting rows."""
        self._waiting = dict(msgspec.msgpack.decode(snapshot, type=list[tuple[int, _Waiting]]))

    def _fill(self, batch: TelemetryBatch, now: Now) -> Iterator[tuple[int, int, _Waiting]]:
        """Put rows where they belong; yield (row, partition, rows) whenever a partition is full."""
        for row, (entity, values) in enumerate(zip(batch.entities, _maps(batch), strict=True)):
            partition = self._owner(entity)
            part = self._waiting.get(partition)
            if part is None:
                part = _Waiting(now.us + self._settings.linger_us, batch.partition, [], [], [], [], [])
                self._waiting[partition] = part
            part.entities.append(entity)
            part.times.append(int(batch.time_us[row]))
            part.values.append(values)
            part.tokens.append(batch.tokens.get(row))
            part.groups.append(batch.groups.get(row))
            if len(part.entities) >= self._settings.rows_per_frame:
                yield row, partition, self._waiting.pop(partition)

    def _owner(self, entity: str) -> int:
        owner = self._owners.get(entity)
        if owner is None:
            if len(self._owners) >= _OWNERS_LIMIT:
                self._owners.clear()
            owner = self._owners[entity] = partition_of(entity.encode(), self._partitions)
        return owner

    def _frames(self, partition: int, part: _Waiting, cause: Cause, mint: Mint, now: Now) -> list[Event]:
        return [
            TelemetryFrame(id=mint(cause), time_us=now.us, causes=(str(cause),), partition=partition, stream=stream)
            for _, stream in to_parts(_table(part), limit=VALUE_LIMIT)
        ]


def _maps(batch: TelemetryBatch) -> list[dict[str, float]]:
    """Return the values of each row that it has."""
    names = batch.metrics
    present = ~np.isnan(batch.values)
    if present.all():
        return [dict(zip(names, row, strict=True)) for row in batch.values.tolist()]
    rows = zip(batch.values.tolist(), present.tolist(), strict=True)
    return [{name: value for name, value, there in zip(names, row, has, strict=True) if there} for row, has in rows]


def _table(part: _Waiting) -> pa.Table:
    columns: dict[str, pa.Array] = {
        ENTITY: pa.array(part.entities, pa.string()),
        TIME: pa.array(part.times, pa.int64()).cast(TIME_TYPE),
    }
    for name in sorted(set().union(*part.values)):
        columns[name] = pa.array([values.get(name) for values in part.values], pa.float64())
    if any(token is not None for token in part.tokens):
        columns[EVENT] = pa.array(part.tokens, pa.string())
    if any(group is not None for group in part.groups):
        columns[GROUP] = pa.array(part.groups, pa.string())
    return pa.table(columns)

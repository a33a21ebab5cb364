"""Builds raw batches and readable results for the tests of the decoder."""

import math
from collections.abc import Sequence

import numpy as np

from schemas.raw import Headers, RawBatch
from streams.loop.decode import LoopDecode
from streams.loop.processor import Now
from streams.loop.role import BadRow
from streams.loop.telemetry import TelemetryBatch

NOW_US = 1_790_000_000_000_000
NOW = Now(us=NOW_US, control_heard_us=NOW_US)
Row = tuple[int, str, int, dict[str, float], str | None]


def raw_batch(
    values: Sequence[bytes | None],
    *,
    topic: str = "telemetry",
    headers: Sequence[Headers] | None = None,
    first: int = 100,
) -> RawBatch:
    """Return a batch with every second offset, as transactions leave holes."""
    count = len(values)
    return RawBatch(
        topic=topic,
        partition=3,
        offsets=range(first, first + 2 * count, 2),
        keys=[None] * count,
        values=values,
        headers=headers or [()] * count,
    )


def rows_of(batch: TelemetryBatch | None) -> list[Row]:
    """Return the rows of a batch: offset, entity, time, the values it has, token."""
    if batch is None:
        return []
    return [
        (
            int(batch.offsets[row]),
            batch.entities[row],
            int(batch.time_us[row]),
            {name: float(v) for name, v in zip(batch.metrics, batch.values[row], strict=True) if not math.isnan(v)},
            batch.tokens.get(row),
        )
        for row in range(len(batch))
    ]


def decode(decoder: LoopDecode, raw: RawBatch) -> tuple[list[Row], list[BadRow]]:
    """Return good and bad rows; checks the shape of what comes out."""
    batch, bad = decoder.telemetry(raw, NOW)
    if batch is not None:
        assert batch.values.shape == (len(batch), len(batch.metrics))
        assert batch.metrics == tuple(sorted(batch.metrics))
        assert not np.isnan(batch.values).all(axis=0).any()
        assert (batch.topic, batch.partition) == (raw.topic, raw.partition)
        assert list(batch.offsets) == sorted(batch.offsets)
    return rows_of(batch), bad


def reasons(bad: Sequence[BadRow]) -> list[tuple[int, int | None, str]]:
    """Return message, row and reason of each bad row."""
    return [(each.index, each.row, each.reason) for each in bad]

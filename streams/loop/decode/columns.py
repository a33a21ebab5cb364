"""From rows and blocks of rows to one batch of columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt

from schemas.raw import RawBatch
from streams.loop.telemetry import TelemetryBatch

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Good rows in order: column `metrics[j]` of n values each, NaN where absent; `offsets` say where each row lay."""

    offsets: Integers
    entities: Sequence[str]
    time_us: Integers
    metrics: dict[str, Floats]
    tokens: dict[int, str] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entities)


def to_batch(raw: RawBatch, blocks: Sequence[Block]) -> TelemetryBatch | None:
    """Join blocks, in order, into one batch; None when there is no row."""
    filled = [block for block in blocks if len(block)]
    if not filled:
        return None
    names = tuple(sorted(set().union(*(block.metrics for block in filled))))
    tokens: dict[int, str] = {}
    groups: dict[int, str] = {}
    rows = 0
    for block in filled:
        tokens.update({rows + row: token for row, token in block.tokens.items()})
        groups.update({rows + row: group for row, group in block.groups.items()})
        rows += len(block)
    return TelemetryBatch(
        topic=raw.topic,
        partition=raw.partition,
        offsets=np.concatenate([block.offsets for block in filled]),
        entities=_joined([block.entities for block in filled]),
        time_us=np.concatenate([block.time_us for block in filled]),
        metrics=names,
        values=_matrix(filled, names, rows),
        tokens=tokens,
        groups=groups,
        records=raw,
    )


def _joined(parts: list[Sequence[str]]) -> Sequence[str]:
    """Join texts; where all of a batch are of one block they stay in its form."""
    return parts[0] if len(parts) == 1 else list(chain.from_iterable(parts))


def _matrix(blocks: Sequence[Block], names: tuple[str, ...], rows: int) -> Floats:
    values = np.full((rows, len(names)), np.nan)
    start = 0
    for block in blocks:
        stop = start + len(block)
        for place, name in enumerate(names):
            column = block.metrics.get(name)
            if column is not None:
                values[start:stop, place] = column
        start = stop
    return values

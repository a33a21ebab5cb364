"""Telemetry as columns: what `ingest` and `detect` fold."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from schemas.ids import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryBatch:
    """Rows of one source partition in offset order. n rows, m metrics; NaN is an absent value, never an input NaN."""

    topic: str
    partition: int
    offsets: npt.NDArray[np.int64]
    """Shape (n,): the offset of the record that each row came from (a record may hold many rows)."""
    entities: list[str]
    time_us: npt.NDArray[np.int64]
    """Shape (n,): event time."""
    metrics: tuple[str, ...]
    """Sorted names of the m metrics that occur in this batch."""
    values: npt.NDArray[np.float64]
    """Shape (n, m)."""
    tokens: dict[int, str] = field(default_factory=dict)
    """Row to event token, where a row has one."""
    groups: dict[int, str] = field(default_factory=dict)
    """Row to group (attribute `group`), where a row names one: its entity is in it from that row on."""

    def __len__(self) -> int:
        return len(self.entities)

    def cause(self, row: int) -> Cause:
        """Return the position that row came from."""
        return Cause(self.topic, self.partition, int(self.offsets[row]))

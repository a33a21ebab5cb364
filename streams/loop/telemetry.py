"""Telemetry as columns: what `ingest` and `detect` fold."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
import numpy.typing as npt

from schemas.ids import Cause
from schemas.raw import RawBatch


@dataclass(frozen=True, slots=True)
class Coded(Sequence[str]):
    """Texts that repeat: each different one once, in order of first appearance, and for each row which one it is."""

    names: list[str]
    codes: npt.NDArray[np.int64]

    @staticmethod
    def of(texts: Sequence[str]) -> "Coded":
        """Return texts in this form."""
        if isinstance(texts, Coded):
            return texts
        codes = {name: code for code, name in enumerate(dict.fromkeys(texts))}
        return Coded(list(codes), np.fromiter(map(codes.__getitem__, texts), np.int64, len(texts)))

    def among(self, rows: npt.NDArray[np.int64]) -> list[str]:
        """Return the different texts of some rows, in order of first appearance."""
        codes, first = np.unique(self.codes[rows], return_index=True)
        return [self.names[code] for code in codes[np.argsort(first)].tolist()]

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self.names[code] for code in self.codes[row].tolist()]
        return self.names[int(self.codes[row])]

    def __iter__(self) -> Iterator[str]:
        return map(self.names.__getitem__, self.codes.tolist())

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryBatch:
    """Rows of one source partition in offset order. n rows, m metrics; NaN is an absent value, never an input NaN."""

    topic: str
    partition: int
    offsets: npt.NDArray[np.int64]
    """Shape (n,): the offset of the record that each row came from (a record may hold many rows)."""
    entities: Sequence[str]
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
    records: RawBatch | None = None
    """What the rows were decoded from, where they were."""

    def __len__(self) -> int:
        return len(self.entities)

    def cause(self, row: int) -> Cause:
        """Return the position that row came from."""
        return Cause(self.topic, self.partition, int(self.offsets[row]))

    def record_bytes(self, row: int) -> int:
        """Return the size of the record that row came from, in bytes; 0 where that is not known."""
        if self.records is None:
            return 0
        return self.records.size_of(bisect_left(self.records.offsets, int(self.offsets[row])))

"""The templates of all patterns in one table of columns, so that an onset is held against all of them at once."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

FORGET = 40.0
"""A position that has seen so many occurrences goes on moving, by a fortieth each."""


class Template(msgspec.Struct, array_like=True):
    """One row by metric, to be put into another table; positions not seen have a count of 0."""

    counts: list[float]
    sums: dict[str, list[float]]


class _State(msgspec.Struct, array_like=True):
    ids: list[str]
    names: list[str]
    sums: bytes
    counts: bytes


class TemplateTable:
    """Sums of z per (row, position, metric) and counts per (row, position).

    A template has `positions`, of which the first occurrence took those from `reach` on; later ones may lie up to
    `reach` earlier or later. Arrays are always exactly as large as their contents, so that a restored table computes
    to the last bit what the living one does. Metrics beyond `column_limit` are left out.
    """

    def __init__(self, *, positions: int, column_limit: int) -> None:
        self.positions = positions
        self._column_limit = column_limit
        self.ids: list[str] = []
        self.names: list[str] = []
        self.sums = np.zeros((0, positions, 0))
        self.counts = np.zeros((0, positions))

    def __len__(self) -> int:
        return len(self.ids)

    def row(self, identity: str) -> int:
        """Return the row of a pattern."""
        return self.ids.index(identity)

    def matrix(self, onset: Mapping[str, Sequence[float]]) -> Floats:
        """Return an onset as (windows, metrics), its new metrics in columns of their own."""
        self._widen(sorted(onset.keys() - set(self.names)))
        windows = max((len(series) for series in onset.values()), default=1)
        matrix = np.zeros((windows, len(self.names)))
        for column, name in enumerate(self.names):
            if name in onset:
                matrix[:, column] = onset[name]
        return matrix

    def nearest(self, matrix: Floats, most: int) -> Places:
        """Return the rows, in order, whose metrics moved in the direction that is nearest to that of a series; at most
        so many.
        """
        moves = self.sums.sum(axis=1)
        along = moves @ matrix.sum(axis=0) / np.maximum(np.sqrt((moves * moves).sum(axis=1)), 1e-9)
        return np.sort(np.argsort(-along, kind="stable")[:most])

    def append(self, identity: str) -> int:
        """Add an empty row, and return it."""
        self.ids.append(identity)
        self.sums = np.concatenate([self.sums, np.zeros((1, *self.sums.shape[1:]))])
        self.counts = np.concatenate([self.counts, np.zeros((1, self.positions))])
        return len(self.ids) - 1

    def add(self, row: int, position: int, matrix: Floats) -> None:
        """Add one occurrence, whose first window lies at a position."""
        window = slice(position, position + len(matrix))
        counts = self.counts[row, window]
        kept = np.where(counts >= FORGET, FORGET - 1, counts)
        self.sums[row, window] *= (kept / np.maximum(counts, 1))[:, None]
        self.sums[row, window] += matrix
        self.counts[row, window] = kept + 1

    def take(self, row: int, position: int, matrix: Floats) -> None:
        """Take back one occurrence that was added not long ago, as far as it is on the template."""
        matrix, start = self._clipped(matrix, position)
        window = slice(start, start + len(matrix))
        left = np.maximum(self.counts[row, window] - 1, 0)
        self.sums[row, window] = np.where(left[:, None] > 0, self.sums[row, window] - matrix, 0)
        self.counts[row, window] = left

    def add_all(self, row: int, occurrences: Iterable[tuple[int, Mapping[str, Sequence[float]]]]) -> None:
        """Add occurrences at their positions, as far as they are on the template."""
        for position, onset in occurrences:
            matrix, start = self._clipped(self.matrix(onset), position)
            self.add(row, start, matrix)

    def clear(self, row: int) -> None:
        """Empty a row."""
        self.sums[row] = 0
        self.counts[row] = 0

    def join(self, keeps: int, gives: int, shift: int) -> None:
        """Add one row to another, `shift` positions further, and remove it."""
        target = slice(max(0, shift), self.positions + min(0, shift))
        source = slice(max(0, -shift), self.positions + min(0, -shift))
        self.sums[keeps, target] += self.sums[gives, source]
        self.counts[keeps, target] += self.counts[gives, source]
        self._remove(gives)

    def core(self, row: int, windows: int) -> tuple[int, Floats]:
        """Return where the stretch of so many windows that was seen most often begins, and its mean series."""
        seen = np.convolve(self.counts[row], np.ones(windows), "valid")
        start = int(seen.argmax())
        stretch = slice(start, start + windows)
        mean: Floats = self.sums[row, stretch] / np.maximum(self.counts[row, stretch], 1)[:, None]
        return start, mean

    def mean(self, row: int) -> dict[str, list[float]]:
        """Return the mean series by metric, over the positions that at least a quarter of the occurrences reached."""
        counts = self.counts[row]
        often = counts >= max(1.0, counts.max() / 4)
        mean = (self.sums[row, often] / counts[often][:, None]).T.tolist()
        return dict(compress(zip(self.names, mean, strict=True), self.sums[row].any(axis=0).tolist()))

    def pop(self, identity: str) -> Template:
        """Remove a row and return it."""
        row = self.row(identity)
        used = np.flatnonzero(self.sums[row].any(axis=0)).tolist()
        template = Template(
            counts=self.counts[row].tolist(),
            sums={self.names[column]: self.sums[row, :, column].tolist() for column in used},
        )
        self._remove(row)
        return template

    def push(self, identity: str, template: Template) -> int:
        """Add a row that another table gave away, and return it."""
        self._widen(sorted(template.sums.keys() - set(self.names)))
        row = self.append(identity)
        self.counts[row] = template.counts
        for column, name in enumerate(self.names):
            if name in template.sums:
                self.sums[row, :, column] = template.sums[name]
        return row

    def prune(self) -> None:
        """Remove the columns that no row uses."""
        used = np.flatnonzero(self.sums.any(axis=(0, 1)))
        if len(used) < len(self.names):
            self.names = [self.names[column] for column in used.tolist()]
            self.sums = np.ascontiguousarray(self.sums[:, :, used])

    def snapshot(self) -> bytes:
        """Return the whole table; equal states give equal bytes."""
        state = _State(ids=self.ids, names=self.names, sums=self.sums.tobytes(), counts=self.counts.tobytes())
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the table by one that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        shape = (len(state.ids), self.positions, len(state.names))
        self.ids, self.names = state.ids, state.names
        self.sums = np.frombuffer(state.sums).reshape(shape).copy()
        self.counts = np.frombuffer(state.counts).reshape(shape[:2]).copy()

    def _clipped(self, matrix: Floats, position: int) -> tuple[Floats, int]:
        """Return what of an occurrence is on the template, and where that begins."""
        before, after = max(0, -position), max(0, position + len(matrix) - self.positions)
        return matrix[before : max(before, len(matrix) - after)], min(max(position, 0), self.positions)

    def _widen(self, names: list[str]) -> None:
        names = names[: max(0, self._column_limit - len(self.names))]
        if names:
            self.names = self.names + names
            added = np.zeros((len(self.ids), self.positions, len(names)))
            self.sums = np.concatenate([self.sums, added], axis=2)

    def _remove(self, row: int) -> None:
        self.ids = self.ids[:row] + self.ids[row + 1 :]
        self.sums = np.delete(self.sums, row, axis=0)
        self.counts = np.delete(self.counts, row, axis=0)
        self.prune()

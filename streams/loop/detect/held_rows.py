"""Rows of a batch sorted by entity, and the times of those that open windows hold, to tell a repetition."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of a batch, sorted by entity, in the order of arrival within each."""

    numbers: Ints
    """Their places in the batch."""
    slots: Ints
    times: Ints
    ends: Ints
    """The end of the window that each falls into."""

    def cut(self, chosen: Flags | Ints) -> "Rows":
        """Return some of the rows."""
        return Rows(
            numbers=self.numbers[chosen], slots=self.slots[chosen], times=self.times[chosen], ends=self.ends[chosen]
        )


class HeldRows:
    """Entity (slot) and event time of the rows of open windows, each once."""

    def __init__(self) -> None:
        self._slots = self._times = np.zeros(0, np.int64)

    def add(self, rows: Rows) -> None:
        """Hold some rows, none of which repeats another."""
        self._slots = np.concatenate([self._slots, rows.slots])
        self._times = np.concatenate([self._times, rows.times])

    def let_go(self, floor: Ints) -> None:
        """Forget the rows before the floors of their entities, shape (slots,)."""
        held = self._times >= floor[self._slots]
        self._slots, self._times = self._slots[held], self._times[held]

    def repeated(self, rows: Rows, doubtful: Flags) -> Ints:
        """Return for each row the place of the first of the given ones that it repeats, -2 if it repeats one that is
        held, and -1 if it repeats none. Only entities that are `doubtful`, shape (slots,), are looked at.
        """
        repeats = np.full(len(rows.slots), -1)
        held, new = np.flatnonzero(doubtful[self._slots]), np.flatnonzero(doubtful[rows.slots])
        slots = np.concatenate([self._slots[held], rows.slots[new]])
        times = np.concatenate([self._times[held], rows.times[new]])
        order = np.lexsort((times, slots))
        fresh = starts_of(slots[order], times[order])
        first = order[np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))]
        again = order[~fresh]
        first = first[~fresh]
        in_batch = first >= len(held)
        repeats[new[again - len(held)]] = np.where(in_batch, new[np.where(in_batch, first - len(held), 0)], -2)
        return repeats

    def columns(self) -> tuple[bytes, bytes]:
        """Return slots and times; equal states give equal bytes."""
        order = np.lexsort((self._times, self._slots))
        return self._slots[order].astype(np.uint32).tobytes(), self._times[order].tobytes()

    def adopt(self, columns: tuple[bytes, bytes]) -> None:
        """Replace all that is held by what `columns` returned."""
        self._slots = np.frombuffer(columns[0], np.uint32).astype(np.int64)
        self._times = np.frombuffer(columns[1], np.int64).copy()


def starts_of(first: Ints, second: Ints) -> Flags:
    """Return where a new pair begins, in columns sorted by both."""
    starts = np.empty(len(first), bool)
    starts[:1] = True
    np.not_equal(first[1:], first[:-1], out=starts[1:])
    if second is not first:
        starts[1:] |= second[1:] != second[:-1]
    return starts

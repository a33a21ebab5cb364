"""Cutting rows into windows of event time, per entity: what is open, what closes, and at which row."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

NEVER = -(2**62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Closed windows in the order in which they are folded: by the row that closed them, then by time."""

    slots: Ints
    start_us: Ints
    samples: Ints
    values: Floats
    """Shape (windows, metrics): the mean of each metric, NaN where the window has none."""
    closers: Ints
    """The row of the batch that closed each window (0 when a timer did)."""
    tokens: list[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.slots)


class _State(msgspec.Struct, array_like=True):
    slots: bytes
    times: bytes
    rows: bytes
    values: bytes
    tokens: dict[int, str]
    watermark: bytes
    floor: bytes
    next_row: int


class Windows:
    """The open windows of all entities (slots). A window closes when the latest event time of its entity is `lateness`
    past its end, or when `close` says so. What arrives behind the floor, the end of the last closed window, is late.

    Aggregates are taken over all rows of a window in the order of arrival, when it closes: so it does not matter in
    how many batches they came. `counts` counts what was left out, by reason.
    """

    def __init__(self, *, window_us: int, lateness_us: int, rows_limit: int, counts: dict[str, int]) -> None:
        self._width = max(window_us, 1)
        self._single = window_us == 0
        self._lateness = lateness_us
        self._rows_limit = rows_limit
        self._counts = counts
        self._slots = np.zeros(0, np.int64)
        self._times = np.zeros(0, np.int64)
        self._rows = np.zeros(0, np.int64)
        self._values = np.zeros((0, 0))
        self._tokens: dict[int, str] = {}
        self._watermark = np.zeros(0, np.int64)
        self._floor = np.zeros(0, np.int64)
        self._next_row = 0

    def grow(self, slots: int, metrics: int) -> None:
        """Make room for so many entities and metrics."""
        missing = slots - len(self._floor)
        if missing > 0:
            self._watermark = np.concatenate([self._watermark, np.full(missing, NEVER)])
            self._floor = np.concatenate([self._floor, np.full(missing, NEVER)])
        missing = metrics - self._values.shape[1]
        if missing > 0:
            self._values = np.hstack([self._values, np.full((len(self._values), missing), np.nan)])

    def forget(self, slot: int) -> None:
        """Give the slot to another entity; the former one's windows are closed already."""
        self._watermark[slot] = self._floor[slot] = NEVER

    def waiting(self) -> Ints:
        """Return the slots that have an open window, ascending."""
        return np.flatnonzero(np.bincount(self._slots))

    def rows(self) -> Ints:
        """Return the slot of every row that waits."""
        return self._slots

    def floor(self, slot: int) -> int:
        """Return the end of the entity's last closed window, in event time."""
        return int(self._floor[slot])

    def add(self, slots: Ints, times: Ints, values: Floats, tokens: dict[int, str]) -> Closed:
        """Take rows in the order of arrival, and return the windows they close."""
        order = slots.argsort(kind="stable")
        row_slots, row_times = slots[order], times[order]
        before, after = self._floors(row_slots, row_times)
        late = row_times < before
        in_time = np.ones(len(slots), bool)
        in_time[order] = ~late
        again = late & (row_times == before - 1) if self._single else np.zeros(len(slots), bool)
        self._counts["late"] += int(np.count_nonzero(late & ~again))
        self._counts["duplicates"] += int(np.count_nonzero(again))
        first_new = len(self._slots)
        self._append(slots, times, values, tokens, in_time)
        self._drop_surplus(first_new)
        self._floor[row_slots] = after  # in order: of equal slots the last one stays
        return self._take(self._ends() <= self._floor[self._slots], row_slots, after, order)

    def close(self, slots: Sequence[int]) -> Closed:
        """Close all windows of these entities at once."""
        closing = np.isin(self._slots, slots)
        np.maximum.at(self._floor, self._slots[closing], self._ends()[closing])
        nothing = np.zeros(0, np.int64)
        return self._take(closing, nothing, nothing, nothing)

    def snapshot(self) -> bytes:
        """Return the open windows; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _State(
                slots=self._slots.tobytes(),
                times=self._times.tobytes(),
                rows=self._rows.tobytes(),
                values=self._values.tobytes(),
                tokens=self._tokens,
                watermark=self._watermark.tobytes(),
                floor=self._floor.tobytes(),
                next_row=self._next_row,
            )
        )

    def restore(self, snapshot: bytes, metrics: int) -> None:
        """Replace the open windows by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._slots, self._times, self._rows, self._watermark, self._floor = (
            np.frombuffer(data, np.int64).copy()
            for data in (state.slots, state.times, state.rows, state.watermark, state.floor)
        )
        self._values = np.frombuffer(state.values).reshape(len(self._slots), metrics).copy()
        self._tokens, self._next_row = state.tokens, state.next_row

    def _floors(self, slots: Ints, times: Ints) -> tuple[Ints, Ints]:
        """Return the floor of each row's entity before and after the row; rows sorted by slot, then by arrival."""
        ordered = np.sort(times)
        fresh = np.ones(len(slots), bool)
        fresh[1:] = slots[1:] != slots[:-1]
        base = fresh.cumsum() * len(ordered)  # ranks of later entities are above all of earlier ones
        latest = ordered[np.maximum.accumulate(ordered.searchsorted(times) + base) - base]
        known = self._watermark[slots]
        after = np.maximum(latest, known)
        before = known.copy()
        before[1:] = np.where(fresh[1:], known[1:], after[:-1])
        self._watermark[slots] = after  # in order: of equal slots the last one stays
        floor = self._floor[slots]
        return np.maximum(floor, self._boundary(before)), np.maximum(floor, self._boundary(after))

    def _boundary(self, watermark: Ints) -> Ints:
        """Return the end of the last window that this watermark closes; a one-sample window closes itself."""
        closed: Ints = (watermark - self._lateness + self._single) // self._width * self._width
        return closed

    def _ends(self) -> Ints:
        ends: Ints = (self._times // self._width + 1) * self._width
        return ends

    def _append(self, slots: Ints, times: Ints, values: Floats, tokens: dict[int, str], keep: Flags) -> None:
        rows = np.arange(self._next_row, self._next_row + len(slots))
        if tokens:
            self._tokens.update({self._next_row + row: token for row, token in sorted(tokens.items()) if keep[row]})
        self._next_row += len(slots)
        self._slots = np.concatenate([self._slots, slots[keep]])
        self._times = np.concatenate([self._times, times[keep]])
        self._rows = np.concatenate([self._rows, rows[keep]])
        self._values = np.concatenate([self._values, values[keep]])

    def _drop_surplus(self, first_new: int) -> None:
        """Leave out new rows that repeat an entity and time, or find their window full.

        A repetition of a row that found its window full counts as overflow too, as it would in a batch of its own.
        """
        order = np.lexsort((self._times, self._slots))
        fresh = _starts(self._slots[order], self._times[order])
        repeats = np.zeros(len(order), bool)
        repeats[order] = ~fresh
        full = self._full(order, fresh, repeats)
        drop = repeats | full
        drop[:first_new] = False
        if drop.any():
            self._counts["duplicates"] += int(np.count_nonzero(drop & ~full))
            self._counts["overflow"] += int(np.count_nonzero(drop & full))
            self._keep(~drop)

    def _full(self, order: Ints, fresh: Flags, repeats: Flags) -> Flags:
        """Return which rows found their window full, and which repeat such a row."""
        full = np.zeros(len(order), bool)
        if len(order) <= self._rows_limit:
            return full
        ends = self._ends()
        distinct = np.flatnonzero(~repeats)
        by_window = distinct[np.lexsort((ends[distinct], self._slots[distinct]))]
        starts = _starts(self._slots[by_window], ends[by_window])
        place = np.arange(len(by_window))
        full[by_window] = place - np.maximum.accumulate(np.where(starts, place, 0)) >= self._rows_limit
        if full.any():
            full[order] = full[order][np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))]
        return full

    def _keep(self, keep: Flags) -> None:
        if self._tokens:
            for row in self._rows[~keep].tolist():
                self._tokens.pop(row, None)
        self._slots, self._times = self._slots[keep], self._times[keep]
        self._rows, self._values = self._rows[keep], self._values[keep]

    def _take(self, closing: Flags, row_slots: Ints, row_floors: Ints, row_numbers: Ints) -> Closed:
        """Remove the rows of closing windows, and aggregate them. The other arguments find the row that closed each:
        slot and floor of the new rows, sorted by slot, and their numbers in the batch.
        """
        chosen = np.flatnonzero(closing)
        if not len(chosen):
            return _nothing(self._values.shape[1])
        slots, ends = self._slots[chosen], self._ends()[chosen]
        by_window = np.lexsort((ends, slots))
        chosen, slots, ends = chosen[by_window], slots[by_window], ends[by_window]
        starts = _starts(slots, ends)
        group = starts.cumsum() - 1
        values, tokens = self._means(chosen, group), self._tokens_of(chosen, group)
        samples = np.bincount(group)
        slots, ends = slots[starts], ends[starts]
        closers = np.zeros(len(slots), np.int64)
        if len(row_slots):
            floors = np.sort(np.concatenate([row_floors, ends]))
            row_keys = row_slots * len(floors) + floors.searchsorted(row_floors)
            closers = row_numbers[row_keys.searchsorted(slots * len(floors) + floors.searchsorted(ends))]
        self._keep(~closing)
        order = np.lexsort((ends, closers))
        return Closed(
            slots=slots[order],
            start_us=ends[order] - self._width,
            samples=samples[order],
            values=values[order],
            closers=closers[order],
            tokens=[tokens[index] for index in order.tolist()],
        )

    def _means(self, chosen: Ints, group: Ints) -> Floats:
        """Sum row by row (bincount adds in order), so that the last bit does not depend on what else closes."""
        metrics = self._values.shape[1]
        groups = int(group[-1]) + 1
        values = self._values[chosen]
        present = np.isfinite(values)
        cells = (group[:, None] * metrics + np.arange(metrics))[present]
        size = groups * metrics
        sums = np.bincount(cells, weights=values[present], minlength=size)
        counts = np.bincount(cells, minlength=size)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        return means.reshape(groups, metrics)

    def _tokens_of(self, chosen: Ints, group: Ints) -> list[tuple[str, ...]]:
        tokens: list[tuple[str, ...]] = [()] * (int(group[-1]) + 1)
        if self._tokens:
            for row, index in zip(self._rows[chosen].tolist(), group.tolist(), strict=True):
                if row in self._tokens:
                    tokens[index] += (self._tokens[row],)
        return tokens


def _nothing(metrics: int) -> Closed:
    none = np.zeros(0, np.int64)
    return Closed(slots=none, start_us=none, samples=none, values=np.zeros((0, metrics)), closers=none, tokens=[])


def _starts(first: Ints, second: Ints) -> Flags:
    """Return where a new pair begins, in columns sorted by both."""
    starts = np.ones(len(first), bool)
    starts[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return starts

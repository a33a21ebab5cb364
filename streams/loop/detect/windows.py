"""Cutting rows into windows of event time, per entity: what is open, what closes, and at which row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from streams.loop.detect.held_rows import HeldRows, Rows, starts_of

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

NEVER = -(2**62)
_RADIX = 2**16
"""numpy sorts integers of 16 bits in one pass over them, and longer ones by comparing."""


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
    tokens: dict[int, tuple[str, ...]]
    """Event tokens in the order of their arrival, by place of the window, where it has any."""
    late: Ints
    """The rows of the batch whose windows were closed before."""

    def __len__(self) -> int:
        return len(self.slots)


class _State(msgspec.Struct, array_like=True):
    slots: bytes
    ends: bytes
    samples: bytes
    sums: bytes
    counts: bytes
    held: tuple[bytes, bytes]
    tokens: list[tuple[int, int, tuple[str, ...]]]
    watermark: bytes
    floor: bytes


class Windows:
    """The open windows of all entities (slots). A window closes when the latest event time of its entity is `lateness`
    past its end, or when `close` says so. What arrives behind the floor, the end of what was closed last, is late.

    Values are added up one by one in the order of arrival, so it does not matter in how many batches they came. The
    times of the rows that a window holds are kept to tell a repetition. `counts` counts what was left out, by reason.
    """

    def __init__(self, *, window_us: int, lateness_us: int, rows_limit: int, counts: dict[str, int]) -> None:
        self._width = max(window_us, 1)
        self._single = window_us == 0
        self._behind = lateness_us - self._single
        self._rows_limit = rows_limit
        self._left_out = counts
        nothing = np.zeros(0, np.int64)
        self._slots = self._ends = self._samples = nothing  # of the open windows, sorted by slot, then by end
        self._sums = np.zeros((0, 0))
        self._counts = np.zeros((0, 0), np.int64)
        self._held = HeldRows()
        self._tokens: dict[tuple[int, int], tuple[str, ...]] = {}
        self._watermark = self._floor = nothing

    def grow(self, slots: int, metrics: int) -> None:
        """Make room for so many entities and metrics."""
        missing = slots - len(self._floor)
        if missing > 0:
            self._watermark = np.concatenate([self._watermark, np.full(missing, NEVER)])
            self._floor = np.concatenate([self._floor, np.full(missing, NEVER)])
        missing = metrics - self._sums.shape[1]
        if missing > 0:
            self._sums = np.hstack([self._sums, np.zeros((len(self._sums), missing))])
            self._counts = np.hstack([self._counts, np.zeros((len(self._counts), missing), np.int64)])

    def forget(self, slot: int) -> None:
        """Give the slot to another entity; the former one's windows are closed already."""
        self._watermark[slot] = self._floor[slot] = NEVER

    def row(self, slot: int) -> list[npt.NDArray[Any]]:
        """Return all that is known of an entity without open windows, as views."""
        return [self._watermark[slot : slot + 1], self._floor[slot : slot + 1]]

    def latest(self, slot: int) -> int:
        """Return the event time of the entity's latest row."""
        return int(self._watermark[slot])

    def held_metrics(self) -> Flags:
        """Return of which metrics open windows have values, shape (metrics,)."""
        held: Flags = np.any(self._counts, axis=0)
        return held

    def waiting(self) -> Ints:
        """Return the slots that have an open window, ascending."""
        return self._slots[starts_of(self._slots, self._slots)]

    def floor(self, slot: int) -> int:
        """Return the end of the entity's last closed window, in event time."""
        return -(-int(self._floor[slot]) // self._width) * self._width

    def add(self, slots: Ints, times: Ints, values: Floats, tokens: dict[int, str]) -> Closed:
        """Take rows in the order of arrival, and return the windows they close."""
        narrow = len(self._floor) <= _RADIX
        order = (slots.astype(np.uint16) if narrow else slots).argsort(kind="stable")
        rows = self._rows_of(order, slots[order], times[order])
        before, after, rising = self._floors(rows)
        late = rows.times < before
        refused = np.zeros(0, np.int64)
        if np.count_nonzero(late):
            again = late & (rows.times == before - 1) if self._single else np.zeros(len(slots), bool)
            refused = np.sort(order[late & ~again])
            self._left_out["late"] += len(refused)
            self._left_out["duplicates"] += int(np.count_nonzero(again))
        self._floor[rows.slots] = after  # in order: of equal slots the last one stays
        self._take_in(self._accepted(rows, late, rising), values, tokens)
        moved = after > before
        closing = self._ends <= self._floor[self._slots]
        return self._take(closing, rows.slots[moved], after[moved], order[moved], late=refused)

    def close(self, slots: Sequence[int]) -> Closed:
        """Close all windows of these entities at once. Only what precedes their latest row is late from then on: a
        silence may be ours, and what was sent meanwhile makes up another window of the same time.
        """
        closing = np.isin(self._slots, slots)
        closed = self._slots[closing]
        self._floor[closed] = np.maximum(self._floor[closed], self._watermark[closed] + 1)
        nothing = np.zeros(0, np.int64)
        return self._take(closing, nothing, nothing, nothing, late=nothing)

    def snapshot(self) -> bytes:
        """Return the open windows; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _State(
                slots=self._slots.tobytes(),
                ends=self._ends.tobytes(),
                samples=self._samples.tobytes(),
                sums=self._sums.tobytes(),
                counts=self._counts.tobytes(),
                held=self._held.columns(),
                tokens=sorted((slot, end, texts) for (slot, end), texts in self._tokens.items()),
                watermark=self._watermark.tobytes(),
                floor=self._floor.tobytes(),
            )
        )

    def restore(self, snapshot: bytes, metrics: int) -> None:
        """Replace the open windows by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._slots, self._ends, self._samples, self._watermark, self._floor = (
            np.frombuffer(data, np.int64).copy()
            for data in (state.slots, state.ends, state.samples, state.watermark, state.floor)
        )
        self._held.adopt(state.held)
        self._sums = np.frombuffer(state.sums).reshape(len(self._slots), metrics).copy()
        self._counts = np.frombuffer(state.counts, np.int64).reshape(len(self._slots), metrics).copy()
        self._tokens = {(slot, end): texts for slot, end, texts in state.tokens}

    def _rows_of(self, numbers: Ints, slots: Ints, times: Ints) -> Rows:
        return Rows(numbers=numbers, slots=slots, times=times, ends=(times // self._width + 1) * self._width)

    def _floors(self, rows: Rows) -> tuple[Ints, Ints, Flags]:
        """Return the floor of each row's entity before and after the row, and whether the row is later than all of its
        entity before it.
        """
        slots, times = rows.slots, rows.times
        fresh = starts_of(slots, slots)
        before = self._watermark[slots]
        known = before[fresh]
        before[1:] = times[:-1]
        before[fresh] = known
        rising = times > before
        after = times
        if np.count_nonzero(rising) < len(rising):
            after = _running_maximum(np.maximum(times, np.where(fresh, before, times)), fresh)
            before[1:] = after[:-1]
            before[fresh] = known
            rising = times > before
        self._watermark[slots] = after  # in order: of equal slots the last one stays
        floor = self._floor[slots]
        first, last = np.maximum(floor, self._boundary(before)), np.maximum(floor, self._boundary(after))
        return first, last, rising

    def _boundary(self, watermark: Ints) -> Ints:
        """Return the end of the last window that this watermark closes; a one-sample window closes itself."""
        closed: Ints = (watermark - self._behind) // self._width * self._width
        return closed

    def _accepted(self, rows: Rows, late: Flags, rising: Flags) -> Rows:
        """Return the rows that windows take in, sorted by window. Left out are those that repeat an entity and time, or
        find their window full. A repetition of a row that found its window full counts as such too, as it would in a
        batch of its own.
        """
        if np.count_nonzero(rising) == len(rising) and not np.count_nonzero(late):  # then no row repeats another
            if self._have_room(len(rows.slots)):
                return rows
            accepted, repeats = rows, np.full(len(rows.slots), -1)
        else:
            accepted, rising = rows.cut(~late), rising[~late]
            doubtful = np.zeros(len(self._floor), bool)
            doubtful[accepted.slots[~rising]] = True  # only where times did not rise throughout may a row be repeated
            repeats = self._held.repeated(accepted, doubtful)
            by_window = np.lexsort((accepted.ends, accepted.slots))
            places = np.empty_like(by_window)
            places[by_window] = np.arange(len(by_window))
            accepted, repeats = accepted.cut(by_window), repeats[by_window]
            repeats = np.where(repeats >= 0, places[np.maximum(repeats, 0)], repeats)
        full = self._full(accepted, repeats)
        keep = (repeats == -1) & ~full
        if keep.all():
            return accepted
        self._left_out["duplicates"] += int(np.count_nonzero(~keep & ~full))
        self._left_out["window_rows_limit"] += int(np.count_nonzero(full))
        return accepted.cut(keep)

    def _full(self, rows: Rows, repeats: Ints) -> Flags:
        """Return which rows, sorted by window, found it full, or repeat one that did."""
        full = np.zeros(len(rows.slots), bool)
        if self._have_room(len(rows.slots)):
            return full
        distinct = np.flatnonzero(repeats == -1)
        starts = starts_of(rows.slots[distinct], rows.ends[distinct])
        first = np.flatnonzero(starts)
        largest = np.diff(first, append=len(distinct)).max(initial=0) + self._samples.max(initial=0)
        if largest <= self._rows_limit:
            return full
        held = self._samples_of(rows.slots[distinct][first], rows.ends[distinct][first])
        window = starts.cumsum() - 1
        full[distinct] = held[window] + np.arange(len(distinct)) - first[window] >= self._rows_limit
        if full.any():
            full |= (repeats >= 0) & full[np.maximum(repeats, 0)]
        return full

    def _have_room(self, rows: int) -> bool:
        """Whether every window would find room for so many rows."""
        return rows + int(self._samples.max(initial=0)) <= self._rows_limit

    def _samples_of(self, slots: Ints, ends: Ints) -> Ints:
        """Return how many rows some windows hold (0: they are yet to open); sorted by slot, then by end."""
        places, opened = self._merged(slots, ends)
        samples = np.zeros(int(max(places.max(initial=-1), opened.max(initial=-1))) + 1, np.int64)
        samples[opened] = self._samples
        return samples[places]

    def _merged(self, slots: Ints, ends: Ints) -> tuple[Ints, Ints]:
        """Return the places that these windows and the open ones have among all of them, sorted by slot and end."""
        all_slots, all_ends = np.concatenate([self._slots, slots]), np.concatenate([self._ends, ends])
        order = np.lexsort((all_ends, all_slots))
        places = np.empty_like(order)
        places[order] = starts_of(all_slots[order], all_ends[order]).cumsum() - 1
        return places[len(self._slots) :], places[: len(self._slots)]

    def _take_in(self, rows: Rows, values: Floats, tokens: dict[int, str]) -> None:
        """Add rows, sorted by window, to their windows."""
        if not len(rows.slots):
            return
        starts = starts_of(rows.slots, rows.ends)
        slots, ends = rows.slots[starts], rows.ends[starts]
        places, opened = self._merged(slots, ends)
        size = int(max(places[-1], opened[-1] if len(opened) else -1)) + 1
        window = places[starts.cumsum() - 1]
        self._sums, self._counts = self._added(size, opened, window, values.take(rows.numbers, axis=0))
        self._samples = _moved(self._samples, opened, size) + np.bincount(window, minlength=size)
        all_slots, all_ends = _moved(self._slots, opened, size), _moved(self._ends, opened, size)
        all_slots[places], all_ends[places] = slots, ends
        self._slots, self._ends = all_slots, all_ends
        self._held.add(rows)
        if tokens:
            places_of = {number: place for place, number in enumerate(rows.numbers.tolist()) if number in tokens}
            for number, place in sorted(places_of.items()):
                key = int(rows.slots[place]), int(rows.ends[place])
                self._tokens[key] = (*self._tokens.get(key, ()), tokens[number])

    def _added(self, size: int, opened: Ints, window: Ints, values: Floats) -> tuple[Floats, Ints]:
        """Return the sums and counts of `size` windows after some values, of rows that belong to `window`.

        bincount adds one by one in order, so the last bit does not depend on what came in one batch.
        """
        metrics = values.shape[1]
        columns = np.arange(metrics)
        old, new = (opened[:, None] * metrics + columns).ravel(), (window[:, None] * metrics + columns).ravel()
        weights = values.ravel()
        present = np.isfinite(weights)
        cells = size * metrics
        if np.count_nonzero(present) == len(present):
            counts = np.bincount(window, minlength=size).repeat(metrics)
        else:
            new, weights = new[present], weights[present]
            counts = np.bincount(new, minlength=cells)
        sums = np.bincount(
            np.concatenate([old, new]), weights=np.concatenate([self._sums.ravel(), weights]), minlength=cells
        )
        counts[old] += self._counts.ravel()
        return np.reshape(sums, (size, metrics)), np.reshape(counts, (size, metrics))

    def _take(self, closing: Flags, row_slots: Ints, row_floors: Ints, row_numbers: Ints, *, late: Ints) -> Closed:
        """Remove closing windows and return them. The other arguments find the row that closed each: slot and floor of
        the rows that moved a floor, sorted by slot, and their numbers in the batch.
        """
        chosen = closing.nonzero()[0]
        slots, ends = self._slots[chosen], self._ends[chosen]
        closers = np.zeros(len(slots), np.int64)
        if len(row_slots) and len(slots):
            floors = np.sort(np.concatenate([row_floors, ends]))
            row_keys = row_slots * len(floors) + floors.searchsorted(row_floors)
            closers = row_numbers[row_keys.searchsorted(slots * len(floors) + floors.searchsorted(ends))]
        order = np.lexsort((ends, closers))
        chosen, slots, ends = chosen[order], slots[order], ends[order]
        counts = self._counts.take(chosen, axis=0)
        closed = Closed(
            slots=slots,
            start_us=ends - self._width,
            samples=self._samples[chosen],
            values=np.where(counts > 0, self._sums.take(chosen, axis=0) / np.maximum(counts, 1), np.nan),
            closers=closers[order],
            tokens=self._tokens_of(slots, ends),
            late=late,
        )
        if len(chosen):
            self._remove(closing)
        return closed

    def _remove(self, closing: Flags) -> None:
        """Remove windows, and the rows behind the floors of their entities."""
        keep = ~closing
        self._slots, self._ends, self._samples = self._slots[keep], self._ends[keep], self._samples[keep]
        self._sums, self._counts = self._sums[keep], self._counts[keep]
        self._held.let_go(self._floor)

    def _tokens_of(self, slots: Ints, ends: Ints) -> dict[int, tuple[str, ...]]:
        """Remove the tokens of windows and return them by place."""
        if not self._tokens:
            return {}
        keys = enumerate(zip(slots.tolist(), ends.tolist(), strict=True))
        return {place: self._tokens.pop(key) for place, key in keys if key in self._tokens}


def _moved(column: Ints, places: Ints, size: int) -> Ints:
    """Return a column of `size` whose values lie at new places, 0 elsewhere."""
    wide = np.zeros(size, np.int64)
    wide[places] = column
    return wide


def _running_maximum(times: Ints, fresh: Flags) -> Ints:
    """Return the largest of the times so far, beginning anew where `fresh`."""
    ordered = np.sort(times)
    base = fresh.cumsum() * len(ordered)  # ranks of later entities are above all of earlier ones
    latest: Ints = ordered[np.maximum.accumulate(ordered.searchsorted(times) + base) - base]
    return latest

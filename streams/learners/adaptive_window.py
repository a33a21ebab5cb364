"""ADWIN: a window over a stream that keeps as much of its past as has one mean."""

import math

import msgspec
from river import base

CHECKED_FROM = 10
"""A shorter window is not looked at."""
_Bucket = tuple[float, float]
"""The sum of 2^k values, and their squared deviations from their mean."""


class _State(msgspec.Struct, array_like=True):
    rows: list[list[_Bucket]]
    total: float
    squares: float
    ticks: int
    cut: bool


class AdaptiveWindow(base.DriftDetector):
    """Cuts off the older part of the window where its mean differs from that of the newer part (Bifet and Gavalda,
    SIAM Data Mining 2007): by more than chance allows at significance `delta`, for values of about unit range.

    Detects where `river.drift.ADWIN` with the same arguments does; that one loads scipy, and its state has no bytes of
    its own. The window is kept in at most `max_buckets` sums of each power of two; every `clock`-th value it is looked
    at for a cut between parts of at least `min_part` values. The first value after a cut begins a new window.
    """

    def __init__(self, *, delta: float = 0.002, clock: int = 32, max_buckets: int = 5, min_part: int = 5) -> None:
        super().__init__()
        self.delta = delta
        self.clock = clock
        self.max_buckets = max_buckets
        self.min_part = min_part
        self.before = 0.0
        """The mean of what the last cut removed."""
        self._begin()

    @property
    def width(self) -> int:
        """How many values the window holds."""
        return self._width

    @property
    def mean(self) -> float:
        """The mean of the window; 0 while it is empty."""
        return self._total / self._width if self._width else 0.0

    def update(self, x: float) -> None:
        """Take a value in; `drift_detected` then says whether the window was cut."""
        if self.drift_detected:
            self._begin()
        self._insert(x)
        self._ticks += 1
        if self._ticks % self.clock == 0 and self._width > CHECKED_FROM:
            self._drift_detected = self._shrink()

    def snapshot(self) -> bytes:
        """Return the window; equal states give equal bytes."""
        state = _State(self._rows, self._total, self._squares, self._ticks, self._drift_detected)
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the window by one that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._rows, self._total, self._squares, self._ticks = state.rows, state.total, state.squares, state.ticks
        self._width = sum(len(row) << power for power, row in enumerate(state.rows))
        self._drift_detected = state.cut

    def _begin(self) -> None:
        self._reset()
        self._rows = _no_rows()
        self._width = 0
        self._total = 0.0
        self._squares = 0.0
        self._ticks = 0

    def _insert(self, value: float) -> None:
        self._rows[0].append((value, 0.0))
        if self._width:
            self._squares += self._width * (value - self._total / self._width) ** 2 / (self._width + 1)
        self._width += 1
        self._total += value
        for power, row in enumerate(self._rows):
            if len(row) <= self.max_buckets:
                break
            if power + 1 == len(self._rows):
                self._rows.append([])
            (one, one_squares), (other, other_squares) = row[:2]
            del row[:2]
            size = float(1 << power)
            between = size * size * (one / size - other / size) ** 2 / (size + size)
            self._rows[power + 1].append((one + other, one_squares + other_squares + between))

    def _shrink(self) -> bool:
        """Remove oldest buckets while the window holds two means; return whether any went."""
        count, total = 0, 0.0
        while self._holds_two_means():
            size, gone = self._remove_oldest()
            count, total = count + size, total + gone
        if count:
            self.before = total / count
        return count > 0

    def _holds_two_means(self) -> bool:
        log_odds = math.log(2 * math.log(self._width) / self.delta)
        variance = max(self._squares, 0.0) / self._width
        old, old_total = 0, 0.0
        for power in range(len(self._rows) - 1, -1, -1):
            for total, _ in self._rows[power]:
                old += 1 << power
                old_total += total
                new = self._width - old
                if new < self.min_part:
                    return False
                if old < self.min_part:
                    continue
                inverse = 1 / (old - self.min_part + 1) + 1 / (new - self.min_part + 1)
                allowed = math.sqrt(2 * inverse * variance * log_odds) + 2 / 3 * log_odds * inverse
                if abs(old_total / old - (self._total - old_total) / new) > allowed:
                    return True
        return False

    def _remove_oldest(self) -> tuple[int, float]:
        row = self._rows[-1]
        (total, squares), size = row.pop(0), 1 << (len(self._rows) - 1)
        self._width -= size
        self._total -= total
        apart = (total / size - self._total / self._width) ** 2
        self._squares -= squares + size * self._width * apart / (size + self._width)
        while len(self._rows) > 1 and not self._rows[-1]:
            self._rows.pop()
        return size, total


def _no_rows() -> list[list[_Bucket]]:
    return [[]]

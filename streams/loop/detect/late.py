"""Samples that come too late: what they lie in becomes dead letters, but only so many, and so large, a minute."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from streams.loop.detect.overflow import Overflows
from streams.loop.processor import Refused
from streams.loop.telemetry import TelemetryBatch

MINUTE_US = 60_000_000
RANGES = 20
"""Rows of a record are named in so many ranges at most."""


class Late:
    """Whoever sends an hour again would have all of it stored once more, and a message whole for each late sample. So
    at most `limit` records, of `bytes_limit` bytes together, become dead letters in a minute of loop time.

    `counts` says how many late rows are in one (`letter`), and how many are in none because there were enough letters
    (`letter_limit`) or because theirs would have been too large for what was left (`letter_bytes`).
    """

    def __init__(self, *, limit: int, bytes_limit: int, counts: dict[str, int], overflows: Overflows) -> None:
        self._limit = limit
        self._bytes_limit = bytes_limit
        self._counts = counts
        self._overflows = overflows
        self._minute = self._letters = self._bytes = 0

    def refuse(self, batch: TelemetryBatch, rows: Sequence[int], now_us: int) -> list[Refused]:
        """Return the records that late rows lie in, each once, as far as this minute allows."""
        if not rows:
            return []
        if self._minute != now_us // MINUTE_US:
            self._minute, self._letters, self._bytes = now_us // MINUTE_US, 0, 0
        refused: list[Refused] = []
        for record in _by_record(batch, rows):
            size = batch.record_bytes(record[0])
            limit = self._reached(size)
            self._counts[limit or "letter"] += len(record)
            if limit:
                self._overflows.note(limit, (batch.entities[row] for row in record))
                continue
            self._letters += 1
            self._bytes += size
            refused.append(_refused(batch, record))
        return refused

    def snapshot(self) -> tuple[int, int, int]:
        """Return the minute, its letters, and their bytes."""
        return self._minute, self._letters, self._bytes

    def restore(self, snapshot: tuple[int, int, int]) -> None:
        """Replace them by what `snapshot` returned."""
        self._minute, self._letters, self._bytes = snapshot

    def _reached(self, size: int) -> str | None:
        """Return the limit that leaves no room for another letter of so many bytes."""
        if self._letters >= self._limit:
            return "letter_limit"
        return "letter_bytes" if self._bytes + size > self._bytes_limit else None


def _by_record(batch: TelemetryBatch, rows: Sequence[int]) -> Iterator[list[int]]:
    for _, record in groupby(rows, key=lambda row: int(batch.offsets[row])):
        yield list(record)


def _refused(batch: TelemetryBatch, rows: list[int]) -> Refused:
    first = int(batch.offsets.searchsorted(batch.offsets[rows[0]]))
    return Refused(
        batch.cause(rows[0]),
        "late",
        f"expected samples of open windows, got {len(rows)} of closed ones, first of {batch.entities[rows[0]]} at "
        f"{int(batch.time_us[rows[0]])} us: good rows {_ranges([row - first for row in rows])} of the record, counted "
        "from 0; detect.lateness says how long windows wait",
    )


def _ranges(numbers: list[int]) -> str:
    """Return ascending numbers as text, e.g. 1, 3-5."""
    breaks = [place for place in range(1, len(numbers)) if numbers[place] != numbers[place - 1] + 1]
    ends = [(numbers[start], numbers[stop - 1]) for start, stop in pairwise([0, *breaks, len(numbers)])]
    texts = [f"{first}-{last}" if last > first else str(first) for first, last in ends[:RANGES]]
    return ", ".join([*texts, *["..."] * (len(ends) > RANGES)])

"""What has been fetched for one partition and waits for its step, in order and without a record twice."""

import threading
import time
from collections import deque
from dataclasses import dataclass

from msgspec.structs import replace

from schemas.raw import RawBatch

RECORD_LIMIT = 40_000
BATCH_LIMIT = 64
LOAD_RECORDS = 2_000
"""With so many records at hand a partition is under load: gathering more costs nobody time."""
STEP_RECORDS = 30_000
"""Largest number of records in a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Records of one partition and what they cover: offsets `start` up to `stop`, holes included."""

    batch: RawBatch
    start: int
    stop: int


class GapError(Exception):
    """A fetch began behind the expected offset: what lies between was removed from the log."""


class Inbox:
    """A bounded queue between the thread that fetches and the thread that folds one partition."""

    def __init__(self, *, positions: dict[str, int]) -> None:
        self._positions = dict(positions)
        self._waiting: deque[RawBatch] = deque()
        self._records = 0
        self._changed = threading.Condition()
        self._closed = False

    def position(self, topic: str) -> int:
        """Return the next offset to fetch."""
        return self._positions[topic]

    def full(self) -> bool:
        """Return whether fetching should rest."""
        return self._records >= RECORD_LIMIT or len(self._waiting) >= BATCH_LIMIT

    def records(self) -> int:
        """Return how many records wait."""
        return self._records

    def put(self, fetched: Fetched) -> None:
        """Take in what was fetched; what is known already is dropped. Raises `GapError`."""
        topic = fetched.batch.topic
        with self._changed:
            position = self._positions[topic]
            if fetched.stop <= position:
                return
            if fetched.start > position:
                raise GapError(
                    f"{topic}/{fetched.batch.partition}[{position}:{fetched.start}] was removed from the log"
                )
            batch = _from(fetched.batch, position)
            self._positions[topic] = fetched.stop
            if len(batch):
                self._waiting.append(batch)
                self._records += len(batch)
                self._changed.notify()

    def take(self, *, timeout_s: float | None, gather_s: float) -> list[RawBatch]:
        """Wait for records and return them, neighbours of one topic joined; empty after the timeout or when closed."""
        with self._changed:
            if not self._waiting and not self._closed:
                self._changed.wait(timeout_s)
            if self._records >= LOAD_RECORDS:
                self._gather(time.monotonic() + gather_s)
            taken: list[RawBatch] = []
            records = 0
            while self._waiting and records < STEP_RECORDS:
                batch = self._waiting.popleft()
                records += len(batch)
                taken.append(batch)
            self._records -= records
        return _joined(taken)

    def close(self) -> None:
        """Wake up whoever waits; nothing more is handed out after what is there."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _gather(self, until: float) -> None:
        while self._records < STEP_RECORDS and not self._closed:
            left = until - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                return


def _from(batch: RawBatch, position: int) -> RawBatch:
    """Return the records from a position on."""
    if not len(batch) or batch.start >= position:
        return batch
    first = next((i for i, offset in enumerate(batch.offsets) if offset >= position), len(batch))
    return replace(
        batch,
        offsets=batch.offsets[first:],
        keys=batch.keys[first:],
        values=batch.values[first:],
        headers=batch.headers[first:],
        written_us=batch.written_us[first:],
    )


def _joined(batches: list[RawBatch]) -> list[RawBatch]:
    """Join batches of one topic that follow on one another."""
    joined: list[RawBatch] = []
    for batch in batches:
        if joined and (joined[-1].topic, joined[-1].partition) == (batch.topic, batch.partition):
            last = joined[-1]
            joined[-1] = replace(
                last,
                offsets=[*last.offsets, *batch.offsets],
                keys=[*last.keys, *batch.keys],
                values=[*last.values, *batch.values],
                headers=[*last.headers, *batch.headers],
                written_us=[*last.written_us, *batch.written_us],
            )
        else:
            joined.append(batch)
    return joined

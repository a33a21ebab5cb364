"""Reading events and inputs back from a log by offset."""

from collections.abc import Callable, Iterator
from functools import lru_cache

from schemas import wire
from schemas.errors import RecoveryError
from schemas.events import Event, JournalEntry
from schemas.raw import RawBatch
from streams.replay.log import MemoryLog

ReadRange = Callable[[str, int, int, int], RawBatch | None]
"""(registry topic, partition, start, stop) to the committed records of that range, or None when there are none."""


decode = lru_cache(maxsize=8_192)(wire.decode)
"""`wire.decode` for logs in memory, which are read again and again: by every role, by executors, at every takeover.
Readers share what it returns, and must not change it.
"""


def read_events(log: MemoryLog, topic: str, partition: int, start: int) -> Iterator[tuple[int, Event]]:
    """Return the committed events of a partition, from `start` to its present end, with their offsets."""
    batch = log.read(topic, partition, start)
    if batch is not None:
        for offset, value, headers in zip(batch.offsets, batch.values, batch.headers, strict=True):
            yield offset, decode(topic, value, headers)


def inputs_of(entry: JournalEntry, read_range: ReadRange) -> list[RawBatch]:
    """Re-read the inputs of a journal entry; raises `RecoveryError` when retention or loss removed them."""
    batches: list[RawBatch] = []
    for source in entry.inputs:
        batch = read_range(source.topic, source.partition, source.start, source.stop)
        if batch is None:
            where = f"{source.topic}/{source.partition}[{source.start}:{source.stop}]"
            raise RecoveryError(f"the inputs {where} of step {entry.step} of {entry.role} are gone")
        batches.append(batch)
    return batches

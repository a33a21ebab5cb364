"""What a run tells of its gate: the steps that can be taken again, the orders before them, how long actions took."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import chain
from statistics import median
from typing import Protocol

from schemas.events import JournalEntry, Outcome
from schemas.raw import RawBatch
from schemas.topics import GROUP_SOURCES, SHARED_SOURCES
from streams.operate.story import Reader
from streams.operate.topic_reader import StoredRecord
from streams.replay.decisions import Decision
from streams.replay.following import Beginning, beginning_of

SOURCES = (*SHARED_SOURCES, *GROUP_SOURCES["gate"])
"""What the gate reads."""
ENDED = ("succeeded", "failed", "unknown")


class Run(Reader, Protocol):
    """What a run left behind: on Kafka, in memory, or in a folder."""

    def read_range(self, topic: str, partition: int, start: int, stop: int) -> RawBatch | None:
        """Return the committed records of the offsets `start` (included) to `stop`; ranges come in rising order."""
        ...

    def first_offset(self, topic: str, partition: int) -> int:
        """Return from which offset on the records of a partition are still there."""
        ...


def beginning(run: Run) -> Beginning | None:
    """Return where the gate's journal can be taken again from; it is looked through only where something is gone."""
    entries = journal(run)
    first = next(entries, None)
    if first is None:
        return None
    if first.step == 0 and not any(run.first_offset(topic, 0) for topic in SOURCES):
        return beginning_of([first], run.first_offset)
    return beginning_of(chain([first], entries), run.first_offset)


def orders(run: Run, begin: Beginning) -> list[tuple[int, RawBatch]]:
    """Return the orders that the recorded gate had heard before a step, each with when it was written."""
    found: list[tuple[int, RawBatch]] = []
    for record, _ in run.events(*SHARED_SOURCES):
        before = record.timestamp_us <= begin.time_us if begin.orders is None else record.offset < begin.orders
        if before:
            found.append((record.timestamp_us, _batch_of(record)))
    return found


def _batch_of(record: StoredRecord) -> RawBatch:
    return RawBatch(
        topic=record.topic,
        partition=record.partition,
        offsets=(record.offset,),
        keys=(record.key,),
        values=(record.value,),
        headers=(record.headers,),
        written_us=(record.written_us,),
    )


def usual_us(run: Run, issued: Mapping[str, Decision]) -> dict[str, int]:
    """Return how long the recorded actions of each name took from being let through to their end: the median."""
    took_us: dict[str, dict[str, int]] = defaultdict(dict)
    for _, event in run.events("outcomes"):
        if isinstance(event, Outcome) and event.state in ENDED and event.action in issued:
            decision = issued[event.action]
            ended_us = event.ended_us or event.time_us
            took_us[decision.action].setdefault(event.action, max(0, ended_us - decision.decided_us))
    return {action: round(median(times.values())) for action, times in took_us.items()}


def journal(run: Run) -> Iterator[JournalEntry]:
    """Yield the steps of the gate, in order."""
    for _, event in run.events("journal-gate"):
        if isinstance(event, JournalEntry):
            yield event

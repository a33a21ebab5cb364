"""Comparing clocks without writing anything: by records that come in while one looks."""

import time
from collections.abc import Callable, Collection, Iterator

from confluent_kafka import OFFSET_END

from schemas.events import JournalEntry, Presence
from schemas.topics import ROLES
from streams.operate.doctor.on_topics import Reading
from streams.operate.topic_reader import StoredRecord, TopicReader

LOOK_S = 6.0
"""So long it looks at most: workers tell of themselves every two seconds, and a census is journalled every five."""
FOLLOWED = ("presence", *(f"journal-{role}" for role in ROLES))
THIS = "this machine's"
BROKER = "the broker's"


def read_clocks(reader: TopicReader, clock_us: Callable[[], int], *, instances: Collection[str]) -> list[Reading]:
    """Follow journals and presence for a moment; raises `BrokerError`.

    The broker stamps journals when it appends them (`LogAppendTime`), so a step tells of the broker's clock and of its
    worker's. It looks until all of the `instances` told of themselves and a step came, or for `LOOK_S`.
    """
    ends = dict.fromkeys(reader.offsets_at(FOLLOWED, 0), OFFSET_END)
    found: list[Reading] = []
    wanted = {BROKER, *map(_clock_of, instances)}
    until_s = time.monotonic() + LOOK_S
    for record in reader.records(FOLLOWED, start=ends, follow=True):
        if record is not None:
            new = list(readings_of(record, now_us=clock_us()))
            found += new
            wanted -= {reading.whose for reading in new}
        if time.monotonic() > until_s or not wanted:
            break
    return found


def readings_of(record: StoredRecord, *, now_us: int) -> Iterator[Reading]:
    """Yield what a record that has just come in says about clocks."""
    event = record.event()
    if isinstance(event, Presence):
        yield Reading(whose=_clock_of(event.instance), of=THIS, ahead_us=event.time_us - now_us)
    elif isinstance(event, JournalEntry):
        yield Reading(whose=BROKER, of=THIS, ahead_us=record.timestamp_us - now_us)
        yield Reading(
            whose=_clock_of(f"{event.role}/{event.partition}"), of=BROKER, ahead_us=event.time_us - record.timestamp_us
        )


def _clock_of(name: str) -> str:
    return f"{name}'s"

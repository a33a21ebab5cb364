"""What the promises are judged by: the topics of a run, read back, and what happened outside of them."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeVar

import msgspec

from schemas.errors import ContractError
from schemas.events import Action, Event, JournalEntry, Verdict
from schemas.raw import Headers, RawBatch
from schemas.topics import GROUP_SOURCES, SHARED_SOURCES
from streams.loop.role import Role
from streams.replay import MemoryLog
from streams.replay.reading import decode

EventType = TypeVar("EventType", bound=Event)


class LogRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One committed record. `topic` is the registry name."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Started(Protocol):
    """An attempt that an executor began."""

    @property
    def action(self) -> Action: ...
    @property
    def group(self) -> str: ...
    @property
    def time_us(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRule:
    """`limits` (such as `3/hour and 7/day`) hold for the allowed verdicts of each scope."""

    name: str
    limits: str
    scope: Callable[[Verdict], str]


@dataclass(kw_only=True)
class Evidence:
    """One run of a loop. `read(topic)` returns all committed records, per partition in offset order.

    `starts`: what executors really began (None: not known). `states`: the snapshot of each living instance by role and
    partition. `settled`: every role has folded all its inputs and everything begun has ended. `verify` raises when the
    signature of a record is not good (None: the run was unsigned). `foreign`: topics on which others wrote too.
    """

    loop: str
    roles: Sequence[str]
    read: Callable[[str], Iterable[LogRecord]]
    make_role: Callable[[str, int], Role]
    starts: Sequence[Started] | None = None
    states: Mapping[tuple[str, int], bytes] = field(default_factory=dict)
    limits: Sequence[LimitRule] = ()
    settled: bool = True
    foreign: frozenset[str] = frozenset({"telemetry", "policy"})
    verify: Callable[[LogRecord], None] | None = None

    def records(self, topic: str) -> dict[int, list[LogRecord]]:
        """Return the records of a topic by partition."""
        if topic not in self._records:
            found: defaultdict[int, list[LogRecord]] = defaultdict(list)
            for record in self.read(topic):
                found[record.partition].append(record)
            self._records[topic] = dict(found)
        return self._records[topic]

    def events(self, cls: type[EventType]) -> list[EventType]:
        """Return the readable events of a type, in the order of its topic (partition by partition)."""
        if cls not in self._events:
            self._events[cls] = [event for event in self._decoded(cls.TOPIC) if isinstance(event, cls)]
        return self._events[cls]  # type: ignore[return-value]  # filled by type just above

    def journals(self) -> dict[tuple[str, int], list[JournalEntry]]:
        """Return every journal, in log order, by role and partition."""
        return self._journals

    def read_range(self, topic: str, partition: int, start: int, stop: int) -> RawBatch | None:
        """Return the committed records of a range of offsets."""
        offsets, records = self._columns(topic, partition)
        records = records[bisect_left(offsets, start) : bisect_left(offsets, stop)]
        if not records:
            return None
        return RawBatch(
            topic=topic,
            partition=partition,
            offsets=[record.offset for record in records],
            keys=[record.key for record in records],
            values=[record.value for record in records],
            headers=[record.headers for record in records],
        )

    def sources(self, role: str, partition: int) -> list[tuple[str, int]]:
        """Return the topic partitions that a partition of a role folds."""
        return [*((topic, 0) for topic in SHARED_SOURCES), *((topic, partition) for topic in GROUP_SOURCES[role])]

    @cached_property
    def _records(self) -> dict[str, dict[int, list[LogRecord]]]:
        return {}

    @cached_property
    def _events(self) -> dict[type[Event], list[Event]]:
        return {}

    @cached_property
    def _offsets(self) -> dict[tuple[str, int], list[int]]:
        return {}

    @cached_property
    def _journals(self) -> dict[tuple[str, int], list[JournalEntry]]:
        found: dict[tuple[str, int], list[JournalEntry]] = {}
        for role in self.roles:
            for partition, records in sorted(self.records(f"journal-{role}").items()):
                entries = (decode(record.topic, record.value, record.headers) for record in records)
                found[role, partition] = [entry for entry in entries if isinstance(entry, JournalEntry)]
        return found

    def _decoded(self, topic: str) -> Iterator[Event]:
        for _, records in sorted(self.records(topic).items()):
            for record in records:
                try:
                    yield decode(topic, record.value, record.headers)
                except ContractError:
                    continue  # a dead letter of whoever folded it; the journals answer for it

    def _columns(self, topic: str, partition: int) -> tuple[list[int], list[LogRecord]]:
        records = self.records(topic).get(partition, [])
        if (topic, partition) not in self._offsets:
            self._offsets[topic, partition] = [record.offset for record in records]
        return self._offsets[topic, partition], records


def memory_reader(log: MemoryLog) -> Callable[[str], Iterator[LogRecord]]:
    """Return the reader of a memory log."""

    def read(topic: str) -> Iterator[LogRecord]:
        for partition in range(log.partitions(topic)):
            batch = log.read(topic, partition, 0)
            if batch is None:
                continue
            for index, offset in enumerate(batch.offsets):
                yield LogRecord(
                    topic=topic,
                    partition=partition,
                    offset=offset,
                    key=batch.keys[index],
                    value=batch.values[index],
                    headers=batch.headers[index],
                )

    return read

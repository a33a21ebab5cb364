"""A log in memory that behaves as Kafka does towards the loop: partitions, offsets with holes, transactions, fences."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.errors import FencedError
from schemas.partitions import partition_of
from schemas.raw import Headers, Message, RawBatch
from schemas.topics import SHARED_SOURCES, TOPICS


@dataclass(slots=True)
class _Columns:
    """Committed records of one partition, in offset order."""

    offsets: list[int] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    headers: list[Headers] = field(default_factory=list)
    times_us: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Written:
    offset: int
    message: Message | None
    """None is a transaction marker: it takes an offset and is never read."""
    writer: str | None
    """Whose transaction it belongs to; None is committed."""
    time_us: int


class _Partition:
    """Records wait in `_tail` from the first open transaction on: that is where readers of committed data stop."""

    def __init__(self) -> None:
        self.stable = _Columns()
        self.next_offset = 0
        self._tail: list[_Written] = []
        self._open: set[str] = set()

    def write(self, message: Message | None, *, writer: str | None, time_us: int) -> int:
        written = _Written(self.next_offset, message, writer, time_us)
        self.next_offset += 1
        if writer is not None:
            self._open.add(writer)
        self._tail.append(written)
        if not self._open:
            self._settle()
        return written.offset

    def end(self, writer: str, *, commit: bool, time_us: int) -> None:
        """End a writer's transaction with a marker; what it wrote becomes readable, or never does."""
        self._open.discard(writer)
        if commit:
            for written in self._tail:
                if written.writer == writer:
                    written.writer = None
        else:
            self._tail = [w for w in self._tail if w.writer != writer]
        self.write(None, writer=None, time_us=time_us)
        self._settle()

    def _settle(self) -> None:
        settled = 0
        for written in self._tail:
            if written.writer in self._open:
                break
            settled += 1
            if written.message is not None:
                self.stable.offsets.append(written.offset)
                self.stable.keys.append(written.message.key)
                self.stable.values.append(written.message.value)
                self.stable.headers.append(written.message.headers)
                self.stable.times_us.append(written.time_us)
        del self._tail[:settled]


class MemoryLog:
    """The topics of one loop. `partitions` overrides the registry's counts; `now_us` is the log's own clock.

    `fencing=False` lets a superseded producer write on: only for showing that the fence is needed.
    """

    def __init__(self, *, partitions: Mapping[str, int] | None = None, fencing: bool = True) -> None:
        overrides = partitions or {}
        self.fencing = fencing
        self.now_us = 0
        self._counts = {name: overrides.get(name, topic.partitions) for name, topic in TOPICS.items()}
        self._partitions: dict[tuple[str, int], _Partition] = {}
        self._epochs: dict[str, int] = {}
        self._open: dict[str, set[tuple[str, int]]] = {}
        self._partition_of: dict[tuple[str, bytes], int] = {}

    def topics(self) -> list[str]:
        """Return the names of all topics."""
        return sorted(self._counts)

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has."""
        return self._counts[topic]

    def append(self, message: Message) -> tuple[int, int]:
        """Write one record outside any transaction and return its partition and offset."""
        number = self._number(message)
        return number, self._at(message.topic, number).write(message, writer=None, time_us=self.now_us)

    def read(self, topic: str, partition: int, start: int, *, limit: int = 1_000_000) -> RawBatch | None:
        """Return at most `limit` committed records from offset `start` on, or None when there are none yet."""
        stable = self._at(topic, partition).stable
        first = bisect_left(stable.offsets, start)
        return self._cut(topic, partition, first, min(first + limit, len(stable.offsets)))

    def read_range(self, topic: str, partition: int, start: int, stop: int) -> RawBatch | None:
        """Return the committed records of the offsets `start` (included) to `stop` (excluded)."""
        offsets = self._at(topic, partition).stable.offsets
        return self._cut(topic, partition, bisect_left(offsets, start), bisect_left(offsets, stop))

    def end(self, topic: str, partition: int) -> int:
        """Return the offset behind the last committed record."""
        offsets = self._at(topic, partition).stable.offsets
        return offsets[-1] + 1 if offsets else 0

    def append_time_us(self, topic: str, partition: int, offset: int) -> int:
        """Return when a committed record was written, by the log's clock."""
        stable = self._at(topic, partition).stable
        return stable.times_us[bisect_left(stable.offsets, offset)]

    def producer(self, transactional_id: str) -> "MemoryProducer":
        """Return a new owner of a transactional id: older ones are fenced, and their open transaction is aborted."""
        epoch = self._epochs.get(transactional_id, -1) + 1
        self._epochs[transactional_id] = epoch
        if self.fencing:
            for earlier in range(epoch):
                self._finish(f"{transactional_id}#{earlier}", commit=False)
        return MemoryProducer(self, transactional_id, epoch)

    def _write(self, message: Message, *, writer: str) -> int:
        number = self._number(message)
        self._open.setdefault(writer, set()).add((message.topic, number))
        return self._at(message.topic, number).write(message, writer=writer, time_us=self.now_us)

    def _finish(self, writer: str, *, commit: bool) -> None:
        for topic, partition in sorted(self._open.pop(writer, ())):
            self._at(topic, partition).end(writer, commit=commit, time_us=self.now_us)

    def _is_fenced(self, transactional_id: str, epoch: int) -> bool:
        return self.fencing and self._epochs[transactional_id] != epoch

    def _number(self, message: Message) -> int:
        if message.partition is not None:
            return message.partition
        count = self._counts[message.topic]
        if count == 1 or message.key is None:
            return 0
        known = self._partition_of.get((message.topic, message.key))
        if known is None:
            known = self._partition_of[message.topic, message.key] = partition_of(message.key, count)
        return known

    def _at(self, topic: str, partition: int) -> _Partition:
        place = (topic, partition)
        found = self._partitions.get(place)
        if found is None:
            if not 0 <= partition < self._counts[topic]:
                raise ValueError(f"expected a partition of {topic} below {self._counts[topic]}, got {partition}")
            found = self._partitions[place] = _Partition()
        return found

    def _cut(self, topic: str, partition: int, first: int, last: int) -> RawBatch | None:
        if first >= last:
            return None
        stable = self._at(topic, partition).stable
        return RawBatch(
            topic=topic,
            partition=partition,
            offsets=stable.offsets[first:last],
            keys=stable.keys[first:last],
            values=stable.values[first:last],
            headers=stable.headers[first:last],
            written_us=stable.times_us[first:last] if topic in SHARED_SOURCES else (),
        )


class MemoryProducer:
    """The owner of a transactional id, until a newer one appears; then every call raises `FencedError`."""

    def __init__(self, log: MemoryLog, transactional_id: str, epoch: int) -> None:
        self._log = log
        self._id = transactional_id
        self._epoch = epoch
        self._writer = f"{transactional_id}#{epoch}"

    def send(self, messages: Iterable[Message]) -> list[int]:
        """Write records into the open transaction (the first call opens one) and return their offsets."""
        self._check()
        return [self._log._write(message, writer=self._writer) for message in messages]

    def commit(self) -> None:
        """Make everything sent since the last commit readable at once."""
        self._check()
        self._log._finish(self._writer, commit=True)

    def _check(self) -> None:
        if self._log._is_fenced(self._id, self._epoch):
            raise FencedError(f"a newer owner of {self._id} exists: this instance must end")

"""Reading a log in memory as the command line reads Kafka, so that one report serves both."""

from collections.abc import Iterator, Sequence

from schemas.events import Event
from schemas.raw import RawBatch
from streams.operate.topic_reader import StoredRecord
from streams.replay.log import MemoryLog


class MemoryReader:
    """Reads what a simulated run left behind; topics by their registry names."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    def records(self, topics: Sequence[str]) -> Iterator[StoredRecord]:
        """Yield the committed records of some topics, partition by partition."""
        for topic in topics:
            for partition in range(self._log.partitions(topic)):
                yield from self._partition(topic, partition)

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        """Yield every decodable event of some topics; each partition in offset order."""
        for record in self.records(topics):
            event = record.event()
            if event is not None:
                yield record, event

    def read_range(self, topic: str, partition: int, start: int, stop: int) -> RawBatch | None:
        """Return the committed records of the offsets `start` (included) to `stop`."""
        return self._log.read_range(topic, partition, start, stop)

    def first_offset(self, topic: str, partition: int) -> int:  # noqa: ARG002  # a log in memory forgets nothing
        """Return from which offset on the records of a partition are still there."""
        return 0

    def _partition(self, topic: str, partition: int) -> Iterator[StoredRecord]:
        batch = self._log.read(topic, partition, 0)
        if batch is None:
            return
        for offset, key, value, headers in zip(batch.offsets, batch.keys, batch.values, batch.headers, strict=True):
            yield StoredRecord(
                topic=topic,
                partition=partition,
                offset=offset,
                key=key,
                value=value,
                headers=headers,
                timestamp_us=self._log.append_time_us(topic, partition, offset),
                by_broker=True,
            )

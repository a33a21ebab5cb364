"""Reading a partition by offset, committed records only: snapshots, journals, and inputs that are folded again."""

import time
from collections.abc import Iterator, Sequence

from confluent_kafka import KafkaError
from confluent_kafka import Message as Record

from schemas.connection import KafkaConnection
from schemas.errors import BrokerError
from schemas.kafka import FROM_START, check, headers_of, written_us
from schemas.raw import RawBatch
from schemas.steady import SteadyConsumer
from schemas.topics import SHARED_SOURCES

SILENCE_S = 30.0
"""How long the broker may say nothing before a read is given up."""


class PartitionReader:
    """Reads one partition forward. Use as a context; not for several threads."""

    def __init__(self, connection: KafkaConnection, *, topic: str, partition: int, start: int | None = None) -> None:
        self._place = f"{topic}/{partition}"
        self._consumer = SteadyConsumer(
            connection,
            topic=topic,
            partition=partition,
            start=FROM_START if start is None else start,
            auto_offset_reset="earliest" if start is None else "error",
            fetch_wait_max_ms=20,
            fetch_error_backoff_ms=50,
        )
        self._held: Record | None = None
        self._ended = False

    def __enter__(self) -> "PartitionReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def to_end(self) -> Iterator[Record]:
        """Yield records up to the end of what is committed now."""
        while (record := self._next()) is not None:
            yield record

    def between(self, start: int, stop: int) -> list[Record]:
        """Return the records from `start` up to `stop`; calls must ask for increasing offsets."""
        records: list[Record] = []
        while (record := self._next()) is not None:
            if record.offset() >= stop:
                self._held = record
                break
            if record.offset() >= start:
                records.append(record)
            if record.offset() == stop - 1:
                break
        return records

    def _next(self) -> Record | None:
        """Return the next record, None at the end; raises `BrokerError` when the broker is silent or refuses."""
        if self._held is not None:
            record, self._held = self._held, None
            return record
        if self._ended:
            return None
        deadline = time.monotonic() + SILENCE_S
        while time.monotonic() < deadline:
            record = self._consumer.poll(1.0)
            if record is None:
                continue
            error = record.error()
            if error is None:
                return record
            if error.code() in (KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET):
                self._ended = True
                return None
            check(error, where=self._place)
        raise BrokerError(f"expected records or the end of {self._place} within {SILENCE_S:.0f} s, got nothing")


class InputReader:
    """Re-reads the inputs of journal entries: one pass over each topic, in the order of the journal."""

    def __init__(self, connection: KafkaConnection, *, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._readers: dict[tuple[str, int], PartitionReader] = {}

    def __enter__(self) -> "InputReader":
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers.values():
            reader.__exit__()

    def batch(self, topic: str, partition: int, start: int, stop: int) -> RawBatch:
        """Return the records of one range; fewer than were folded when retention removed some."""
        place = (topic, partition)
        if place not in self._readers:
            self._readers[place] = PartitionReader(
                self._connection, topic=f"{self._prefix}{topic}", partition=partition, start=start
            )
        return batch_of(topic, partition, self._readers[place].between(start, stop))


def batch_of(topic: str, partition: int, records: Sequence[Record]) -> RawBatch:
    """Return records of one partition as a batch; `topic` is the registry name."""
    return RawBatch(
        topic=topic,
        partition=partition,
        offsets=[record.offset() for record in records],
        keys=[record.key() for record in records],
        values=[record.value() for record in records],
        headers=[headers_of(record) for record in records],
        written_us=[written_us(record) for record in records] if topic in SHARED_SOURCES else (),
    )

"""Publish telemetry: single events or whole data frames, idempotently, with every failure reported."""

import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import msgspec
from confluent_kafka import KafkaError

from .. import kafka, wire
from ..connection import KafkaConnection
from ..errors import BrokerError, ContractError
from ..events import Telemetry
from ..raw import Message
from ..telemetry import check_sample
from .frames import cut

_ENCODE = msgspec.json.Encoder().encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
FAILURES_KEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of one message: where it lies, or why it does not. `error` is None when Kafka has it for good."""

    topic: str
    partition: int
    offset: int
    key: str
    error: str | None


class TelemetryProducer:
    """Writes to `LOOP.telemetry`; an entity always goes to one partition, singly or in a frame.

    Sending never loses silently: a full queue waits (`block_s`) and then raises `BrokerError`; what Kafka refuses later
    is told to `on_delivery` and raised by `flush()`. Threads may share one producer.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        loop: str,
        on_delivery: Callable[[Delivery], None] | None = None,
        rows_per_message: int = 1000,
        queue_messages: int = 100_000,
        queue_kbytes: int = 262_144,
        linger_ms: float = 5.0,
        block_s: float = 60.0,
        delivery_timeout_s: float = 120.0,
    ) -> None:
        self._loop = loop
        self._on_delivery = on_delivery
        self._rows = rows_per_message
        self._block_s = block_s
        self._failures: list[str] = []
        self._failed = 0
        self._partitions: int | None = None
        self._producer = kafka.make_producer(
            connection,
            linger_ms=linger_ms,
            queue_buffering_max_messages=queue_messages,
            queue_buffering_max_kbytes=queue_kbytes,
            message_timeout_ms=int(delivery_timeout_s * 1000),
            message_max_bytes=2 * wire.VALUE_LIMIT,
        )

    def send(
        self,
        entity: str,
        time: int | datetime,
        values: dict[str, float] | None = None,
        *,
        event: str | None = None,
        attributes: dict[str, str] | None = None,
    ) -> None:
        """Queue one sample. `time`: microseconds since the epoch, or an aware datetime.

        Raises `ContractError` when the sample breaks the contract, `BrokerError` when the queue stays full.
        """
        sample = Telemetry(
            entity=entity,
            time=_microseconds(time),
            values=values or {},
            event=event,
            attributes=attributes or {},
        )
        check_sample(sample)
        self._queue(Message(topic=Telemetry.TOPIC, key=entity.encode(), value=_ENCODE(sample)))

    def send_frame(self, frame: Any) -> int:
        """Queue a data frame (anything with `__arrow_c_stream__`) as Arrow messages; returns how many.

        Columns: `entity`, `time` (timestamps with a zone, or integer microseconds), numbers, and perhaps the texts
        `event` and `group`. Raises like `send`; a bad row refuses the whole frame before anything is queued.
        """
        if self._partitions is None:
            self._partitions = kafka.partitions_of(self._producer, f"{self._loop}.{Telemetry.TOPIC}")
        messages = [
            wire.encode(part, loop=self._loop) for part in cut(frame, partitions=self._partitions, rows=self._rows)
        ]
        for message in messages:
            self._queue(message)
        return len(messages)

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until everything queued is delivered; raises `BrokerError` naming what was not since the last flush."""
        waiting = self._producer.flush(timeout_s)
        failed, failures = self._failed, self._failures
        self._failed, self._failures = 0, []
        if failed:
            raise BrokerError(f"{failed} messages were not delivered, among them: {'; '.join(failures)}")
        if waiting:
            raise BrokerError(f"{waiting} messages were not delivered within {timeout_s} s; flush again, or give up")

    def close(self) -> None:
        """Flush; raises like `flush`."""
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._producer.flush(1.0)

    def _queue(self, message: Message) -> None:
        deadline = clock.monotonic() + self._block_s
        while True:
            try:
                kafka.produce(self._producer, message, loop=self._loop, on_delivery=self._delivered)
            except BufferError as full:
                if clock.monotonic() > deadline:
                    raise BrokerError(
                        f"the queue stayed full for {self._block_s} s: Kafka takes less than is sent"
                    ) from full
                self._producer.poll(0.05)
            else:
                self._producer.poll(0)
                return

    def _delivered(self, error: KafkaError | None, record: Any) -> None:
        key = (record.key() or b"").decode("utf-8", "replace")
        if error is not None:
            self._failed += 1
            if len(self._failures) < FAILURES_KEPT:
                self._failures.append(f"{record.topic()} key {key!r}: {error.str()}")
        if self._on_delivery is not None:
            offset = -1 if record.offset() is None else record.offset()
            self._on_delivery(
                Delivery(
                    topic=record.topic(),
                    partition=record.partition(),
                    offset=offset,
                    key=key,
                    error=None if error is None else error.str(),
                )
            )


def _microseconds(time: int | datetime) -> int:
    if isinstance(time, int):
        return time
    if time.tzinfo is None:
        raise ContractError("bad-time", "expected a datetime with a time zone, got one without")
    return (time - _EPOCH) // _MICROSECOND

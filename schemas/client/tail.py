"""Follow a topic of one partition from an offset on, without a consumer group."""

from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException

from .. import kafka
from ..connection import KafkaConnection
from ..raw import Headers
from ..steady import SteadyConsumer


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One record as read: position, key, value, headers, and when the broker wrote it (0: that is not known)."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    written_us: int = 0


class Tail:
    """Reads committed records in order; knows whether it has reached the end."""

    def __init__(
        self, connection: KafkaConnection, *, topic: str, start: int = kafka.FROM_START, wait_ms: int = 500
    ) -> None:
        self._consumer = SteadyConsumer(
            connection,
            topic=topic,
            start=start,
            fetch_wait_max_ms=wait_ms,
            fetch_error_backoff_ms=100,
            allow_auto_create_topics=False,
        )

    @property
    def position(self) -> int:
        """Offset behind everything read so far."""
        return self._consumer.position

    def poll(self, timeout_s: float) -> LogRecord | None:
        """Return the next record, or None when none came in time; raises `BrokerError` as `check` does.

        None at an end of the topic only where nothing was fetched behind it: each end that was reached while nobody
        asked lies between the records.
        """
        record = self._consumer.poll(timeout_s)
        while record is not None and (error := record.error()) is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                kafka.check(error)
            record = self._consumer.poll(0)
        if record is None:
            return None
        return LogRecord(
            partition=0,
            offset=record.offset(),
            key=record.key(),
            value=record.value(),
            headers=kafka.headers_of(record),
            written_us=kafka.written_us(record),
        )

    def end(self, timeout_s: float) -> int | None:
        """Ask the broker where the topic ends now; None when it does not answer."""
        try:
            return self._consumer.end(timeout_s)
        except KafkaException as failure:
            kafka.check(failure.args[0])
            return None

    def close(self) -> None:
        """Leave the cluster."""
        self._consumer.close()

"""Follow a topic of one partition from an offset on, without a consumer group."""

from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from .. import kafka
from ..connection import KafkaConnection
from ..errors import BrokerError
from ..raw import Headers

_PATIENCE = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError._AUTO_OFFSET_RESET,
}
"""Errors that librdkafka goes on retrying by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One record as read: position, key, value, headers."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def check(error: KafkaError) -> None:
    """Raise `BrokerError` for what waiting does not mend (a refused login, no permission); else return."""
    if error.code() not in _PATIENCE and not error.retriable():
        raise BrokerError(f"Kafka refused: {error.str()}")


class Tail:
    """Reads committed records in order; knows whether it has reached the end."""

    def __init__(
        self, connection: KafkaConnection, *, topic: str, start: int = kafka.FROM_START, wait_ms: int = 500
    ) -> None:
        self._consumer = kafka.make_consumer(
            connection,
            group="flyball-tail",
            enable_partition_eof=True,
            fetch_wait_max_ms=wait_ms,
            fetch_error_backoff_ms=100,
            allow_auto_create_topics=False,
        )
        self._partition = TopicPartition(topic, 0, start)
        self._consumer.assign([self._partition])
        self.position = start
        """Offset behind everything read so far."""

    def poll(self, timeout_s: float) -> LogRecord | None:
        """Return the next record, or None when none came in time; raises `BrokerError` as `check` does."""
        record = self._consumer.poll(timeout_s)
        if record is None:
            return None
        error = record.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self.position = max(self.position, record.offset())
            else:
                check(error)
            return None
        self.position = record.offset() + 1
        return LogRecord(
            partition=0,
            offset=record.offset(),
            key=record.key(),
            value=record.value(),
            headers=kafka.headers_of(record),
        )

    def end(self, timeout_s: float) -> int | None:
        """Ask the broker where the topic ends now; None when it does not answer."""
        try:
            _, end = self._consumer.get_watermark_offsets(self._partition, timeout=timeout_s, cached=False)
        except KafkaException as failure:
            check(failure.args[0])
            return None
        return int(end)

    def close(self) -> None:
        """Leave the cluster."""
        self._consumer.close()

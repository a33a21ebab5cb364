"""The only place that makes confluent-kafka clients."""

import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from .connection import KafkaConnection
from .errors import BrokerError
from .raw import Headers, Message

Setting = str | int | float | bool
Delivered = Callable[[KafkaError | None, Any], None]
FROM_START = 0
"""Where to assign a partition that is read from its beginning. Not `OFFSET_BEGINNING`: librdkafka asks the broker for
that, and again only after half a second while it has no connection yet. Where 0 is gone, `earliest` takes over."""
_PATIENCE = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._DESTROY_BROKER,
    KafkaError._RESOLVE,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError._MAX_POLL_EXCEEDED,  # the member is out of its group, and joins again when it polls again
}
"""Errors that waiting mends: librdkafka retries by itself what can be, and what is asked once is asked again."""
_AGAIN_S = 0.05
_QUIET = {"log_level": 0}  # what matters comes back as an error where it is asked for, not on stderr


def make_producer(connection: KafkaConnection, **settings: Setting) -> Producer:
    """Return an idempotent producer. Settings are librdkafka's, dots written as underscores."""
    defaults: dict[str, Setting] = {
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
    }
    return Producer({**_QUIET, **connection.librdkafka(), **defaults, **_dotted(settings)})


def make_consumer(connection: KafkaConnection, *, group: str, **settings: Setting) -> Consumer:
    """Return a consumer that reads committed records only and commits nothing by itself."""
    defaults: dict[str, Setting] = {
        "group.id": group,
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
    }
    return Consumer({**_QUIET, **connection.librdkafka(), **defaults, **_dotted(settings)})


def make_admin(connection: KafkaConnection) -> AdminClient:
    """Return an admin client."""
    return AdminClient({**_QUIET, **connection.librdkafka()})


def check(error: KafkaError, *, where: str = "") -> None:
    """Raise `BrokerError` for what waiting does not mend (a refused login, no permission); else return."""
    if error.code() not in _PATIENCE and not error.retriable():
        raise BrokerError(f"Kafka refused{where and f' to serve {where}'}: {error.str()}")


def cluster_id(connection: KafkaConnection, *, timeout_s: float = 10.0) -> str:
    """Ask the cluster for its id, a part of every audience; raises `BrokerError` when it does not answer."""
    try:
        found = make_admin(connection).list_topics(timeout=timeout_s).cluster_id
    except KafkaException as error:
        raise BrokerError(
            f"no answer from Kafka at {connection.bootstrap} within {timeout_s:g} s ({error.args[0].str()})"
        ) from error
    return str(found)


def partitions_of(client: Producer | Consumer | AdminClient, topic: str, *, timeout_s: float = 10.0) -> int:
    """Return how many partitions a topic (full name) has; raises `BrokerError` when it is not there."""
    try:
        found = client.list_topics(topic, timeout=timeout_s).topics[topic]
    except KafkaException as error:
        raise BrokerError(f"expected the partitions of {topic} within {timeout_s} s, got {error}") from error
    if found.error is not None or not found.partitions:
        raise BrokerError(f"expected a topic {topic} (`flyball topics apply` makes it), got {found.error}")
    return len(found.partitions)


def range_of(consumer: Consumer, topic: str, partition: int, *, timeout_s: float = 30.0) -> tuple[int, int]:
    """Return where a partition (full name) begins, and the offset behind the last record that this consumer may read.

    Asks until there is an answer, since right after its start a broker does not lead its partitions yet; raises
    `BrokerError` when there is none in time.
    """
    deadline = time.monotonic() + timeout_s
    place = TopicPartition(topic, partition)
    while True:
        left_s = max(deadline - time.monotonic(), _AGAIN_S)
        try:
            first, end = consumer.get_watermark_offsets(place, timeout=left_s, cached=False)
        except KafkaException as failure:
            check(failure.args[0], where=topic)
            if time.monotonic() + _AGAIN_S > deadline:
                told = failure.args[0].str()
                raise BrokerError(
                    f"expected the first and last offset of {topic}/{partition} within {timeout_s:g} s, got {told}"
                ) from failure
            time.sleep(_AGAIN_S)
        else:
            return first, end


def produce(producer: Producer, message: Message, *, loop: str, on_delivery: Delivered | None = None) -> None:
    """Hand a message to a producer; raises `BufferError` when its queue is full."""
    place: dict[str, Any] = {} if message.partition is None else {"partition": message.partition}
    if on_delivery is not None:
        place["on_delivery"] = on_delivery
    topic = f"{loop}.{message.topic}"
    producer.produce(topic, message.value, message.key, headers=list(message.headers) or None, **place)


def headers_of(record: Any) -> Headers:
    """Return the headers of a confluent-kafka record as the contract spells them."""
    return tuple((name, bytes(value) if value is not None else None) for name, value in record.headers() or ())


def written_us(record: Any) -> int:
    """Return when a record came to the broker, by the broker's clock; 0 where only its writer says when that was."""
    kind, time_ms = record.timestamp()
    return int(time_ms) * 1_000 if kind == TIMESTAMP_LOG_APPEND_TIME else 0


def _dotted(settings: dict[str, Setting]) -> dict[str, Setting]:
    return {name.replace("_", "."): value for name, value in settings.items()}

"""The Kafka under a loop: one started here, or one that is there; and the topics on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from connectors.kafka.admin import Report, apply_topics
from connectors.kafka.jars import kafka_jars
from connectors.kafka.java import find_java
from connectors.kafka.launcher import LocalKafka
from schemas.connection import KafkaConnection
from schemas.keyfiles import create_keys, keyring_text
from schemas.topics import TOPICS
from streams.operate.loop_place import LocalAddress, LoopPlace
from streams.operate.orders import Orders
from streams.operate.topic_reader import TopicReader


def require_kafka() -> None:
    """Fetch what a broker on this machine needs (once); raises `KafkaUnavailable` where that cannot be had."""
    find_java()
    kafka_jars()


@contextmanager
def local_kafka(place: LoopPlace, *, brokers: int = 1) -> Iterator[LocalAddress]:
    """Run a broker for this loop in its data folder and tell the other commands of the folder where it is."""
    with LocalKafka(data=place.data / "kafka", brokers=brokers, lasting=True) as kafka:
        address = LocalAddress(connection=kafka.connection, cluster_id=kafka.cluster_id, version=kafka.version)
        place.publish_address(address)
        try:
            yield address
        finally:
            place.withdraw_address()


def prepare_topics(place: LoopPlace, connection: KafkaConnection) -> Report:
    """Create the topics that are missing and align the settings of the others; return what was done."""
    settings = place.settings
    partitions = settings.telemetry.partitions
    return apply_topics(
        connection,
        place.loop,
        partitions={topic.name: partitions for topic in TOPICS.values() if topic.scales and topic.name != "actions"},
        replication=settings.kafka.replication if settings.kafka else 1,
        overrides={name: {"retention.ms": str(us // 1_000)} for name, us in settings.retention.items()},
    )


def activate_if_new(place: LoopPlace, orders: Orders, reader: TopicReader) -> bool:
    """Activate a loop that nobody ever gave an order; returns whether it did. A paused loop stays paused."""
    if any(event.key() == "pause/loop" for _, event in reader.events("control")):
        return False
    orders.activate(settings_hash=place.settings.settings_hash, keyring_text=keyring_text(place.keys))
    return True


def keys_if_new(place: LoopPlace) -> bool:
    """Make the keys of a loop that has none; returns whether it did."""
    if place.keys.exists():
        return False
    create_keys(place.keys)
    return True

"""The Kafka under a loop: one started here, or one that is there; and the topics on it."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from connectors.kafka.admin import Report, apply_topics
from connectors.kafka.jars import kafka_jars
from connectors.kafka.java import find_java
from connectors.kafka.launcher import LocalKafka
from connectors.kafka.partitions import planned_partitions
from schemas.connection import KafkaConnection
from schemas.keyfiles import create_keys, keyring_text
from schemas.topics import TOPICS
from streams.operate.loop_place import LocalAddress, LoopPlace
from streams.operate.orders import Orders
from streams.operate.topic_reader import TopicReader
from streams.settings import Settings


class TopicPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a topic is to be: partitions, copies, and settings of Kafka."""

    partitions: int
    replication: int
    config: dict[str, str]


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
    return apply_topics(
        connection,
        place.loop,
        partitions=_partitions(settings),
        replication=_replication(settings),
        overrides=_overrides(settings),
    )


def topic_plans(settings: Settings) -> dict[str, TopicPlan]:
    """Return what each topic of a loop is to be, by registry name."""
    partitions, overrides = planned_partitions(_partitions(settings)), _overrides(settings)
    return {
        name: TopicPlan(
            partitions=partitions[name],
            replication=_replication(settings),
            config={**topic.config(), **overrides.get(name, {})},
        )
        for name, topic in TOPICS.items()
    }


def _partitions(settings: Settings) -> dict[str, int]:
    partitions = settings.telemetry.partitions
    return {topic.name: partitions for topic in TOPICS.values() if topic.scales and topic.name != "actions"}


def _replication(settings: Settings) -> int:
    return settings.kafka.replication if settings.kafka else 1


def _overrides(settings: Settings) -> dict[str, dict[str, str]]:
    return {name: {"retention.ms": str(us // 1_000)} for name, us in settings.retention.items()}


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

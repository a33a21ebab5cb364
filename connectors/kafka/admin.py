"""Make a cluster's topics what the registry says, and say what is there."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from connectors.kafka.partitions import planned_partitions
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError, SettingsError
from schemas.kafka import check, make_admin
from schemas.topics import TOPICS

TIMEOUT_S = 30.0
TRY_S = 10.0
"""One try to create topics, of those that fit into `SETTLE_S`."""
SETTLE_S = 30.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `apply_topics` did: Kafka names created, settings changed (topic to `name: old -> new`), and the rest."""

    created: tuple[str, ...]
    aligned: dict[str, tuple[str, ...]]
    unchanged: tuple[str, ...]


class TopicState(msgspec.Struct, frozen=True, kw_only=True):
    """One registry topic as the cluster has it; no partitions where it is missing."""

    name: str
    full_name: str
    partitions: int
    replication: int
    config: dict[str, str]


def apply_topics(
    connection: KafkaConnection,
    loop: str,
    *,
    partitions: Mapping[str, int] | None = None,
    replication: int = 1,
    overrides: Mapping[str, Mapping[str, str]] | None = None,
) -> Report:
    """Create the missing topics of a loop and align the settings of the others; returns when metadata shows them.

    `partitions` and `overrides` (Kafka settings) are by registry name. Partition counts are never changed, since keys
    would move: raises `SettingsError` then, before anything is done, and `BrokerError` when Kafka does not answer.
    """
    planned = planned_partitions(partitions or {})
    configs = _configs(overrides or {})
    with _answers(connection):
        admin = make_admin(connection)
        metadata = admin.list_topics(timeout=TIMEOUT_S)
        _refuse_other_counts(metadata, loop, planned)
        missing = [name for name in TOPICS if TOPICS[name].full_name(loop) not in metadata.topics]
        _create(connection, loop, {name: planned[name] for name in missing}, configs, replication)
        present = [name for name in TOPICS if name not in missing]
        aligned = _align(admin, {TOPICS[name].full_name(loop): configs[name] for name in present})
        _settle(admin, {TOPICS[name].full_name(loop): count for name, count in planned.items()})
    return Report(
        created=tuple(TOPICS[name].full_name(loop) for name in missing),
        aligned=aligned,
        unchanged=tuple(full for full in (TOPICS[name].full_name(loop) for name in present) if full not in aligned),
    )


def describe(connection: KafkaConnection, loop: str) -> list[TopicState]:
    """Return every registry topic of a loop as the cluster has it, in registry order."""
    with _answers(connection):
        admin = make_admin(connection)
        found = admin.list_topics(timeout=TIMEOUT_S).topics
        full_names = {name: topic.full_name(loop) for name, topic in TOPICS.items()}
        configs = _read_configs(admin, [full for full in full_names.values() if full in found])
    return [
        TopicState(
            name=name,
            full_name=full,
            partitions=len(found[full].partitions) if full in found else 0,
            replication=max((len(p.replicas) for p in found[full].partitions.values()), default=0)
            if full in found
            else 0,
            config={key: configs[full][key] for key in TOPICS[name].config()} if full in found else {},
        )
        for name, full in full_names.items()
    ]


def delete_topics(connection: KafkaConnection, loop: str) -> tuple[str, ...]:
    """Delete every registry topic of a loop, with its data; returns their Kafka names when they are gone."""
    with _answers(connection):
        admin = make_admin(connection)
        found = admin.list_topics(timeout=TIMEOUT_S).topics
        doomed = [full for full in (topic.full_name(loop) for topic in TOPICS.values()) if full in found]
        if doomed:
            for future in admin.delete_topics(doomed, operation_timeout=TIMEOUT_S).values():
                _tolerate(future, KafkaError.UNKNOWN_TOPIC_OR_PART)
        deadline = time.monotonic() + SETTLE_S
        while set(doomed) & admin.list_topics(timeout=TIMEOUT_S).topics.keys():
            _pause(deadline, f"Kafka to delete {len(doomed)} topics of {loop}")
    return tuple(doomed)


def reset_groups(connection: KafkaConnection, loop: str) -> tuple[str, ...]:
    """Forget the offsets of every consumer group of a loop (`LOOP.*`); raises `BrokerError` while members are in."""
    with _answers(connection):
        admin = make_admin(connection)
        listed = admin.list_consumer_groups(request_timeout=TIMEOUT_S).result().valid
        groups = sorted(group.group_id for group in listed if group.group_id.startswith(f"{loop}."))
        if groups:
            for future in admin.delete_consumer_groups(groups, request_timeout=TIMEOUT_S).values():
                _tolerate(future, KafkaError.GROUP_ID_NOT_FOUND)
    return tuple(groups)


def cluster_id(connection: KafkaConnection) -> str:
    """Return the id of the cluster, which signatures name as their audience; raises `BrokerError`."""
    with _answers(connection):
        found = make_admin(connection).list_topics(timeout=TIMEOUT_S).cluster_id
    if not found:
        raise BrokerError(f"expected a cluster id from {connection.bootstrap}, got none; Kafka 3.8 or later is needed")
    return str(found)


def _configs(overrides: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    unknown = sorted(overrides.keys() - TOPICS.keys())
    if unknown:
        raise SettingsError([f"expected a topic of the registry, got {name!r}" for name in unknown])
    return {name: {**topic.config(), **overrides.get(name, {})} for name, topic in TOPICS.items()}


def _refuse_other_counts(metadata: ClusterMetadata, loop: str, planned: Mapping[str, int]) -> None:
    problems = []
    for name, wanted in planned.items():
        found = metadata.topics.get(TOPICS[name].full_name(loop))
        if found is not None and len(found.partitions) != wanted:
            problems.append(
                f"{TOPICS[name].full_name(loop)}: expected {wanted} partitions, the cluster has "
                f"{len(found.partitions)}; entities would move between partitions, so keep {len(found.partitions)} "
                "in the settings, or `flyball reset` to start the loop afresh"
            )
    if problems:
        raise SettingsError(problems)


def _create(
    connection: KafkaConnection,
    loop: str,
    wanted: Mapping[str, int],
    configs: Mapping[str, dict[str, str]],
    replication: int,
) -> None:
    new = [
        NewTopic(TOPICS[name].full_name(loop), count, replication, config=configs[name])
        for name, count in wanted.items()
    ]
    deadline = time.monotonic() + SETTLE_S
    while new:
        admin = make_admin(connection)
        answers = admin.create_topics(new, operation_timeout=TRY_S, request_timeout=TRY_S)
        new = [topic for topic in new if not is_created(answers[topic.topic])]
        if new:
            _pause(deadline, f"Kafka to create {new[0].topic}")


def is_created(answer: Future[None]) -> bool:
    """Return whether a topic is there now; not where waiting helps (brokers and controllers come and go).

    A client that saw the cluster while it had no controller waits for its next look, which is minutes away: the next
    try is made by a new one. Raises `BrokerError` for any other answer.
    """
    try:
        _tolerate(answer, KafkaError.TOPIC_ALREADY_EXISTS)
    except KafkaException as error:
        check(error.args[0])
        return False
    return True


def _align(admin: AdminClient, wanted: Mapping[str, dict[str, str]]) -> dict[str, tuple[str, ...]]:
    actual = _read_configs(admin, list(wanted))
    changes = {
        full: {key: value for key, value in config.items() if actual[full].get(key) != value}
        for full, config in wanted.items()
    }
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            full,
            incremental_configs=[
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in change.items()
            ],
        )
        for full, change in changes.items()
        if change
    ]
    if resources:
        for future in admin.incremental_alter_configs(resources, request_timeout=TIMEOUT_S).values():
            future.result()
    return {
        full: tuple(f"{key}: {actual[full].get(key)} -> {value}" for key, value in change.items())
        for full, change in changes.items()
        if change
    }


def _read_configs(admin: AdminClient, full_names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read what topics are set to; of several brokers, the one that answers may hear of a new topic a little later."""
    deadline = time.monotonic() + SETTLE_S
    configs: dict[str, dict[str, str]] = {}
    while left := [full for full in full_names if full not in configs]:
        resources = [ConfigResource(ResourceType.TOPIC, full) for full in left]
        for resource, future in admin.describe_configs(resources, request_timeout=TIMEOUT_S).items():
            if _tolerate(future, KafkaError.UNKNOWN_TOPIC_OR_PART):
                configs[resource.name] = {entry.name: entry.value for entry in future.result().values()}
        if len(configs) < len(full_names):
            _pause(deadline, f"every broker to know {left[0]}")
    return configs


def _settle(admin: AdminClient, wanted: Mapping[str, int]) -> None:
    """Wait until every partition has a leader: a producer that comes right after must not fail."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        found = admin.list_topics(timeout=TIMEOUT_S).topics
        led = {
            full: sum(partition.leader >= 0 for partition in topic.partitions.values()) for full, topic in found.items()
        }
        if all(led.get(full) == count for full, count in wanted.items()):
            return
        _pause(deadline, "Kafka to lead every partition")


def _pause(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise BrokerError(f"expected {what} within {SETTLE_S:.0f} s, but it did not; try again")
    time.sleep(0.05)


def _tolerate(future: Any, code: int) -> bool:
    """Take the answer and return True, or False where it is this error, which is none here; raises any other."""
    try:
        future.result()
    except KafkaException as error:
        if error.args[0].code() != code:
            raise
        return False
    return True


@contextmanager
def _answers(connection: KafkaConnection) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise BrokerError(
            f"Kafka at {connection.bootstrap} refused or did not answer: {error.args[0].str()}"
        ) from error

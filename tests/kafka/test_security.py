"""SASL/SCRAM over TLS with access control, on a real broker: one connection for both libraries, one table for all."""

import asyncio
from collections.abc import Iterator, Sequence

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from connectors.kafka.access import PRINCIPALS, access_rules, user
from connectors.kafka.access_control import apply_acls
from connectors.kafka.admin import apply_topics, cluster_id, delete_topics, describe
from connectors.kafka.launcher import LocalKafka
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError
from schemas.kafka import FROM_START, make_admin, make_consumer, make_producer
from schemas.topics import GROUP_SOURCES, TOPICS
from tests.kafka import secured
from tests.kafka.secured import secured_kafka
from tests.patience import PATIENCE_S

LOOP = "guarded"
pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    with secured_kafka(tmp_path_factory.mktemp("guarded"), loop=LOOP) as kafka:
        apply_topics(as_role(kafka, "admin"), LOOP)
        yield kafka


def as_role(kafka: LocalKafka, role: str) -> KafkaConnection:
    return secured.as_role(kafka, LOOP, role)


def write_errors(connection: KafkaConnection, topics: Sequence[str]) -> dict[str, int | None]:
    """Return the error code of writing one record to each topic, None where it was taken."""
    errors: dict[str, int | None] = {}
    # Without idempotence a refused topic is an error of that record only, so one client can try them all.
    producer = make_producer(connection, linger_ms=0, enable_idempotence=False)
    for topic in topics:
        producer.produce(
            topic, b"{}", on_delivery=lambda error, record: errors.update({record.topic(): error and error.code()})
        )
    assert producer.flush(PATIENCE_S) == 0
    return errors


def read_error(connection: KafkaConnection, topic: str, group: str = "flyball-tail") -> int | None:
    """Return the error code of reading a partition without a group to its end, None when it was allowed."""
    consumer = make_consumer(connection, group=group, enable_partition_eof=True, fetch_wait_max_ms=10)
    try:
        hidden = consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic].error
        if hidden is not None:
            return hidden.code()
        consumer.assign([TopicPartition(topic, 0, FROM_START)])
        while True:
            message = consumer.poll(PATIENCE_S)
            assert message is not None, f"neither data nor an error from {topic}"
            error = message.error()
            if error is not None:
                return None if error.code() == KafkaError._PARTITION_EOF else error.code()
    finally:
        consumer.close()


def test_both_libraries_connect_with_the_same_settings(guarded: LocalKafka) -> None:
    connection = as_role(guarded, "producer")
    producer = make_producer(connection)
    producer.produce(f"{LOOP}.telemetry", b"{}")
    assert producer.flush(PATIENCE_S) == 0
    asyncio.run(write_with_aiokafka(connection, f"{LOOP}.telemetry"))
    assert asyncio.run(read_with_aiokafka(as_role(guarded, "detect"), f"{LOOP}.telemetry", count=2)) == {b"{}", b"aio"}


async def write_with_aiokafka(connection: KafkaConnection, topic: str) -> None:
    async with AIOKafkaProducer(**aiokafka_settings(connection)) as producer:
        await producer.send_and_wait(topic, b"aio")


async def read_with_aiokafka(connection: KafkaConnection, topic: str, *, count: int) -> set[bytes]:
    settings = aiokafka_settings(connection)
    consumer = AIOKafkaConsumer(topic, group_id=f"{LOOP}.detect", auto_offset_reset="earliest", **settings)
    async with consumer:
        return {(await asyncio.wait_for(consumer.getone(), PATIENCE_S)).value for _ in range(count)}


def aiokafka_settings(connection: KafkaConnection) -> dict[str, object]:
    return {
        "bootstrap_servers": connection.bootstrap,
        "security_protocol": connection.security_protocol,
        "sasl_mechanism": connection.sasl_mechanism,
        "sasl_plain_username": connection.sasl_username,
        "sasl_plain_password": connection.sasl_password,
        "ssl_context": connection.ssl_context(),
    }


def test_a_wrong_password_is_refused(guarded: LocalKafka) -> None:
    good = as_role(guarded, "gate")
    bad = msgspec.structs.replace(good, sasl_password=f"not {good.sasl_password}")
    producer = make_producer(bad)
    with pytest.raises(KafkaException):
        producer.list_topics(timeout=3)


@pytest.mark.parametrize("role", sorted(PRINCIPALS))
def test_a_principal_writes_what_the_registry_says_and_nothing_else(guarded: LocalKafka, role: str) -> None:
    parts = set(PRINCIPALS[role])
    tried = [TOPICS[name] for name in ("raw", "telemetry", "insights", "policy", "actions", "outcomes", "control")]
    expected = {
        topic.full_name(LOOP): None if parts & set(topic.written_by) else KafkaError.TOPIC_AUTHORIZATION_FAILED
        for topic in tried
    }
    assert write_errors(as_role(guarded, role), list(expected)) == expected


@pytest.mark.parametrize("role", sorted(set(PRINCIPALS) - {"producer", "foreign"}))
def test_a_principal_reads_what_the_registry_says_and_nothing_else(guarded: LocalKafka, role: str) -> None:
    parts = set(PRINCIPALS[role])
    for name in ("control", "approvals", "verdicts", "state-gate"):
        expected = None if parts & set(TOPICS[name].read_by) else KafkaError.TOPIC_AUTHORIZATION_FAILED
        assert read_error(as_role(guarded, role), TOPICS[name].full_name(LOOP)) == expected, name


@pytest.mark.parametrize("group", ["flyball-tail", f"{LOOP}-reader"])
def test_readers_without_a_group_are_not_disturbed(guarded: LocalKafka, group: str) -> None:
    assert read_error(as_role(guarded, "operator"), f"{LOOP}.control", group) is None


def test_an_unnamed_group_is_refused_even_for_a_topic_that_may_be_read(guarded: LocalKafka) -> None:
    consumer = make_consumer(as_role(guarded, "detect"), group=f"{LOOP}.gate")
    consumer.subscribe([f"{LOOP}.telemetry"])
    message = consumer.poll(PATIENCE_S)
    consumer.close()
    assert message is not None
    assert message.error() is not None
    assert message.error().code() == KafkaError.GROUP_AUTHORIZATION_FAILED


@pytest.mark.parametrize("role", sorted(GROUP_SOURCES))
def test_a_role_opens_its_own_transactions_and_no_other_role_can(guarded: LocalKafka, role: str) -> None:
    other = "gate" if role != "gate" else "detect"
    own = make_producer(as_role(guarded, role), transactional_id=f"{LOOP}/{role}/0")
    own.init_transactions(PATIENCE_S)
    own.begin_transaction()
    own.produce(f"{LOOP}.journal-{role}", b"{}")
    own.commit_transaction(PATIENCE_S)
    with pytest.raises(KafkaException) as refused:
        make_producer(as_role(guarded, other), transactional_id=f"{LOOP}/{role}/0").init_transactions(PATIENCE_S)
    assert refused.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def test_only_the_admin_changes_topics(guarded: LocalKafka) -> None:
    with pytest.raises(BrokerError, match="refused"):
        apply_topics(as_role(guarded, "operator"), "another")
    assert {state.partitions for state in describe(as_role(guarded, "admin"), LOOP)} == {1, 2, 4}
    assert delete_topics(as_role(guarded, "gate"), "nobody") == ()
    assert cluster_id(as_role(guarded, "executor")) == guarded.cluster_id


def test_applying_the_table_again_withdraws_what_it_does_not_say(guarded: LocalKafka) -> None:
    loop = "short"
    rules = apply_acls(guarded.connection, loop)
    assert rules == access_rules(loop)
    stray = f"User:{user(loop, 'detect')}", f"{loop}.actions"
    admin = make_admin(guarded.connection)
    binding = AclBinding(
        ResourceType.TOPIC,
        stray[1],
        ResourcePatternType.LITERAL,
        stray[0],
        "*",
        AclOperation.WRITE,
        AclPermissionType.ALLOW,
    )
    admin.create_acls([binding])[binding].result()
    assert binding in held_by(admin, stray[0])
    apply_acls(guarded.connection, loop)
    assert binding not in held_by(admin, stray[0])
    assert len(held_by(admin, stray[0])) == sum(len(r.operations) for r in rules if r.principal == stray[0])


def held_by(admin: AdminClient, principal: str) -> list[AclBinding]:
    everything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, principal, None, AclOperation.ANY, AclPermissionType.ANY
    )
    return list(admin.describe_acls(everything).result())

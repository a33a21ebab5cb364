"""A transaction that Kafka forgot to end, as one does whose partitions have no leader when it completes."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from connectors.kafka.admin import apply_topics
from connectors.kafka.launcher import LocalKafka
from schemas.errors import BrokerError
from streams.runtime.torn import undecided
from tests.kafka.by_hand import PARTITION, Place, folded_once
from tests.kafka.subject import Subject, spec_of

LOOP = "torn"
TOPICS = ("journal-detect", "insights")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """Give a broker that takes records of transactions which its coordinator does not know."""
    settings = {"transaction.partition.verification.enable": "false"}
    with LocalKafka(data=tmp_path_factory.mktemp("kafka"), overrides=settings) as kafka:
        kafka.start()
        yield kafka


@pytest.fixture
def place(kafka: LocalKafka, tmp_path: Path, loop_name: str) -> Place:
    apply_topics(kafka.connection, loop_name, partitions={"telemetry": 1})
    subject = Subject(loop=loop_name, bootstrap=kafka.bootstrap, instance="w0", data=str(tmp_path), partitions=1)
    return Place(spec=replace(spec_of(subject), replay_limit_s=1e9))


def leave_undecided(place: Place) -> None:
    """Write under the partition's transactional id, without telling the coordinator and without an end."""

    async def write() -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=place.connection.bootstrap, transactional_id=place.spec.transactional_id(PARTITION)
        )
        await producer.start()
        await producer.begin_transaction()
        for topic in TOPICS:
            full_name = place.spec.full_name(topic)
            producer._txn_manager._txn_partitions.add(TopicPartition(full_name, PARTITION))
            await producer.send_and_wait(full_name, b"never decided", key=b"torn", partition=PARTITION)
        await producer.stop()

    asyncio.run(write())


def test_what_was_never_decided_is_aborted_by_the_next_owner(place: Place) -> None:
    folded_once(place).release(snapshot=False)
    steps = len(place.steps())
    leave_undecided(place)
    assert undecided(place.spec, PARTITION) == ["journal-detect"]
    owner = place.owner(place.take())
    assert undecided(place.spec, PARTITION) == []
    place.feed(30)
    place.fold(owner)
    owner.release(snapshot=True)
    assert place.failures == []
    assert [entry.step for entry in place.steps()] == list(range(len(place.steps())))
    assert len(place.steps()) > steps
    assert b"never decided" not in place.values("insights")


def test_an_owner_that_lost_sight_of_kafka_goes_on_only_where_its_last_transaction_was_decided(
    kafka: LocalKafka, place: Place
) -> None:
    owner = folded_once(place)
    kafka.restart()
    place.feed(30)
    place.fold(owner)
    assert place.failures == []


def test_an_owner_whose_last_transaction_kafka_left_undecided_ends(kafka: LocalKafka, place: Place) -> None:
    owner = folded_once(place)
    leave_undecided(place)
    kafka.restart()
    place.feed(30)
    place.fold(owner)
    (failure,) = place.failures
    assert isinstance(failure, BrokerError)
    assert "journal-detect" in str(failure)

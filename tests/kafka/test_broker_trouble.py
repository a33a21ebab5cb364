"""A broker that forgets the end of a transaction, goes away for a moment, or freezes."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from connectors.kafka.admin import apply_topics
from connectors.kafka.launcher import LocalKafka
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError
from schemas.steady import RENEW_S, SteadyConsumer
from streams.runtime.ends import SourceEnds
from streams.runtime.torn import undecided
from tests.kafka.by_hand import PARTITION, Place, folded_once
from tests.kafka.relay import PRODUCE, Point, Relay, Request, armed
from tests.kafka.subject import Subject, spec_of
from tests.patience import eventually

TOPICS = ("journal-detect", "insights")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """Give a broker that takes records of transactions which its coordinator does not know."""
    settings = {
        "transaction.partition.verification.enable": "false",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "60000",  # no abort but its owner's
    }
    with LocalKafka(data=tmp_path_factory.mktemp("kafka"), overrides=settings) as kafka:
        kafka.start()
        yield kafka


@pytest.fixture
def place(kafka: LocalKafka, tmp_path: Path, loop_name: str) -> Place:
    apply_topics(kafka.connection, loop_name, partitions={"telemetry": 1})
    subject = Subject(loop=loop_name, bootstrap=kafka.bootstrap, instance="w0", data=str(tmp_path), partitions=1)
    return Place(spec=replace(spec_of(subject), replay_limit_s=1e9))


@dataclass(frozen=True, slots=True)
class Broker:
    """The process that a trap freezes."""

    pid: int
    name: str = "broker"


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Freeze a process for as long as this is open."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def assert_whole(place: Place, *, steps: int) -> None:
    """Hold that every step is in the journal once, that every sample was folded, and that nothing is left open."""
    assert [entry.step for entry in place.steps()] == list(range(steps))
    assert undecided(place.spec, PARTITION) == []
    after = place.take()
    assert after.replayed == 0
    assert after.positions["telemetry"] == place.written


def leave_undecided(place: Place) -> None:
    """Write in a transaction without telling the coordinator, and without an end."""

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


def test_a_step_that_a_broker_kept_waiting_for_longer_than_a_transaction_may_take_is_written_again_by_its_owner(
    kafka: LocalKafka, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.spec = replace(place.spec, transaction_timeout_s=1.0)
    broker, insights = Broker(kafka.pids[1]), place.spec.full_name("insights")
    begun = Point(name="begun", requests=(Request(kind=PRODUCE, words=(insights,)),))
    with Relay(place.connection) as relay:
        relay.target = broker
        place.spec = replace(place.spec, connection=KafkaConnection(bootstrap=relay.bootstrap))
        owner = folded_once(place)
        with armed([relay], begun, signal.SIGSTOP) as trap:
            eventually(trap.sprung.is_set)  # a timer makes a step
            time.sleep(3.0)
            trap.thaw()
            place.feed(10)
            place.fold(owner)
        owner.release(snapshot=True)
        assert place.failures == []
        assert "writing a transaction again" in caplog.text
        assert_whole(place, steps=owner.step)


def test_a_broker_that_stood_still_before_it_knew_of_a_transaction_loses_nothing(
    kafka: LocalKafka, place: Place
) -> None:
    """Whether the owner can abort it is a race between two connections: else it fails, and the next one goes on."""
    place.spec = replace(place.spec, transaction_timeout_s=1.0)
    owner = folded_once(place)
    with frozen(kafka.pids[1]):
        time.sleep(4.0)  # a timer makes a step
    place.feed(10)
    place.fold(owner)
    owner.release(snapshot=not place.failures)
    assert all(isinstance(failure, BrokerError) for failure in place.failures)
    place.failures.clear()
    owner = place.owner(place.take())
    place.fold(owner)
    owner.release(snapshot=True)
    assert place.failures == []
    assert_whole(place, steps=owner.step)


def test_a_client_that_owes_an_answer_is_replaced_and_reads_on(kafka: LocalKafka, place: Place) -> None:
    place.feed(10)
    consumer = SteadyConsumer(kafka.connection, topic=place.spec.full_name("telemetry"), partition=PARTITION)
    eventually(lambda: (message := consumer.poll(0.1)) is not None and message.error() is not None)  # the end
    with frozen(kafka.pids[1]):
        consumer.seek(5)
        since = time.monotonic()
        eventually(lambda: consumer.poll(0.1) is None and time.monotonic() > since + RENEW_S + 1)
    eventually(lambda: (consumer.poll(0.1), consumer.position)[1] == 10)
    assert consumer.renewed >= 1
    consumer.close()


def test_the_ends_of_sources_are_known_without_fetching(place: Place) -> None:
    ends = SourceEnds(place.spec)
    assert ends.end("telemetry", PARTITION) == 0
    place.feed(7)
    ends.ask([PARTITION])
    assert ends.end("telemetry", PARTITION) == 7

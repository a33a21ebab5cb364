"""A member of a consumer group on a real Kafka, that has no room for a while."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from confluent_kafka import Producer

from connectors.kafka.launcher import LocalKafka
from schemas import kafka
from schemas.client.member import Member
from tests.patience import PATIENCE_S

SHORT = {"max_poll_interval_ms": 6_000}
"""Kafka's least for an executor's session; by itself a member has five minutes."""


@pytest.fixture
def topic(loop_on_kafka: Callable[..., str]) -> str:
    return f"{loop_on_kafka(actions=2)}.actions"


@pytest.fixture
def producer(broker: LocalKafka) -> Producer:
    return kafka.make_producer(broker.connection, linger_ms=0)


@contextmanager
def member(broker: LocalKafka, topic: str) -> Iterator[Member]:
    with closing(Member(broker.connection, group=f"{topic}.test", topic=topic, **SHORT)) as one:
        yield one


def write(producer: Producer, topic: str, *values: bytes) -> None:
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(PATIENCE_S) == 0


def take(one: Member, count: int) -> list[bytes]:
    """Return the next so many values."""
    values: list[bytes] = []
    until_s = time.monotonic() + PATIENCE_S
    while len(values) < count:
        assert time.monotonic() < until_s, values
        record = one.poll(0.2)
        if record is not None:
            values.append(record.value())
            one.done(record)
    return values


def test_a_member_that_rests_stays_one_and_loses_nothing(broker: LocalKafka, topic: str, producer: Producer) -> None:
    with member(broker, topic) as one:
        write(producer, topic, b"1", b"2")
        first = take(one, 1)
        until_s, given_us = time.monotonic() + 8, set()
        while time.monotonic() < until_s:
            one.rest(0.02)
            given_us.add(len(one.partitions()))
        write(producer, topic, b"3")
        assert 0 not in given_us
        assert sorted(first + take(one, 2)) == [b"1", b"2", b"3"]
        assert one.poll(0.5) is None


def test_a_new_member_does_not_wait_for_one_that_rests(broker: LocalKafka, topic: str, producer: Producer) -> None:
    """And what comes to the resting one while the group is divided anew is taken once."""
    with member(broker, topic) as one:
        write(producer, topic, b"1")
        assert take(one, 1) == [b"1"]
        write(producer, topic, *(b"%d" % number for number in range(2, 40)))
        with member(broker, topic) as other:
            begun_s = time.monotonic()
            while not other.partitions() or not one.partitions():
                assert time.monotonic() - begun_s < SHORT["max_poll_interval_ms"] / 1000
                one.rest(0.02)
                other.rest(0.02)
        begun_s = time.monotonic()
        while time.monotonic() - begun_s < 1:
            one.rest(0.02)
        assert sorted(int(value) for value in take(one, 38)) == list(range(2, 40))
        assert one.poll(0.5) is None


def test_a_member_whose_partitions_went_and_came_back_while_it_rested_takes_records_again(
    broker: LocalKafka, topic: str, producer: Producer
) -> None:
    """What Kafka's client paused stays paused for as long as it lives, also when somebody else had it meanwhile."""
    with member(broker, topic) as one:
        write(producer, topic, b"1")
        assert take(one, 1) == [b"1"]
        one.rest(0.02)
        with member(broker, topic) as other:
            until_s = time.monotonic() + PATIENCE_S
            while one.partitions():
                assert time.monotonic() < until_s
                one.rest(0)
                other.rest(0.01)
            while not one.partitions():
                assert time.monotonic() < until_s
                assert one.poll(0) is None
                other.rest(0.01)
        write(producer, topic, *(b"%d" % number for number in range(2, 20)))
        assert sorted(int(value) for value in take(one, 18)) == list(range(2, 20))


def test_a_member_that_asked_for_nothing_too_long_joins_again(
    broker: LocalKafka, topic: str, producer: Producer
) -> None:
    with member(broker, topic) as one:
        write(producer, topic, b"1")
        assert take(one, 1) == [b"1"]
        time.sleep(8)
        write(producer, topic, b"2")
        assert take(one, 1) == [b"2"]

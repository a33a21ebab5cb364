"""Which answers of Kafka are waited out, and which are told at once."""

import time

import pytest
from confluent_kafka import KafkaError

from schemas.connection import KafkaConnection
from schemas.errors import BrokerError
from schemas.kafka import check, make_consumer, range_of


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._DESTROY_BROKER,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError._MAX_POLL_EXCEEDED,
    ],
)
def test_what_waiting_mends_is_waited_out(code: int) -> None:
    check(KafkaError(code))


@pytest.mark.parametrize(
    "code", [KafkaError._AUTHENTICATION, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNSUPPORTED_VERSION]
)
def test_what_waiting_does_not_mend_is_told_with_the_place(code: int) -> None:
    with pytest.raises(BrokerError, match=r"to serve fleet\.actions"):
        check(KafkaError(code), where="fleet.actions")


def test_the_ends_of_a_partition_are_asked_for_until_the_time_is_over() -> None:
    consumer = make_consumer(KafkaConnection(bootstrap="127.0.0.1:1"), group="nobody")
    began = time.monotonic()
    with pytest.raises(BrokerError, match=r"last offset of fleet\.actions/3 within 0\.6 s"):
        range_of(consumer, "fleet.actions", 3, timeout_s=0.6)
    consumer.close()
    assert 0.5 < time.monotonic() - began < 5

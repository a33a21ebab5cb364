"""What an answer about a new topic means."""

from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException

from connectors.kafka.admin import is_created
from schemas.errors import BrokerError


def answered(code: int | None = None) -> Future[None]:
    future: Future[None] = Future()
    if code is None:
        future.set_result(None)
    else:
        future.set_exception(KafkaException(KafkaError(code)))
    return future


def test_a_topic_that_was_made_or_is_there_is_created() -> None:
    assert is_created(answered())
    assert is_created(answered(KafkaError.TOPIC_ALREADY_EXISTS))


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._TRANSPORT,
        KafkaError._DESTROY_BROKER,
        KafkaError.REQUEST_TIMED_OUT,
    ],
)
def test_one_that_nobody_answered_for_is_asked_for_again(code: int) -> None:
    assert not is_created(answered(code))


@pytest.mark.parametrize(
    "code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.POLICY_VIOLATION]
)
def test_one_that_was_refused_is_told_at_once(code: int) -> None:
    with pytest.raises(BrokerError, match="Kafka refused"):
        is_created(answered(code))

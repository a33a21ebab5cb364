"""Which answers of Kafka are waited out, and which are told at once."""

import pytest
from confluent_kafka import KafkaError

from schemas.errors import BrokerError
from schemas.kafka import check


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
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

"""Telemetry from other people's programs, on a real Kafka: where it lands, and that no failure is silent."""

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import polars as pl
import pytest
from confluent_kafka import TopicPartition

from connectors.kafka.launcher import LocalKafka
from schemas import kafka
from schemas.client import Delivery, TelemetryProducer
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError, ContractError
from schemas.partitions import partition_of
from schemas.raw import RawBatch
from streams.loop.decode import make_decode
from streams.loop.processor import Now
from tests.patience import PATIENCE_S

TIME_US = 1_790_000_000_000_000
NOW = Now(us=TIME_US, control_heard_us=TIME_US)
PARTITIONS = 3
ENTITIES = [f"host-{i}" for i in range(12)]


@pytest.fixture
def loop(loop_on_kafka: Callable[..., str]) -> str:
    return loop_on_kafka(telemetry=PARTITIONS)


def consume(connection: KafkaConnection, loop: str, count: int) -> Iterator[tuple[int, str, int, dict[str, float]]]:
    """Yield (partition, entity, time, values) of `count` messages, as the loop would read them, without a group."""
    consumer = kafka.make_consumer(connection, group=f"{loop}.test")
    consumer.assign([TopicPartition(f"{loop}.telemetry", one, kafka.FROM_START) for one in range(PARTITIONS)])
    decoder = make_decode()
    left = count
    while left:
        record = consumer.poll(PATIENCE_S)
        assert record is not None, f"{left} of {count} messages did not come within {PATIENCE_S} s"
        assert record.error() is None
        left -= 1
        raw = RawBatch(
            topic="telemetry",
            partition=record.partition(),
            offsets=[record.offset()],
            keys=[record.key()],
            values=[record.value()],
            headers=[kafka.headers_of(record)],
        )
        batch, bad = decoder.telemetry(raw, NOW)
        assert bad == []
        assert batch is not None
        for row in range(len(batch)):
            values = {m: float(v) for m, v in zip(batch.metrics, batch.values[row], strict=True) if not math.isnan(v)}
            yield record.partition(), batch.entities[row], int(batch.time_us[row]), values
    consumer.close()


def test_events_and_frames_put_an_entity_into_the_same_partition(broker: LocalKafka, loop: str) -> None:
    frame = pl.DataFrame({"entity": ENTITIES, "time": [TIME_US] * 12, "cpu": [1.0] * 11 + [None], "n": range(12)})
    with TelemetryProducer(broker.connection, loop=loop, rows_per_message=2) as producer:
        for entity in ENTITIES:
            producer.send(entity, datetime.fromtimestamp(TIME_US / 1e6, UTC), {"cpu": 2})
        messages = producer.send_frame(frame)
    rows = list(consume(broker.connection, loop, len(ENTITIES) + messages))
    assert len(rows) == 2 * len(ENTITIES)
    assert {(partition, entity) for partition, entity, _, _ in rows} == {
        (partition_of(entity.encode(), PARTITIONS), entity) for entity in ENTITIES
    }
    assert {time for _, _, time, _ in rows} == {TIME_US}
    assert sum("n" in values for *_, values in rows) == 12
    assert sum("cpu" in values for *_, values in rows) == 23


def test_every_delivery_is_reported(broker: LocalKafka, loop: str) -> None:
    seen: list[Delivery] = []
    with TelemetryProducer(broker.connection, loop=loop, on_delivery=seen.append) as producer:
        for number in range(5):
            producer.send("a", TIME_US + number, {"cpu": number})
    assert [delivery.offset for delivery in seen] == [0, 1, 2, 3, 4]
    assert {(delivery.key, delivery.error) for delivery in seen} == {("a", None)}


def test_what_kafka_refuses_is_told_by_the_callback_and_by_flush(broker: LocalKafka, loop: str) -> None:
    seen: list[Delivery] = []
    producer = TelemetryProducer(broker.connection, loop=f"{loop}-none", on_delivery=seen.append, delivery_timeout_s=3)
    producer.send("a", TIME_US, {"cpu": 1})
    with pytest.raises(BrokerError, match=r"1 messages were not delivered.*telemetry key 'a'"):
        producer.flush(PATIENCE_S)
    assert [delivery.error is None for delivery in seen] == [False]
    with pytest.raises(BrokerError, match="expected a topic"):
        producer.send_frame(pl.DataFrame({"entity": ["a"], "time": [TIME_US], "cpu": [1.0]}))
    producer.flush(PATIENCE_S)


def test_without_a_broker_the_queue_fills_and_then_says_so() -> None:
    nowhere = KafkaConnection(bootstrap="127.0.0.1:1")
    producer = TelemetryProducer(nowhere, loop="lab", queue_messages=10, block_s=0.2, delivery_timeout_s=1)
    for number in range(10):
        producer.send("a", TIME_US + number, {"cpu": 1})
    with pytest.raises(BrokerError, match="the queue stayed full"):
        producer.send("a", TIME_US + 10, {"cpu": 1})
    with pytest.raises(BrokerError, match="10 messages were not delivered"):
        producer.flush(PATIENCE_S)


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (("", TIME_US, {"cpu": 1.0}), "bad-entity"),
        (("a", datetime(2026, 1, 1), {"cpu": 1.0}), "bad-time"),  # noqa: DTZ001  # the fault itself
        (("a", TIME_US, {"cpu": math.nan}), "not-finite"),
        (("a", TIME_US, {"": 1.0}), "bad-metric"),
        (("a", TIME_US, {}), "empty-sample"),
    ],
)
def test_a_bad_sample_is_refused_where_it_is_sent(sample: tuple[str, int, dict[str, float]], reason: str) -> None:
    with pytest.raises(ContractError) as caught:
        TelemetryProducer(KafkaConnection(bootstrap="127.0.0.1:1"), loop="lab").send(*sample)
    assert caught.value.reason == reason

"""Reading a topic from the command line: to its present end, or on and on."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from schemas import wire
from schemas.clock import wall_us
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError, ContractError
from schemas.events import Event
from schemas.kafka import FROM_START, make_consumer
from schemas.keyring import Trust
from schemas.order_reading import OrderReading
from schemas.raw import Headers
from schemas.reading import read_event
from schemas.signing import Audience
from schemas.topics import TOPICS

SILENCE_S = 15.0
"""How long Kafka may say nothing before the end of a topic is reached."""
CLIENT_SILENCE_S = 4.0
"""How long one client may wait for a record or an end before another one is tried."""
METADATA_TIMEOUT_S = 10.0
ORDERS, ANSWERS = "control", "approvals"
"""What people say: it counts only when signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """One record as it lies in Kafka. `topic` is the registry name."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_us: int
    by_broker: bool = False
    """Whether the broker said when it was written, not its writer."""

    @property
    def written_us(self) -> int:
        """When it came to the broker; 0 where only its writer says when that was."""
        return self.timestamp_us if self.by_broker else 0

    def event(self) -> Event | None:
        """Return the decoded event, or None when it is not one (a tombstone, a foreign record)."""
        try:
            return wire.decode(self.topic, self.value, self.headers)
        except ContractError:
            return None


class _SilenceError(Exception):
    """One client heard neither a record nor an end for too long: try with another."""


class TopicReader:
    """Reads committed records of one loop without a consumer group, so it never disturbs a worker.

    With `trust` and `audience` it tells, as every role does, only those orders that were signed by a key that counted
    when they were written (`OrderReading`; now, by `clock_us`, where the broker does not say when that was), and those
    answers of people whose key counts by the newest keyring that it met: `trust` adopts every one.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        loop: str,
        *,
        trust: Trust | None = None,
        audience: Audience | None = None,
        clock_us: Callable[[], int] = wall_us,
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._trust = trust
        self._audience = audience
        self._clock_us = clock_us

    def records(
        self, topics: Sequence[str], *, start: dict[tuple[str, int], int] | None = None, follow: bool = False
    ) -> Iterator[StoredRecord | None]:
        """Yield records of some topics from the beginning (or `start`) to the present end.

        With `follow` it goes on for ever and yields None whenever there is nothing new for 0.2 s.
        """
        wanted = dict(start or {})
        heard_s = time.monotonic()
        while True:
            try:
                for record in self._read(topics, wanted, follow=follow):
                    heard_s = time.monotonic()
                    yield record
                return
            except _SilenceError:
                # a broker that comes back from a pause may leave one client's fetches waiting; a new client is served
                if time.monotonic() - heard_s > SILENCE_S:
                    silence = f"{self._connection.bootstrap} said nothing for {SILENCE_S:.0f} s"
                    raise BrokerError(f"{silence}; try again") from None

    def _read(
        self, topics: Sequence[str], wanted: dict[tuple[str, int], int], *, follow: bool
    ) -> Iterator[StoredRecord | None]:
        """Read with one client from `wanted`, which moves on with each record; raises `_SilenceError`."""
        consumer = make_consumer(
            self._connection, group=f"{self._loop}-reader", enable_partition_eof=True, fetch_wait_max_ms=50
        )
        try:
            pending = self._assign(consumer, topics, wanted)
            heard_s = time.monotonic()
            while pending or follow:
                batch = consumer.consume(500, 0.2)
                heard_s = time.monotonic() if batch or not pending else heard_s
                if time.monotonic() - heard_s > CLIENT_SILENCE_S:
                    raise _SilenceError
                for message in batch:
                    error = message.error()
                    if error is None:
                        record = _stored(message, self._loop)
                        wanted[record.topic, record.partition] = record.offset + 1
                        yield record
                    elif error.code() == KafkaError._PARTITION_EOF:
                        pending.discard((message.topic(), message.partition()))
                    else:
                        raise BrokerError(f"cannot read {message.topic()}: {error.str()}")
                if follow and not batch:
                    yield None
        except KafkaException as error:
            raise BrokerError(f"cannot read from {self._connection.bootstrap}: {error.args[0].str()}") from error
        finally:
            consumer.close()

    def events(
        self, *topics: str, since_us: int = 0, kinds: Sequence[type[Event]] = ()
    ) -> Iterator[tuple[StoredRecord, Event]]:
        """Yield every decodable event of some topics that was written since, up to the present end; each topic in
        offset order. With `kinds` records of all others are skipped by their headers.
        """
        types = {kind.TYPE.encode() for kind in kinds}
        others = [topic for topic in topics if topic != ORDERS]  # what a key is worth is told by all that lies before
        start = self.offsets_at(others, since_us) if since_us and others else None
        for record in self._counting(record for record in self.records(topics, start=start) if record is not None):
            if record.topic == ORDERS and record.timestamp_us < since_us:
                continue
            if types and dict(record.headers).get("ce_type") not in types:
                continue
            event = record.event()
            if event is not None:
                yield record, event

    def offsets_at(self, topics: Sequence[str], time_us: int) -> dict[tuple[str, int], int]:
        """Return where each partition goes on after a time; raises `BrokerError`."""
        consumer = make_consumer(self._connection, group=f"{self._loop}-reader")
        try:
            partitions = self._partitions(consumer, topics)
            asked = [TopicPartition(full, number, time_us // 1_000) for full, _, number in partitions]
            found = consumer.offsets_for_times(asked, timeout=METADATA_TIMEOUT_S)
        except KafkaException as error:
            raise BrokerError(f"cannot read from {self._connection.bootstrap}: {error.args[0].str()}") from error
        finally:
            consumer.close()
        for item in found:
            if item.error is not None:
                raise BrokerError(f"cannot read {item.topic}/{item.partition}: {item.error.str()}")
        at = {(item.topic, item.partition): item.offset for item in found}
        return {(topic, number): at[full, number] for full, topic, number in partitions}

    def first_offset(self, topic: str, partition: int) -> int:
        """Return from which offset on the records of a partition are still there; raises `BrokerError`."""
        consumer = make_consumer(self._connection, group=f"{self._loop}-reader")
        place = TopicPartition(TOPICS[topic].full_name(self._loop), partition)
        try:
            first, _ = consumer.get_watermark_offsets(place, timeout=METADATA_TIMEOUT_S, cached=False)
        except KafkaException as error:
            raise BrokerError(f"cannot read from {self._connection.bootstrap}: {error.args[0].str()}") from error
        finally:
            consumer.close()
        return int(first)

    def _counting(self, records: Iterable[StoredRecord]) -> Iterator[StoredRecord]:
        """Yield the records that count: of what people say, what they signed."""
        if self._trust is None or self._audience is None:
            yield from records
            return
        orders: OrderReading[StoredRecord] = OrderReading(trust=self._trust, audience=self._audience)
        for record in records:
            if record.topic == ORDERS:
                written_us = record.written_us or self._clock_us()
                yield from (found for found, _ in orders.read(record, written_us=written_us))
            elif record.topic != ANSWERS or _is_signed(record, self._trust, self._audience):
                yield record
        yield from (found for found, _ in orders.at_end())

    def _assign(
        self, consumer: Consumer, topics: Sequence[str], start: dict[tuple[str, int], int]
    ) -> set[tuple[str, int]]:
        assignment = [
            TopicPartition(full, number, start.get((topic, number), FROM_START))
            for full, topic, number in self._partitions(consumer, topics)
        ]
        consumer.assign(assignment)
        return {(item.topic, item.partition) for item in assignment}

    def _partitions(self, consumer: Consumer, topics: Sequence[str]) -> list[tuple[str, str, int]]:
        """Return full name, registry name and number of every partition."""
        metadata = consumer.list_topics(timeout=METADATA_TIMEOUT_S).topics
        found: list[tuple[str, str, int]] = []
        for topic in topics:
            full_name = TOPICS[topic].full_name(self._loop)
            if full_name not in metadata:
                raise BrokerError(f"topic {full_name} does not exist; `flyball topics apply` creates it")
            found += [(full_name, topic, number) for number in metadata[full_name].partitions]
        return found


def _is_signed(answer: StoredRecord, trust: Trust, audience: Audience) -> bool:
    where = (answer.topic, answer.key, answer.value, answer.headers)
    try:
        read_event(*where, trust=trust, audience=audience, now_us=answer.timestamp_us)
    except ContractError:
        return False
    return True


def _stored(message: KafkaMessage, loop: str) -> StoredRecord:
    kind, time_ms = message.timestamp()
    return StoredRecord(
        topic=message.topic().removeprefix(f"{loop}."),
        partition=message.partition(),
        offset=message.offset(),
        key=message.key(),
        value=message.value(),
        headers=tuple(message.headers() or ()),
        timestamp_us=time_ms * 1_000,
        by_broker=kind == TIMESTAMP_LOG_APPEND_TIME,
    )

"""The producer of one partition's steps: what belongs together is written in one transaction or not at all."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Message as Record

from schemas.errors import BrokerError, FencedError
from schemas.kafka import make_producer, partitions_of
from schemas.raw import Message
from schemas.topics import SOURCE_BYTES
from streams.runtime.spec import WorkerSpec

_FENCED = (
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
)
_COMMIT_S = 30.0


class AbortedError(BrokerError):
    """Kafka was too slow for a transaction, which was aborted: nothing of it counts, and it may be written again."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a message of a transaction lies, and when the broker appended it (ms; LogAppendTime)."""

    offset: int
    appended_ms: int


class StepProducer:
    """Holds the transactional id of one partition: opening it fences whoever held it before.

    Every failure but a fence and an abort is a `BrokerError`: whether a commit happened is then unknown, so the state
    is too, and only a takeover (which asks the journal) may go on.
    """

    def __init__(self, spec: WorkerSpec, *, partition: int) -> None:
        self._loop = spec.loop
        self._full_names: dict[str, str] = {}
        self._full_name = spec.full_name
        self._producer = make_producer(
            spec.connection,
            transactional_id=spec.transactional_id(partition),
            transaction_timeout_ms=int(spec.transaction_timeout_s * 1000),
            linger_ms=0,
            message_max_bytes=2 * SOURCE_BYTES,
            queue_buffering_max_messages=1_000_000,
            logger=logging.getLogger("librdkafka"),  # type: ignore[arg-type]  # the one setting that is an object
        )
        self._open = False

    def open(self, *, timeout_s: float = 30.0) -> None:
        """Fence the former owner and end its open step; blocks until the broker has done so."""
        try:
            self._producer.list_topics(timeout=timeout_s)  # with a connection the coordinator is asked at once
            self._producer.init_transactions(timeout_s)
        except KafkaException as error:
            raise _translated(error, "init_transactions") from error

    def partitions_of(self, topic: str) -> int:
        """Return how many partitions a registry topic has."""
        return partitions_of(self._producer, self._full_name(topic))

    def write_and_abort(self, messages: Sequence[Message]) -> Receipt:
        """Write messages that nobody will see, and return the first receipt that came; every partition that they go to
        gets the marker of an abort.
        """
        receipts: list[Receipt] = []
        refused: list[KafkaError] = []

        def delivered(error: KafkaError | None, record: Record) -> None:
            if error is None:
                receipts.append(Receipt(record.offset(), record.timestamp()[1]))
            else:
                refused.append(error)

        try:
            self._producer.begin_transaction()
            for message in messages:
                self._produce(message, delivered)
            self._producer.flush(_COMMIT_S)
            self._producer.abort_transaction(_COMMIT_S)
        except KafkaException as error:
            raise _translated(error, "an aborted transaction") from error
        if len(receipts) < len(messages):
            told = f" ({refused[0].str()})" if refused else ""
            raise BrokerError(f"expected Kafka to take {len(messages)} records, it took {len(receipts)}{told}")
        return receipts[0]

    def write(self, messages: Sequence[Message], *, receipt_of: int = 0) -> Receipt:
        """Write messages in one transaction and return the receipt of one of them; raises `AbortedError`."""
        receipts: list[Receipt] = []

        def delivered(error: KafkaError | None, record: Record) -> None:
            if error is None:
                receipts.append(Receipt(record.offset(), record.timestamp()[1]))

        try:
            self._producer.begin_transaction()
            self._open = True
            for index, message in enumerate(messages):
                self._produce(message, delivered if index == receipt_of else None)
            self._producer.commit_transaction(_COMMIT_S)
            self._open = False
        except KafkaException as error:
            if error.args[0].txn_requires_abort() and self.abort(timeout_s=_COMMIT_S):
                raise AbortedError(f"expected the broker to take a transaction, got {error.args[0].str()}") from error
            raise _translated(error, "a transaction") from error
        if not receipts:
            raise BrokerError("expected a delivery report for a committed record, got none")
        return receipts[0]

    def abort(self, *, timeout_s: float = 2.0) -> bool:
        """Give up an open transaction, if there is one, and return whether the broker knows: else it finds out by its
        timeout. What was committed already, or is another owner's by now, cannot be aborted any more.
        """
        if self._open:
            try:
                self._producer.abort_transaction(timeout_s)
            except KafkaException:
                return False
            self._open = False
        return True

    def _produce(self, message: Message, on_delivery: object) -> None:
        topic = self._full_names.get(message.topic)
        if topic is None:
            topic = self._full_names[message.topic] = self._full_name(message.topic)
        place = {} if message.partition is None else {"partition": message.partition}
        report = {} if on_delivery is None else {"on_delivery": on_delivery}
        while True:
            try:
                self._producer.produce(
                    topic, value=message.value, key=message.key, headers=list(message.headers), **place, **report
                )
            except BufferError:
                self._producer.poll(0.05)
            else:
                return


def _translated(error: KafkaException, what: str) -> BrokerError | FencedError:
    cause: KafkaError = error.args[0]
    if cause.code() in _FENCED:
        return FencedError(f"another instance owns this partition now ({cause.name()} in {what})")
    return BrokerError(f"expected the broker to accept {what}, got {cause.name()}: {cause.str()}")

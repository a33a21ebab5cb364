"""Actions passed on to another topic, signed anew: for programs that trust this executor, not the loop's gate."""

import time
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError

from connectors.executors.handler import Result
from schemas import kafka, wire
from schemas.connection import KafkaConnection
from schemas.events import Action
from schemas.signing import Signer

_NEVER_TAKEN = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.POLICY_VIOLATION,
    KafkaError.INVALID_RECORD,
}
"""What a broker says of a message that it surely did not take."""


@dataclass(slots=True)
class _Sent:
    """A message on its way."""

    done: bool = False
    error: KafkaError | None = None
    place: str = ""

    def delivered(self, error: KafkaError | None, record: Any) -> None:
        self.error = error
        self.place = f"{record.topic()}/{record.partition()}/{record.offset()}"
        self.done = True


class KafkaHandler:
    """Writes the action to a topic and waits until Kafka has it. `unknown` where that is not known in time.

    The message is the action as it came (`flyball.action.v1`, the same id and expiry) with a new signature: purpose
    `outcomes` (this executor's key), audience the cluster and the topic's own prefix. So whoever reads it can tell who
    passed it on, and nobody can take it for what the gate wrote.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        prefix: str,
        name: str,
        signer: Signer,
        timeout_s: float,
        idempotent: bool = False,
    ) -> None:
        """Write to `PREFIX.NAME`; `signer` is made for the audience `prefix`. It is sent within `timeout_s`, or not."""
        self._prefix, self._name = prefix, name
        self._signer = signer
        self._idempotent = idempotent
        self._producer = kafka.make_producer(
            connection, linger_ms=0, acks="all", message_timeout_ms=max(1, int(timeout_s * 1000))
        )

    @property
    def idempotent(self) -> bool:
        return self._idempotent

    def run(self, action: Action, *, timeout_s: float) -> Result:
        until_s = time.monotonic() + timeout_s
        sent = _Sent()
        message = self._signer.sign(wire.encode(action, loop=self._prefix, topic=self._name))
        try:
            kafka.produce(self._producer, message, loop=self._prefix, on_delivery=sent.delivered)
        except BufferError:
            return Result(state="failed", detail="not sent: the queue to Kafka is full", retry="always", begun=False)
        while not sent.done and time.monotonic() < until_s:
            self._producer.poll(0.01)
        if not sent.done:
            return Result(state="unknown", detail=f"Kafka did not confirm within {timeout_s:g} s")
        if sent.error is None:
            return Result(state="succeeded", detail=f"is at {sent.place}")
        if sent.error.code() in _NEVER_TAKEN:
            return Result(state="failed", detail=f"Kafka did not take it: {sent.error.str()}", retry="never")
        return Result(state="unknown", detail=f"Kafka did not confirm: {sent.error.str()}")

    def close(self) -> None:
        """Wait for what is still on its way, a little."""
        self._producer.flush(1.0)

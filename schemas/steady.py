"""A consumer of one partition, without a group, that is made anew when it falls silent.

After a broker came back (killed, or frozen for a while) a librdkafka client that was assigned a partition now and then
never hears of it again, while a new client is served at once (librdkafka issue 5153). So a client that owes an answer,
a record or the end of the partition, is replaced after a few seconds.
"""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from . import kafka
from .connection import KafkaConnection

RENEW_S = 4.0
"""How long one client may owe an answer before it is replaced."""


class SteadyConsumer:
    """Reads committed records forward from `start`, errors of Kafka included. Not for several threads.

    `settings` are librdkafka's, dots written as underscores.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        topic: str,
        partition: int = 0,
        start: int = kafka.FROM_START,
        **settings: kafka.Setting,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._partition = partition
        self._settings = settings
        self.position = start
        """Offset behind everything read so far."""
        self.renewed = 0
        """How often a silent client was replaced."""
        self._owes_since: float | None = None
        self._consumer = self._assigned()

    def poll(self, timeout_s: float) -> Message | None:
        """Return the next record, end of the partition or error; None when none came in time."""
        message = self._consumer.poll(timeout_s)
        if message is None:
            self._renew_if_silent()
            return None
        error = message.error()
        if error is None:
            self.position = message.offset() + 1
            self._owes_since = time.monotonic()  # the next record, or the end
        elif error.code() == KafkaError._PARTITION_EOF:
            self.position = max(self.position, message.offset())
            self._owes_since = None
        return message

    def end(self, timeout_s: float) -> int:
        """Ask the broker where the partition ends now; raises `KafkaException` when it does not answer."""
        place = TopicPartition(self._topic, self._partition)
        try:
            end = int(self._consumer.get_watermark_offsets(place, timeout=timeout_s, cached=False)[1])
        except KafkaException:
            self._owe()
            self._renew_if_silent()
            raise
        if end > self.position:
            self._owe()
        return end

    def seek(self, position: int) -> None:
        """Read on from another position."""
        self.position = position
        self._assign(self._consumer)

    def close(self) -> None:
        """Leave the cluster."""
        self._consumer.close()

    def _assigned(self) -> Consumer:
        consumer = kafka.make_consumer(
            self._connection, group="flyball-tail", enable_partition_eof=True, **self._settings
        )
        self._assign(consumer)
        return consumer

    def _assign(self, consumer: Consumer) -> None:
        consumer.assign([TopicPartition(self._topic, self._partition, self.position)])
        self._owes_since = time.monotonic()

    def _owe(self) -> None:
        self._owes_since = self._owes_since or time.monotonic()

    def _renew_if_silent(self) -> None:
        if self._owes_since is None or time.monotonic() - self._owes_since < RENEW_S:
            return
        self._consumer.close()
        self._consumer = self._assigned()
        self.renewed += 1

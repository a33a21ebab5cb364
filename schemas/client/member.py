"""A member of a consumer group: takes records of a topic, and stays a member while it takes none."""

from collections import deque
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from .. import kafka
from ..connection import KafkaConnection


class Member:
    """Shares a topic (full name) with the others of its group. Not for several threads.

    Kafka takes a member that asks for nothing for dead, after five minutes, and a new one waits so long for it: who
    wants no record now calls `rest` again and again.
    """

    def __init__(self, connection: KafkaConnection, *, group: str, topic: str, **settings: kafka.Setting) -> None:
        # no static membership: librdkafka never returns from closing a static member that has not joined yet
        self._consumer = kafka.make_consumer(
            connection,
            group=group,
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_000,
            enable_auto_commit=True,
            enable_auto_offset_store=False,
            fetch_min_bytes=1,
            fetch_wait_max_ms=100,
            **settings,
        )
        self._early: deque[Any] = deque()
        """What came while resting, of partitions that were not paused yet: one of each at most."""
        self._may_be_paused = False
        """Whether a partition may be paused: one that was stays so in the client, also while it is another member's."""
        self._consumer.subscribe([topic], on_assign=self._given, on_revoke=lambda *_: self._early.clear())

    def poll(self, timeout_s: float) -> Any | None:
        """Return the next record, or None when none came in time; raises `BrokerError` as `check` does."""
        if self._may_be_paused:
            self._consumer.resume(self._consumer.assignment())
            self._may_be_paused = False
        return self._early.popleft() if self._early else self._polled(timeout_s)

    def rest(self, timeout_s: float) -> None:
        """Stay a member for a while and take nothing: what is there waits for `poll`."""
        self._consumer.pause(self._consumer.assignment())
        self._may_be_paused = True
        record = self._polled(timeout_s)
        if record is not None:  # of a partition that was given to this member just now
            self._early.append(record)

    def done(self, record: Any) -> None:
        """Go on behind a record, also after a restart; another one's partition is left to that one."""
        try:
            self._consumer.store_offsets(record)
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError._STATE:
                raise

    def partitions(self) -> tuple[int, ...]:
        """Return which partitions are this member's now."""
        return tuple(place.partition for place in self._consumer.assignment())

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _given(self, *_: object) -> None:
        self._may_be_paused = True

    def _polled(self, timeout_s: float) -> Any | None:
        record = self._consumer.poll(timeout_s)
        if record is None or record.error() is None:
            return record
        kafka.check(record.error())
        return None

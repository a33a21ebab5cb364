"""The shared source `control`: read without a group, handed to every partition, and known to be heard or not."""

import threading
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record

from schemas.kafka import headers_of, make_consumer
from schemas.raw import RawBatch
from schemas.topics import SHARED_SOURCES
from streams.runtime.clock import LoopClock
from streams.runtime.inbox import Fetched, Inbox
from streams.runtime.spec import WorkerSpec

(TOPIC,) = SHARED_SOURCES
PARTITION = 0
_POLL_S = 0.1
_ASK_EVERY_US = 500_000
_ANSWER_S = 5.0


class ControlFeed:
    """One thread and one consumer for all partitions of a worker; each partition has its own position."""

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        clock: LoopClock,
        heard: Callable[[bool], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._heard = heard
        self._failed = failed
        self._inboxes: dict[int, Inbox] = {}
        self._lock = threading.Lock()
        self._position: int | None = None
        self._seek_to: int | None = None
        self._asked_us = 0
        self._heard_us = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def heard_us(self) -> int:
        """Return when (loop time) the broker last confirmed that `control` was read to its end; 0: never."""
        return self._heard_us

    def offset(self) -> int:
        """Return the next offset of `control`."""
        return self._position or 0

    def lives(self) -> bool:
        """Return whether the thread reads, or has yet to begin."""
        return self._thread.ident is None or self._thread.is_alive()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def subscribe(self, partition: int, inbox: Inbox) -> None:
        """Feed an inbox from its position on, which may lie before what others have read."""
        wanted = inbox.position(TOPIC)
        with self._lock:
            self._inboxes[partition] = inbox
            start = self._position if self._seek_to is None else self._seek_to
            if start is None or wanted < start:
                self._seek_to = wanted
                self._heard_us = 0

    def unsubscribe(self, partition: int) -> None:
        """Feed an inbox no longer."""
        with self._lock:
            self._inboxes.pop(partition, None)

    def _run(self) -> None:
        try:
            self._read()
        except BaseException as error:  # unheard, the gate would deny for ever and nobody would know why
            if not self._stopping.is_set():
                self._failed(error)

    def _read(self) -> None:
        consumer = make_consumer(
            self._spec.connection,
            group="unused",
            enable_partition_eof=True,
            fetch_wait_max_ms=250,
            topic_metadata_refresh_interval_ms=30_000,
        )
        try:
            while not self._stopping.is_set():
                self._seek(consumer)
                if self._position is None:
                    self._stopping.wait(_POLL_S)
                    continue
                record = consumer.poll(_POLL_S)
                if record is not None:
                    self._take(record)
                if self._clock.now_us() - self._asked_us > _ASK_EVERY_US:
                    self._ask(consumer)
        finally:
            consumer.close()

    def _seek(self, consumer: Consumer) -> None:
        with self._lock:
            if self._seek_to is not None:
                self._position, self._seek_to = self._seek_to, None
                consumer.assign([TopicPartition(self._spec.full_name(TOPIC), PARTITION, self._position)])

    def _take(self, record: Record) -> None:
        error = record.error()
        offset = record.offset()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            return
        with self._lock:
            if self._seek_to is not None or self._position is None:
                return
            start = self._position
            self._position = offset if error is not None else offset + 1
            if error is None:
                fetched = Fetched(batch=_batch(record), start=start, stop=self._position)
                for inbox in self._inboxes.values():
                    if start <= inbox.position(TOPIC):
                        inbox.put(fetched)

    def _ask(self, consumer: Consumer) -> None:
        """Ask the broker where `control` ends; the answer, with everything before read, is what hearing means."""
        asked_us = self._asked_us = self._clock.now_us()
        place = TopicPartition(self._spec.full_name(TOPIC), PARTITION)
        try:
            answer = consumer.get_watermark_offsets(place, timeout=_ANSWER_S, cached=False)
        except KafkaException:
            answer = None
        self._heard(answer is not None)
        with self._lock:
            if (
                answer is not None
                and self._seek_to is None
                and self._position is not None
                and self._position >= answer[1]
            ):
                self._heard_us = asked_us


def _batch(record: Record) -> RawBatch:
    return RawBatch(
        topic=TOPIC,
        partition=PARTITION,
        offsets=[record.offset()],
        keys=[record.key()],
        values=[record.value()],
        headers=[headers_of(record)],
    )

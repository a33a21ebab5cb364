"""The shared source `control`: read without a group, handed to every partition, and known to be heard or not."""

import threading
from collections.abc import Callable

from confluent_kafka import KafkaException
from confluent_kafka import Message as Record

from schemas.clock import LoopClock
from schemas.steady import SteadyConsumer
from schemas.stop_file import StopFile
from schemas.topics import SHARED_SOURCES
from streams.loop.processor import STOPPED_HERE_US
from streams.runtime.inbox import Fetched, Inbox
from streams.runtime.log_reader import batch_of
from streams.runtime.spec import WorkerSpec

(TOPIC,) = SHARED_SOURCES
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
        stop_file: StopFile | None = None,
    ) -> None:
        self._stop_file = stop_file
        self._spec = spec
        self._clock = clock
        self._heard = heard
        self._failed = failed
        self._inboxes: dict[int, Inbox] = {}
        self._lock = threading.Lock()
        self._consumer: SteadyConsumer | None = None
        self._seek_to: int | None = None
        self._asked_at_us: int | None = None
        self._heard_at_us: int | None = None
        """By the monotonic clock, as is `_asked_at_us`: loop time may begin anew."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def heard_us(self) -> int:
        """Return when (loop time) the broker last confirmed that `control` was read to its end; 0: never."""
        heard_at_us = self._heard_at_us
        return 0 if heard_at_us is None else self._clock.at_us(heard_at_us)

    def told_us(self) -> int:
        """Return what a step is told: `heard_us`, or `STOPPED_HERE_US` while a stop file lies on this machine."""
        return self.heard_us() if self.why_stopped() is None else STOPPED_HERE_US

    def why_stopped(self) -> str | None:
        """Return why the loop is stopped on this machine, or None."""
        return None if self._stop_file is None else self._stop_file.why()

    def offset(self) -> int:
        """Return the next offset of `control`."""
        return 0 if self._consumer is None else self._consumer.position

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
            start = self.offset() if self._seek_to is None else self._seek_to
            if (self._consumer is None and self._seek_to is None) or wanted < start:
                self._seek_to = wanted
                self._heard_at_us = None

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
        try:
            while not self._stopping.is_set():
                self._seek()
                if self._consumer is None:
                    self._stopping.wait(_POLL_S)
                    continue
                start, record = self._consumer.position, self._consumer.poll(_POLL_S)
                if record is not None and record.error() is None:
                    self._hand_out(record, start)
                if self._asked_at_us is None or self._clock.elapsed_us() - self._asked_at_us > _ASK_EVERY_US:
                    self._ask(self._consumer)
        finally:
            if self._consumer is not None:
                self._consumer.close()

    def _seek(self) -> None:
        with self._lock:
            if self._seek_to is None:
                return
            if self._consumer is None:
                self._consumer = SteadyConsumer(
                    self._spec.connection,
                    topic=self._spec.full_name(TOPIC),
                    start=self._seek_to,
                    fetch_wait_max_ms=250,
                    topic_metadata_refresh_interval_ms=30_000,
                )
            else:
                self._consumer.seek(self._seek_to)
            self._seek_to = None

    def _hand_out(self, record: Record, start: int) -> None:
        fetched = Fetched(batch=batch_of(TOPIC, 0, [record]), start=start, stop=record.offset() + 1)
        with self._lock:
            for inbox in self._inboxes.values() if self._seek_to is None else ():
                if start <= inbox.position(TOPIC):
                    inbox.put(fetched)

    def _ask(self, consumer: SteadyConsumer) -> None:
        """Ask the broker where `control` ends; the answer, with everything before read, is what hearing means."""
        asked_at_us = self._asked_at_us = self._clock.elapsed_us()
        try:
            end = consumer.end(_ANSWER_S)
        except KafkaException:
            self._heard(False)
            return
        self._heard(True)
        with self._lock:
            if self._seek_to is None and consumer.position >= end:
                self._heard_at_us = asked_at_us

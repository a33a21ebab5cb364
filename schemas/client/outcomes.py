"""The `outcomes` topic as an executor uses it: write signed records, read all of them back, the first claim wins."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, Producer

from .. import kafka, wire
from ..connection import KafkaConnection
from ..errors import BrokerError, ContractError, SignatureError
from ..events import Outcome
from ..keyring import Trust
from ..reading import verify_record
from ..signing import Audience, Signer
from .duplicates import DuplicateStore
from .tail import LogRecord, Tail

WITHDRAWN = ("revoked-key", "expired-key")
"""A claim by a key that was withdrawn later still happened: forgetting it could start an action twice."""
UNKNOWN_KEY = "unknown-key"
AHEAD_MOST = 256
"""So many records are read on while the first of them waits for its key."""


@dataclass(slots=True)
class Sent:
    """A record on its way: `error` is set when Kafka refused it, `done` when its fate is known."""

    done: bool = False
    error: str | None = None

    def delivered(self, error: KafkaError | None, _record: Any) -> None:
        """Note the delivery report."""
        self.error = None if error is None else error.str()
        self.done = True


class OutcomeLog:
    """Writes and follows `outcomes` for one executor of one group. Only one thread may call `follow` and `claim`.

    A record by a key that the keyring lacks waits until `control` was heard after the record came, and is ignored only
    then: the key may be new, and a claim that is forgotten is one that starts a second time. `control_heard_s` tells by
    the steady clock as of when `control` was last read to its end.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        producer: Producer,
        *,
        audience: Audience,
        trust: Trust,
        signer: Signer,
        store: DuplicateStore,
        control_heard_s: Callable[[], float],
    ) -> None:
        self._producer = producer
        self._audience = audience
        self._trust = trust
        self._signer = signer
        self._store = store
        self._control_heard_s = control_heard_s
        self._connection = connection
        self._ahead: deque[tuple[LogRecord, float]] = deque()
        """What was read and not folded yet, and when it came."""
        self._there = (0, 0.0)
        """The end that is read to, and when all before it was there already."""
        self._tail = self._tail_from(store.next_offset)
        self.ignored = 0
        """Records of `outcomes` that could not be trusted."""

    def catch_up(self, timeout_s: float, *, now_us: int) -> None:
        """Fold everything there is now; raises `BrokerError` when that takes longer than `timeout_s`.

        What was read by then is kept, so that the next start goes on behind it.
        A topic that ends before what was read of it was deleted and made anew: then the memory begins anew too.
        """
        remembered = self._store.next_offset  # before anything is read: out of range, reading goes on at the beginning
        failure: BrokerError | None = None
        with self._store.together():
            if self._end(time.monotonic() + timeout_s) < remembered:
                self._store.begin_anew(now_us)
                self._tail.close()
                self._ahead.clear()
                self._tail = self._tail_from(0)
            try:
                self.read_to_end(timeout_s)
            except BrokerError as error:
                failure = error
        if failure is not None:
            raise failure

    def read_to_end(self, timeout_s: float) -> None:
        """Fold up to the present end, each record durable by itself: a failure halfway loses nothing that was read.

        However many records name an unknown key, `control` is waited for once: all of them are there already. Raises
        `BrokerError` when that takes longer than `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        end = self._end(deadline)
        self._there = (end, time.monotonic())
        try:
            while self._ahead or self._tail.position < end:
                late = time.monotonic() > deadline
                self.follow(0.01)
                if late and (self._ahead or self._tail.position < end):  # a process that stood still looks once more
                    waits = "control was not heard" if self._ahead else "is Kafka there?"
                    raise BrokerError(f"expected to read outcomes to the end within {timeout_s} s; {waits}")
        finally:
            self._there = (0, 0.0)  # a topic that is made anew has other records at these offsets

    def follow(self, timeout_s: float) -> bool:
        """Fold the next record, waiting for it at most `timeout_s`; returns whether there was one that could be."""
        if self._folded():
            return True
        self._read_on(timeout_s)
        return self._folded()

    def write(self, outcome: Outcome) -> Sent:
        """Send a signed record; wait for it with `wait`."""
        sent = Sent()
        message = self._signer.sign(wire.encode(outcome, loop=self._audience.loop))
        kafka.produce(self._producer, message, loop=self._audience.loop, on_delivery=sent.delivered)
        self._producer.poll(0)
        return sent

    def wait(self, sent: Sent, timeout_s: float) -> None:
        """Wait until Kafka has a record for good; raises `BrokerError` when it does not take it in time."""
        deadline = time.monotonic() + timeout_s
        while not sent.done:
            late = time.monotonic() > deadline
            self._producer.poll(0.01)
            if late and not sent.done:  # a process that stood still looks once more
                raise BrokerError(f"expected Kafka to take an outcome within {timeout_s} s; it is still queued")
        if sent.error is not None:
            raise BrokerError(f"expected Kafka to take an outcome, got {sent.error}")

    def claim(self, claim: Outcome, timeout_s: float) -> bool:
        """Write a claim, read it back, and return whether it is the first of its action in its group.

        False also when the claim did not come back in time: what was not seen to win must not start.
        """
        deadline = time.monotonic() + timeout_s
        sent = self.write(claim)
        while time.monotonic() < deadline and sent.error is None:
            self.follow(0.01)
            self._producer.poll(0)
            winner = self._store.winner(claim.action)
            if winner is not None:
                return winner == claim.id
        return False

    def close(self) -> None:
        """Stop following."""
        self._tail.close()

    def _tail_from(self, start: int) -> Tail:
        return Tail(self._connection, topic=f"{self._audience.loop}.{Outcome.TOPIC}", start=start, wait_ms=100)

    def _end(self, deadline: float) -> int:
        """Ask where the topic ends now until the broker answers; what it refuses comes up while following."""
        while (end := self._tail.end(1.0)) is None:
            if time.monotonic() > deadline:
                raise BrokerError("expected Kafka to say where outcomes ends; is it there?")
            self.follow(0.05)
        return end

    def _read_on(self, timeout_s: float) -> None:
        """Read the next record; behind one that waits for its key, those that are there, since they wait no longer."""
        if len(self._ahead) >= AHEAD_MOST:
            time.sleep(timeout_s)
            return
        record = self._tail.poll(timeout_s)
        while record is not None:
            self._ahead.append((record, time.monotonic()))
            record = self._tail.poll(0) if 1 < len(self._ahead) < AHEAD_MOST else None

    def _folded(self) -> bool:
        """Fold the oldest record that was read; returns whether there was one and its key was not waited for."""
        if not self._ahead:
            return False
        record, came_s = self._ahead[0]
        end, there_s = self._there
        if record.offset < end:
            came_s = min(came_s, there_s)
        is_heard = self._control_heard_s() > came_s  # asked before the keyring is
        try:
            outcome = self._read(record)
        except SignatureError:
            if not is_heard:
                return False
            self.ignored += 1
            outcome = None
        self._ahead.popleft()
        self._store.fold(record.offset, outcome)
        return True

    def _read(self, record: LogRecord) -> Outcome | None:
        """Return the outcome of a record, None where it must not count; raises `SignatureError` for an unknown key."""
        try:
            outcome = wire.decode(Outcome.TOPIC, record.value, record.headers)
            self._verify(record)
        except ContractError as error:
            if error.reason == UNKNOWN_KEY:
                raise
            self.ignored += 1
            return None
        return outcome if isinstance(outcome, Outcome) else None

    def _verify(self, record: LogRecord) -> None:
        try:
            verify_record(
                Outcome.TOPIC,
                record.key,
                record.value,
                record.headers,
                keyring=self._trust.keyring,
                audience=self._audience,
                now_us=0,
            )
        except SignatureError as error:
            if error.reason not in WITHDRAWN:
                raise

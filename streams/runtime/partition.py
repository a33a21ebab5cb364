"""The owner of one partition: a thread that turns what waits in the inbox, or a due timer, into committed steps.

A step that wrote nothing, or only what can wait (`Event.PATIENT`), is no news: it is committed together with the next
one that is, or a little later. So a role that reads much and decides little is seldom in the middle of a commit when
something matters, its readers are not woken for every record, and Kafka, which makes a producer wait when one
transaction follows closely on another, is left alone.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from schemas.clock import LoopClock
from schemas.errors import BrokerError, FencedError
from schemas.raw import Message, RawBatch
from schemas.signing import Signer
from schemas.topics import SHARED_SOURCES
from streams.loop.processor import STOPPED_HERE_US, Now
from streams.loop.snapshot import next_slot
from streams.loop.step import StepOutput, journal_entry, journal_message, take_step
from streams.runtime import snapshots
from streams.runtime.clock import MICROSECONDS, Difference, PartitionClock, compare
from streams.runtime.held import Held
from streams.runtime.inbox import Fetched, Inbox
from streams.runtime.metrics import Metrics
from streams.runtime.spec import WorkerSpec
from streams.runtime.step_producer import AbortedError, Receipt
from streams.runtime.takeover import Takeover
from streams.runtime.torn import mend

_LOG = logging.getLogger("flyball.worker")
IDLE_S = 1.0
WAITING_LIMIT = 5_000
"""With so many messages at hand nothing waits for more."""
(CONTROL,) = SHARED_SOURCES
CONTROL_PARTITION = 0
_SNAPSHOT_SHARE = 4.0
"""A snapshot is not taken before folding has cost this many times what the last snapshot did."""


class PartitionOwner:
    """Folds and commits the steps of one partition until it is released."""

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        partition: int,
        takeover: Takeover,
        clock: LoopClock,
        heard_us: Callable[[], int],
        metrics: Metrics,
        failed: Callable[[int, BaseException], None],
    ) -> None:
        self.partition = partition
        self.inbox = Inbox(positions=takeover.positions)
        if takeover.orders is not None:
            self.inbox.put(Fetched(batch=takeover.orders, start=0, stop=takeover.orders.stop))
        self.paused: str | None = None
        """Why nothing is folded, if so."""
        self.moved_at = time.monotonic()
        """When a step was last committed, or there was nothing to do."""
        self._spec = spec
        self._writer = f"{spec.instance}/{os.getpid()}/{takeover.held.step}"
        """Who writes the journal: another name at every takeover, so that a zombie can be told from its heir."""
        self._held = takeover.held
        self._folded = takeover.held.role.next_offsets()
        self._producer = takeover.producer
        self._process_clock = clock
        self._clock = PartitionClock(clock=clock, floor_us=takeover.held.time_us)
        self._heard_us = heard_us
        self._stopped_here = False
        """Whether a stop file lay here in the last step: when one comes or goes there is a step of its own."""
        self._metrics = metrics
        self._failed = failed
        self._stopping = threading.Event()
        self._whole = True
        self._waiting: list[Message] = []
        """Journal entries of steps folded but not committed yet, each before what its step wrote."""
        self._newest_entry = 0
        """Where in `_waiting` the last journal entry is."""
        self._waiting_since = 0.0
        self._snapshot_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"{spec.role}-{partition}", daemon=True)
        self._pause_or_put_right(takeover.clocks)

    @property
    def step(self) -> int:
        """Number of the next step."""
        return self._held.step

    @property
    def control_offset(self) -> int:
        """First offset of `control` that no committed step has folded: what lies before is obeyed here."""
        return self._folded.get((CONTROL, CONTROL_PARTITION), 0)

    def position(self, topic: str) -> int:
        """Return the first offset of a source that no committed step has folded."""
        return self._folded.get((topic, self.partition), 0)

    def lives(self) -> bool:
        """Return whether the thread folds, or has yet to begin."""
        return self._thread.ident is None or self._thread.is_alive()

    def start(self) -> None:
        """Begin to fold."""
        self._thread.start()

    def release(self, *, snapshot: bool, timeout_s: float = 5.0) -> Held | None:
        """End: the running step is finished, or aborted when it takes too long; then the producer is given up.

        Returns the state when it is exactly what the journal says, so that a next takeover need not read it again.
        """
        self._stopping.set()
        self.inbox.close()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if self._thread.is_alive() or not self._whole or not self._waiting_steps_are_committed():
            self._producer.abort()
            return None
        if snapshot and self._held.behind_snapshot:
            try:
                self._take_snapshot()
            except (BrokerError, FencedError):
                return None
        return self._held

    def _waiting_steps_are_committed(self) -> bool:
        """Commit what still waits; a failure means that whoever takes over folds it again."""
        try:
            if self._waiting:
                self._commit()
        except (BrokerError, FencedError) as error:
            self._note_release(error)
            return False
        return True

    def _note_release(self, error: BaseException) -> None:
        """Say what came in between a release: whoever takes over next finds out what was committed."""
        _LOG.warning("released without its last step: %s", error, extra={"partition": self.partition})

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn()
        except BaseException as error:  # whatever it is, only the worker may decide what follows
            if self._stopping.is_set():
                self._note_release(error)
            else:
                self._failed(self.partition, error)

    def _turn(self) -> None:
        """Wait for something to do and do it: due timers first, else records."""
        if self.paused is not None:
            self._stopping.wait(IDLE_S)
            self.moved_at = time.monotonic()
            return
        wait_s = min(self._until_timer_s(), self._until_commit_s())
        batches = [] if wait_s <= 0 else self.inbox.take(timeout_s=min(wait_s, IDLE_S), gather_s=self._spec.gather_s)
        if batches or self._until_timer_s() <= 0 or self._is_stopped_here() != self._stopped_here:
            self._take_step(batches)
        if self._until_commit_s() <= 0:
            self._commit()
        self.moved_at = time.monotonic()

    def _is_stopped_here(self) -> bool:
        return self._heard_us() == STOPPED_HERE_US

    def _until_commit_s(self) -> float:
        return self._waiting_since + self._spec.gather_s - time.monotonic() if self._waiting else IDLE_S

    def _until_timer_s(self) -> float:
        due_us = self._held.role.next_time()
        return IDLE_S if due_us is None else (due_us - self._clock.now_us()) / MICROSECONDS

    def _take_step(self, batches: list[RawBatch]) -> None:
        began = time.monotonic()
        now_us = self._clock.now_us()
        self._whole = False
        now = Now(us=now_us, control_heard_us=min(self._heard_us(), now_us))
        self._stopped_here = now.stopped_here
        output = take_step(self._held.role, batches, now, loop=self._spec.loop)
        fold_s = time.monotonic() - began
        if not self._waiting:
            self._waiting_since = began
        self._newest_entry = len(self._waiting)
        self._waiting.append(self._journal_message(output))
        self._waiting += [signed(message, self._spec.sign) for message in output.messages]
        held = self._held
        held.step, held.time_us = held.step + 1, now_us
        held.replay_s += fold_s
        held.behind_snapshot += 1
        self._metrics.step(self.partition, output, fold_s=fold_s)
        self._whole = True
        if len(self._waiting) >= WAITING_LIMIT or not all(event.PATIENT for event in output.events):
            self._commit()

    def _journal_message(self, output: StepOutput) -> Message:
        spec = self._spec
        entry = journal_entry(
            output,
            loop=spec.loop,
            role=spec.role,
            partition=self.partition,
            step=self._held.step,
            code=spec.code,
            settings_hash=spec.settings_hash,
            instance=self._writer,
        )
        return journal_message(entry, loop=spec.loop)

    def _commit(self) -> None:
        """Commit the steps that wait, and what they wrote, in one transaction."""
        began = time.monotonic()
        self._whole = False
        sent_at_us = self._process_clock.elapsed_us()
        receipt = self._write(self._waiting, receipt_of=self._newest_entry)
        self._waiting = []
        held = self._held
        held.journal_offset = receipt.offset + 1
        self._folded = held.role.next_offsets()
        self._whole = True
        self._metrics.commit(time.monotonic() - began)
        self._pause_or_put_right(
            compare(self._process_clock, sent_at_us=sent_at_us, appended_us=receipt.appended_ms * 1_000)
        )
        if held.replay_s > max(self._spec.replay_limit_s, _SNAPSHOT_SHARE * self._snapshot_s):
            self._take_snapshot()

    def _write(self, messages: Sequence[Message], *, receipt_of: int = 0) -> Receipt:
        """Write in one transaction, and once more what had to be aborted because the broker stood still for a while.

        That fences nobody: where another owner came meanwhile, the abort fails.
        """
        try:
            return self._producer.write(messages, receipt_of=receipt_of)
        except AbortedError as error:
            if self._stopping.is_set():
                raise
            _LOG.warning("writing a transaction again: %s", error, extra={"partition": self.partition})
            mend(self._spec, self.partition, self._producer)
            return self._producer.write(messages, receipt_of=receipt_of)

    def _pause_or_put_right(self, clocks: Difference) -> None:
        """Pause where loop time is too far from the broker's; nearer, put it right if it never was and can be."""
        refusal = clocks.refusal(limit_s=self._spec.clock_limit_s)
        if refusal is not None:
            self.paused = f"{refusal}, then restart this worker"
            self._metrics.paused(self.partition, self.paused)
        elif clocks.is_sharp and self._process_clock.put_right(off_us=clocks.off_us, wall_off_us=clocks.wall_off_us):
            _LOG.warning(
                "started under a clock %+.1f s from the broker's, which was set right since: going on with that one",
                -clocks.off_us / MICROSECONDS,
                extra={"partition": self.partition},
            )

    def _take_snapshot(self) -> None:
        began = time.monotonic()
        held, spec = self._held, self._spec
        messages = snapshots.messages_at(spec, partition=self.partition, held=held)
        self._whole = False
        self._write(messages)
        self._whole = True
        held.slot, held.replay_s, held.behind_snapshot = next_slot(held.slot), 0.0, 0
        self._snapshot_s = time.monotonic() - began
        self._metrics.snapshot(
            self.partition,
            packed_bytes=sum(len(message.value or b"") for message in messages),
            seconds=self._snapshot_s,
        )


def signed(message: Message, signers: Mapping[str, Signer]) -> Message:
    """Return the message with its signature, where its topic has one."""
    signer = signers.get(message.topic)
    return message if signer is None else signer.sign(message)

"""A worker over the memory log, with the runtime's protocol; its life is a generator that can be cut anywhere. The
log's time is at hand here, where the runtime asks for the broker's with a record of its own.

Each `yield` names the point reached, so that a fault plan can end or freeze the instance there, mid-transaction
included; `idle` and `stopped` are the ordinary ends of a turn.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from schemas.errors import FencedError, RecoveryError
from schemas.events import JournalEntry
from schemas.raw import Message, RawBatch
from schemas.topics import GROUP_SOURCES, SHARED_SOURCES
from streams.loop.processor import Now
from streams.loop.role import Role
from streams.loop.snapshot import Snapshot, newest_snapshot, next_slot, snapshot_messages
from streams.loop.step import journal_entry, journal_message, replay_step, take_step
from streams.replay.clock import InstanceClock, SimulatedClock
from streams.replay.log import MemoryLog, MemoryProducer
from streams.replay.reading import inputs_of, read_events

Point = Literal[
    "takeover",
    "in-takeover",
    "before-fold",
    "after-fold",
    "in-transaction",
    "after-commit",
    "in-snapshot",
    "idle",
    "stopped",
    "fenced",
]
KILL_POINTS: tuple[Point, ...] = (
    "takeover",
    "in-takeover",
    "before-fold",
    "after-fold",
    "in-transaction",
    "after-commit",
    "in-snapshot",
)
CLOCK_TOLERANCE_US = 5_000_000
"""Loop time further than this from the log's append time is not trusted: the worker ends and says so."""


class Delivery(Protocol):
    """Which records a turn sees: the order of the sources, and how many of each (0: delayed to a later turn)."""

    def __call__(self, sources: Sequence[tuple[str, int]]) -> list[tuple[str, int, int]]:
        """Return (topic, partition, at most so many records) in the order in which to fold them."""
        ...


def in_order(sources: Sequence[tuple[str, int]]) -> list[tuple[str, int, int]]:
    """Deliver everything that is there, source by source."""
    return [(topic, partition, 1_000) for topic, partition in sources]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlace:
    """What a worker works for and with; the same for all instances of one partition of a role."""

    loop: str
    role: str
    partition: int
    make_role: Callable[[str, int], Role]
    settings_hash: str = "simulated"
    code: str = "simulated"
    steps_per_snapshot: int = 40

    @property
    def transactional_id(self) -> str:
        """Whoever asks for a producer of this id fences the former owner."""
        return f"{self.loop}/{self.role}/{self.partition}"

    def sources(self) -> list[tuple[str, int]]:
        """Return the topic partitions that the role folds here."""
        own = [(topic, self.partition) for topic in GROUP_SOURCES[self.role]]
        return [*((topic, 0) for topic in SHARED_SOURCES), *own]


class Worker:
    """One instance of a role's partition, from takeover to its end. `deaf` stops it from hearing `control`."""

    def __init__(
        self,
        *,
        place: WorkerPlace,
        log: MemoryLog,
        clock: SimulatedClock,
        instance: str,
        delivery: Delivery = in_order,
    ) -> None:
        self.place = place
        self.instance = instance
        self.role = place.make_role(place.role, place.partition)
        self.step = 0
        self.deaf = False
        self.stopping = False
        self._log = log
        self._clock = clock
        self._delivery = delivery
        self._sources = place.sources()
        self._journal_offset = 0
        self._slot = 0
        self._since_snapshot = 0
        self._waiting: list[list[Message]] = []
        """Steps folded but not committed yet: each its journal entry and what it wrote."""
        self._last_us = 0
        self._loop_clock = InstanceClock(clock, floor_us=0)

    def life(self) -> Iterator[Point]:
        """Take over, then step until fenced or stopped. Raises `RecoveryError` when replay does not fit."""
        try:
            yield "takeover"
            producer = self._log.producer(self.place.transactional_id)
            yield "in-takeover"
            yield from self._recover(producer)
            self._loop_clock = InstanceClock(self._clock, floor_us=self._last_us)
            self._compare_clocks()
            while not self.stopping:
                yield from self._turn(producer)
            if self._since_snapshot:
                yield from self._save(producer)
            yield "stopped"
        except FencedError:
            yield "fenced"

    def is_behind(self) -> bool:
        """Whether a source holds records that were not folded yet."""
        return bool(self._unread())

    def _turn(self, producer: MemoryProducer) -> Iterator[Point]:
        now = self._now()
        batches = self._gather()
        if batches:
            yield from self._take_step(producer, batches, now)
        due_us = self.role.next_time()
        if due_us is not None and due_us <= now.us:
            yield from self._take_step(producer, [], now)
        elif not batches:
            yield from self._commit(producer)
            yield "idle"
            return
        if self._since_snapshot >= self.place.steps_per_snapshot:
            yield from self._save(producer)

    def _take_step(self, producer: MemoryProducer, batches: Sequence[RawBatch], now: Now) -> Iterator[Point]:
        """Fold; what only wrote what can wait (`Event.PATIENT`) is committed with a step that cannot, or when idle."""
        yield "before-fold"
        output = take_step(self.role, batches, now, loop=self.place.loop)
        entry = journal_entry(
            output,
            loop=self.place.loop,
            role=self.place.role,
            partition=self.place.partition,
            step=self.step,
            code=self.place.code,
            settings_hash=self.place.settings_hash,
            instance=self.instance,
        )
        self._waiting.append([journal_message(entry, loop=self.place.loop), *output.messages])
        self.step += 1
        self._since_snapshot += 1
        self._last_us = now.us
        yield "after-fold"
        if not all(event.PATIENT for event in output.events):
            yield from self._commit(producer)

    def _commit(self, producer: MemoryProducer) -> Iterator[Point]:
        """Commit the steps that wait, and what they wrote, in one transaction."""
        if not self._waiting:
            return
        for entry, *outputs in self._waiting:
            (offset,) = producer.send([entry])
            yield "in-transaction"
            producer.send(outputs)
            self._journal_offset = offset + 1
        self._waiting = []
        producer.commit()
        yield "after-commit"
        self._compare_clocks()

    def _compare_clocks(self) -> None:
        """End where loop time is too far from the log's; nearer, put it right if it never was and can be."""
        if abs(self._loop_clock.off_us(self._log.now_us)) > CLOCK_TOLERANCE_US:
            self.stopping = True
        else:
            self._loop_clock.put_right(self._log.now_us)

    def _save(self, producer: MemoryProducer) -> Iterator[Point]:
        yield from self._commit(producer)
        snapshot = Snapshot(
            role=self.place.role,
            partition=self.place.partition,
            state=self.role.snapshot(),
            step=self.step,
            journal_offset=self._journal_offset,
            time_us=self._last_us,
            slot=self._slot,
            code=self.place.code,
        )
        messages = snapshot_messages(snapshot, loop=self.place.loop, next_offsets=self.role.next_offsets())
        producer.send(messages[:-1])
        yield "in-snapshot"
        producer.send(messages[-1:])
        producer.commit()
        self._slot = next_slot(self._slot)
        self._since_snapshot = 0

    def _recover(self, producer: MemoryProducer) -> Iterator[Point]:
        """Load the newest valid snapshot and fold the journal behind it, silently: its outputs are committed. What can
        learn again does where its state does not fit, and so does a role without a step.
        """
        state = read_events(self._log, f"state-{self.place.role}", self.place.partition, 0)
        snapshot = newest_snapshot((event for _, event in state), role=self.place.role, partition=self.place.partition)
        unfit: dict[str, RecoveryError] = {}
        if snapshot is not None:
            unfit = self.role.restore_what_fits(snapshot.state)
            self._refuse_unfit(unfit)
            self.step, self._journal_offset = snapshot.step, snapshot.journal_offset
            self._last_us = snapshot.time_us
            self._slot = next_slot(snapshot.slot)
        for offset, event in read_events(
            self._log, f"journal-{self.place.role}", self.place.partition, self._journal_offset
        ):
            if isinstance(event, JournalEntry):
                if unfit:
                    raise RecoveryError(f"expected no steps behind a snapshot that does not fit, got {event.step}")
                self._again(event)
                self._journal_offset = offset + 1
                yield "in-takeover"
        lessons = [self._relearn(name) for name in self.role.relearning if name in unfit or not self.step]
        if unfit or any(lessons):
            yield from self._save(producer)

    def _relearn(self, name: str) -> int:
        """Let a processor learn again from what is there; return how many events that were."""
        sources = GROUP_SOURCES[self.place.role]
        batches: list[RawBatch] = []
        for topic in self.role.relearning[name].learned_from:
            place = topic, self.place.partition
            stop = self.role.next_offset(*place) if topic in sources else self._log.end(*place)
            found = self._log.read_range(*place, 0, stop)
            batches += [] if found is None else [found]
        return self.role.relearn(name, batches, Now(self._last_us, 0)).events

    def _refuse_unfit(self, unfit: dict[str, RecoveryError]) -> None:
        for name, error in unfit.items():
            if name not in self.role.relearning:
                raise error

    def _again(self, entry: JournalEntry) -> None:
        if entry.step != self.step:
            raise RecoveryError(f"expected step {self.step} of {self.place.role}, got {entry.step}: journal is torn")
        mismatch = replay_step(self.role, entry, inputs_of(entry, self._log.read_range), loop=self.place.loop)
        if mismatch is not None:
            raise RecoveryError(f"step {entry.step} of {self.place.role} does not fit: {mismatch.detail}")
        self.step += 1
        self._since_snapshot += 1
        self._last_us = entry.time_us

    def _now(self) -> Now:
        if not self.deaf:
            self._loop_clock.hear()
        return Now(self._loop_clock.now_us(), self._loop_clock.heard_us())

    def _gather(self) -> list[RawBatch]:
        unread = self._unread()
        found = (
            self._log.read(topic, partition, self.role.next_offset(topic, partition), limit=limit)
            for topic, partition, limit in (self._delivery(unread) if unread else ())
            if limit > 0
        )
        return [batch for batch in found if batch is not None]

    def _unread(self) -> list[tuple[str, int]]:
        positions = self.role.next_offsets()
        return [source for source in self._sources if positions.get(source, 0) < self._log.end(*source)]

"""Taking over a partition: fence, newest snapshot, silent replay of the journal behind it, and only then go on."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka import Message as Record

from schemas import wire
from schemas.errors import BrokerError, ContractError, RecoveryError
from schemas.events import InputRange, JournalEntry
from schemas.kafka import make_consumer
from schemas.topics import SHARED_SOURCES
from streams.loop.processor import Now
from streams.loop.role import TELEMETRY_TOPICS, Role
from streams.loop.step import JOURNAL, journal_entry, journal_message, replay_step, take_loss
from streams.runtime import snapshots
from streams.runtime.clock import LoopClock, PartitionClock
from streams.runtime.log_reader import InputReader, PartitionReader, headers_of
from streams.runtime.spec import WorkerSpec
from streams.runtime.step_producer import StepProducer

ACCEPT_LOSS = "`flyball recover --accept-loss` goes on without it"


@dataclass(slots=True, kw_only=True)
class Held:
    """The state of one partition in memory, and its place in the journal."""

    role: Role
    step: int = 0
    """Number of the next step."""
    journal_offset: int = 0
    """Offset behind the last entry that the state holds."""
    time_us: int = 0
    """Loop time of the last step."""
    slot: int = 0
    """Snapshot slot to write next."""
    replay_s: float = 0.0
    """What folding the journal behind the newest snapshot again would take."""
    behind_snapshot: int = 0
    """Steps since the newest snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """What a takeover gives: state, the only producer allowed to go on with it, and where to read on."""

    held: Held
    producer: StepProducer
    positions: dict[str, int]
    """Registry topic to the first offset to read, for group and shared sources."""
    replayed: int
    seconds: float


def take_over(spec: WorkerSpec, *, partition: int, clock: LoopClock, kept: Held | None = None) -> Takeover:
    """Become the owner of a partition. `kept` is the state this process held after its last committed step, if any.

    Raises `RecoveryError` when the recorded outputs do not come out again, or inputs are gone that may not be.
    """
    began = time.monotonic()
    producer = StepProducer(spec, partition=partition)
    producer.open()
    held = kept or _from_snapshot(spec, partition)
    replayed = _replay(spec, partition, held)
    positions = {topic: held.role.next_offset(topic, partition) for topic in spec.group_sources()}
    if held.step:
        lost = _lost(spec, partition, positions)
        if lost:
            _refuse_other_loss(spec, lost)
            record_loss(spec, partition=partition, held=held, producer=producer, lost=lost, clock=clock)
            positions.update({gone.topic: gone.stop for gone in lost})
    positions.update({topic: held.role.next_offset(topic, 0) for topic in SHARED_SOURCES})
    return Takeover(
        held=held, producer=producer, positions=positions, replayed=replayed, seconds=time.monotonic() - began
    )


def _from_snapshot(spec: WorkerSpec, partition: int) -> Held:
    snapshot = snapshots.newest(spec, partition=partition)
    held = Held(role=spec.make_role(partition))
    if snapshot is None:
        return held
    held.role.restore(snapshot.state)
    held.step, held.journal_offset = snapshot.step, snapshot.journal_offset
    held.time_us, held.slot = snapshot.time_us, 1 - snapshot.slot
    return held


def _replay(spec: WorkerSpec, partition: int, held: Held) -> int:
    """Fold the journal behind the state; outputs are committed already, so only their digest is looked at."""
    entries = _journal(spec, partition, held)
    _refuse_other_code(spec, partition, entries)
    with InputReader(spec.connection, prefix=f"{spec.loop}.") as inputs:
        for offset, entry in entries:
            if entry.step != held.step:
                raise RecoveryError(
                    f"{_name(spec, partition)}: expected step {held.step} in the journal, got {entry.step}; "
                    "the journal is damaged, `flyball reset` starts afresh"
                )
            began = time.monotonic()
            _replay_entry(spec, partition, held.role, entry, inputs)
            held.replay_s += time.monotonic() - began
            held.behind_snapshot += 1
            held.step, held.journal_offset, held.time_us = entry.step + 1, offset + 1, entry.time_us
    return len(entries)


def _replay_entry(spec: WorkerSpec, partition: int, role: Role, entry: JournalEntry, inputs: InputReader) -> None:
    batches = [inputs.batch(part.topic, part.partition, part.start, part.stop) for part in entry.inputs]
    for part, batch in zip(entry.inputs, batches, strict=True):
        if not len(batch) or batch.stop != part.stop:
            raise RecoveryError(
                f"{_name(spec, partition)}: inputs {part.topic}/{part.partition}[{part.start}:{part.stop}] of step "
                f"{entry.step} are gone; {ACCEPT_LOSS}"
            )
    mismatch = replay_step(role, entry, batches, loop=spec.loop)
    if mismatch is not None:
        raise RecoveryError(
            f"{_name(spec, partition)}: step {entry.step} does not come out as recorded ({mismatch.detail}); "
            f"another CPU or library? {ACCEPT_LOSS}"
        )


def _journal(spec: WorkerSpec, partition: int, held: Held) -> list[tuple[int, JournalEntry]]:
    topic = f"{JOURNAL}-{spec.role}"
    with PartitionReader(
        spec.connection, topic=spec.full_name(topic), partition=partition, start=held.journal_offset
    ) as reader:
        return [(record.offset(), _entry(topic, record)) for record in reader.to_end()]


def _entry(topic: str, record: Record) -> JournalEntry:
    try:
        event = wire.decode(topic, record.value(), headers_of(record))
    except ContractError as error:
        raise RecoveryError(f"expected a step at {topic}@{record.offset()}, got {error}; {ACCEPT_LOSS}") from error
    if not isinstance(event, JournalEntry):
        raise RecoveryError(f"expected a step at {topic}@{record.offset()}, got {type(event).__name__}; {ACCEPT_LOSS}")
    return event


def _refuse_other_code(spec: WorkerSpec, partition: int, entries: Sequence[tuple[int, JournalEntry]]) -> None:
    for _, entry in entries:
        if entry.code != spec.code:
            raise RecoveryError(
                f"{_name(spec, partition)}: step {entry.step} was taken by version {entry.code}, this is {spec.code}; "
                f"stop a worker of version {entry.code} cleanly first (it leaves a snapshot), or {ACCEPT_LOSS}"
            )


def _lost(spec: WorkerSpec, partition: int, positions: dict[str, int]) -> list[InputRange]:
    """Return what retention removed before it was folded."""
    consumer = make_consumer(spec.connection, group="unused")
    try:
        lost = []
        for topic, position in positions.items():
            first, _ = consumer.get_watermark_offsets(TopicPartition(spec.full_name(topic), partition), timeout=30)
            if first > position:
                lost.append(InputRange(topic=topic, partition=partition, start=position, stop=first))
        return lost
    except KafkaException as error:
        raise BrokerError(f"{_name(spec, partition)}: expected to learn where its inputs begin, got {error}") from error
    finally:
        consumer.close()


def _refuse_other_loss(spec: WorkerSpec, lost: Sequence[InputRange]) -> None:
    """Telemetry may be lost, which is said and lived with; anything else a person must know of."""
    for part in lost:
        if part.topic not in TELEMETRY_TOPICS:
            raise RecoveryError(
                f"{_name(spec, part.partition)}: {part.topic}/{part.partition}[{part.start}:{part.stop}] was removed "
                f"before it was folded; {ACCEPT_LOSS}"
            )


def record_loss(
    spec: WorkerSpec,
    *,
    partition: int,
    held: Held,
    producer: StepProducer,
    lost: Sequence[InputRange],
    clock: LoopClock,
) -> None:
    """Commit a step that leaves inputs out and says so."""
    now_us = PartitionClock(clock=clock, floor_us=held.time_us).now_us()
    output = take_loss(held.role, lost, Now(us=now_us, control_heard_us=0), loop=spec.loop)
    entry = journal_entry(
        output,
        loop=spec.loop,
        role=spec.role,
        partition=partition,
        step=held.step,
        code=spec.code,
        settings_hash=spec.settings_hash,
        instance=spec.instance,
    )
    receipt = producer.write([journal_message(entry, loop=spec.loop), *output.messages])
    held.step, held.journal_offset, held.time_us = held.step + 1, receipt.offset + 1, now_us
    held.behind_snapshot += 1


def _name(spec: WorkerSpec, partition: int) -> str:
    return f"{spec.loop}/{spec.role}/{partition}"

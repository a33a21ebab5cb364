"""Taking over a partition: fence, newest snapshot, silent replay of the journal behind it, and only then go on."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from confluent_kafka import Message as Record

from schemas import wire
from schemas.clock import LoopClock
from schemas.errors import ContractError, RecoveryError
from schemas.events import InputRange, JournalEntry
from schemas.kafka import headers_of, make_consumer, range_of
from schemas.raw import RawBatch
from schemas.topics import SHARED_SOURCES
from streams.loop.processor import Now
from streams.loop.role import TELEMETRY_TOPICS
from streams.loop.snapshot import Snapshot, next_slot
from streams.loop.step import JOURNAL, journal_entry, journal_message, replay_step, take_loss
from streams.runtime import snapshots
from streams.runtime.broker_time import ask_broker_time
from streams.runtime.clock import Difference, PartitionClock
from streams.runtime.held import Held
from streams.runtime.inbox import STEP_RECORDS
from streams.runtime.log_reader import InputReader, PartitionReader, batch_of
from streams.runtime.relearning import relearn
from streams.runtime.spec import WorkerSpec
from streams.runtime.step_producer import StepProducer
from streams.runtime.torn import mend

_LOG = logging.getLogger("flyball.worker")
Journal = list[tuple[int, JournalEntry]]
(CONTROL,) = SHARED_SOURCES


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """What a takeover gives: state, the only producer allowed to go on with it, and where to read on."""

    held: Held
    producer: StepProducer
    clocks: Difference
    """How far the broker's time was away, before the replay."""
    positions: dict[str, int]
    """Registry topic to the first offset to read, for group and shared sources."""
    orders: RawBatch | None
    """What lies on `control` (at most as much as a step takes), where the role has read none of it yet: it is folded
    before anything else, so that no signature counts by a keyring that was replaced long ago.
    """
    replayed: int
    seconds: float


def take_over(spec: WorkerSpec, *, partition: int, clock: LoopClock, kept: Held | None = None) -> Takeover:
    """Become the owner of a partition. `kept` is the state this process held after its last committed step, if any.

    Raises `RecoveryError` when the recorded outputs do not come out again, or inputs are gone that may not be.
    """
    began = time.monotonic()
    producer = StepProducer(spec, partition=partition)
    producer.open()
    mended = mend(spec, partition, producer)
    if mended:
        _LOG.warning("aborted a transaction that Kafka left undecided", extra={"partition": partition, "in": mended})
    clocks = ask_broker_time(spec, partition, producer, clock)
    held = kept if kept is not None and _is_of_the_journal(spec, partition, kept) else from_snapshot(spec, partition)
    _refuse_unfit(spec, partition, held)
    replayed = _replay(spec, partition, held)
    positions = {topic: held.role.next_offset(topic, partition) for topic in spec.group_sources()}
    first = first_offsets(spec, partition)
    lost = [
        InputRange(topic=topic, partition=partition, start=position, stop=first[topic])
        for topic, position in positions.items()
        if held.step and first[topic] > position  # a role that never took a step begins where the log does
    ]
    if lost:
        _refuse_other_loss(spec, lost)
        if clocks.refusal(limit_s=spec.clock_limit_s) is None:  # else the owner is paused, and the next one writes it
            record_loss(spec, partition=partition, held=held, producer=producer, lost=lost, clock=clock)
    positions = {topic: max(position, first[topic]) for topic, position in positions.items()}
    positions.update({topic: held.role.next_offset(topic, 0) for topic in SHARED_SOURCES})
    if relearn(spec, partition, held):
        producer.write(snapshots.messages_at(spec, partition=partition, held=held))  # or else it begins again
        held.slot, held.unfit = next_slot(held.slot), {}
    return Takeover(
        held=held,
        producer=producer,
        clocks=clocks,
        positions=positions,
        orders=None if positions[CONTROL] else _all_orders(spec),
        replayed=replayed,
        seconds=time.monotonic() - began,
    )


def _all_orders(spec: WorkerSpec) -> RawBatch | None:
    with PartitionReader(spec.connection, topic=spec.full_name(CONTROL), partition=0) as reader:
        records = list(islice(reader.to_end(), STEP_RECORDS))
    return batch_of(CONTROL, 0, records) if records else None


def _is_of_the_journal(spec: WorkerSpec, partition: int, kept: Held) -> bool:
    """Return whether the last step of a kept state is still in the journal: it may have been aborted since."""
    if kept.journal_offset == 0:
        return True
    topic = spec.full_name(f"{JOURNAL}-{spec.role}")
    with PartitionReader(spec.connection, topic=topic, partition=partition, start=kept.journal_offset - 1) as reader:
        last = next(reader.to_end(), None)
    return last is not None and last.offset() == kept.journal_offset - 1


def from_snapshot(spec: WorkerSpec, partition: int) -> Held:
    """Return the state of the newest whole snapshot, or of a fresh role; raises `RecoveryError`."""
    snapshot = snapshots.newest(spec, partition=partition)
    return Held(role=spec.first_role(partition)) if snapshot is None else restored(spec, partition, snapshot)


def restored(spec: WorkerSpec, partition: int, snapshot: Snapshot) -> Held:
    """Return the state of a snapshot; processors may be `unfit`, but not all. Raises `RecoveryError`."""
    held = Held(role=spec.make_role(partition))
    if snapshot.state_settings != spec.state_settings and snapshot.state_settings:
        raise RecoveryError(
            f"{_name(spec, partition)}: the snapshot was taken under settings of {spec.role} "
            f"{snapshot.state_settings[:12]}, these are {spec.state_settings[:12] or 'without any'}: its state means "
            "nothing under them; go back to the former loop.toml, or begin afresh with `flyball reset`"
        )
    held.unfit = held.role.restore_what_fits(snapshot.state)
    if len(held.unfit) == len(held.role.processors):
        raise next(iter(held.unfit.values()))
    held.step, held.journal_offset = snapshot.step, snapshot.journal_offset
    held.time_us, held.slot = snapshot.time_us, next_slot(snapshot.slot)
    return held


def _refuse_unfit(spec: WorkerSpec, partition: int, held: Held) -> None:
    """Only what can learn again may be without its state."""
    for name, error in held.unfit.items():
        if name not in held.role.relearning:
            raise RecoveryError(
                f"{_name(spec, partition)}: {error}: go back to the release that wrote it, or give up this part of the "
                f"state alone: {_accept_loss(spec.role)}"
            )


def _replay(spec: WorkerSpec, partition: int, held: Held) -> int:
    """Fold the journal behind the state; outputs are committed already, so only their digest is looked at."""
    entries = read_journal(spec, partition, held)
    if entries and held.unfit:
        refused = "; ".join(str(error) for error in held.unfit.values())
        raise RecoveryError(
            f"{_name(spec, partition)}: {refused}, and {len(entries)} steps lie behind that snapshot: stop a worker of "
            f"the former release cleanly first (it leaves a newer one), or {_accept_loss(spec.role)}"
        )
    _refuse_other_code(spec, partition, entries)
    _refuse_other_settings(spec, partition, entries)
    with InputReader(spec.connection, prefix=f"{spec.loop}.") as inputs:
        for offset, entry in entries:
            _replay_entry(spec, held, offset, entry, inputs)
    return len(entries)


def replay_until_refused(spec: WorkerSpec, held: Held, entries: Journal) -> tuple[int, RecoveryError | None]:
    """Fold as much of a journal as comes out as recorded; return how many steps, and why not more."""
    folded = 0
    with InputReader(spec.connection, prefix=f"{spec.loop}.") as inputs:
        for offset, entry in entries:
            before = held.role.snapshot()
            try:
                _replay_entry(spec, held, offset, entry, inputs)
            except RecoveryError as error:
                held.role.restore(before)
                return folded, error
            folded += 1
    return folded, None


def _replay_entry(spec: WorkerSpec, held: Held, offset: int, entry: JournalEntry, inputs: InputReader) -> None:
    name, began = _name(spec, entry.partition), time.monotonic()
    if entry.step != held.step:
        raise RecoveryError(
            f"{name}: expected step {held.step} in the journal, got {entry.step}; the journal is damaged; "
            f"{_accept_loss(spec.role)}"
        )
    batches = [inputs.batch(part.topic, part.partition, part.start, part.stop) for part in entry.inputs]
    for part, batch in zip(entry.inputs, batches, strict=True):
        if not len(batch) or batch.stop != part.stop:
            raise RecoveryError(
                f"{name}: inputs {part.topic}/{part.partition}[{part.start}:{part.stop}] of step {entry.step} are "
                f"gone; {_accept_loss(spec.role)}"
            )
    mismatch = replay_step(held.role, entry, batches, loop=spec.loop)
    if mismatch is not None:
        raise RecoveryError(
            f"{name}: step {entry.step} does not come out as recorded ({mismatch.detail}); another CPU or library? "
            f"{_accept_loss(spec.role)}"
        )
    held.step, held.journal_offset, held.time_us = entry.step + 1, offset + 1, entry.time_us
    held.behind_snapshot += 1
    held.replay_s += time.monotonic() - began


def read_journal(spec: WorkerSpec, partition: int, held: Held) -> Journal:
    """Return the entries behind a state, each with its offset."""
    topic = f"{JOURNAL}-{spec.role}"
    with PartitionReader(
        spec.connection, topic=spec.full_name(topic), partition=partition, start=held.journal_offset
    ) as reader:
        return [(record.offset(), _entry(topic, record)) for record in reader.to_end()]


def _accept_loss(role: str) -> str:
    """Return what a person can do where a role cannot go on."""
    return f"`flyball recover --role {role} --accept-loss` goes on without it"


def _entry(topic: str, record: Record) -> JournalEntry:
    remedy = _accept_loss(topic.removeprefix(f"{JOURNAL}-"))
    try:
        event = wire.decode(topic, record.value(), headers_of(record))
    except ContractError as error:
        raise RecoveryError(f"expected a step at {topic}@{record.offset()}, got {error}; {remedy}") from error
    if not isinstance(event, JournalEntry):
        raise RecoveryError(f"expected a step at {topic}@{record.offset()}, got {type(event).__name__}; {remedy}")
    return event


def _refuse_other_code(spec: WorkerSpec, partition: int, entries: Journal) -> None:
    for _, entry in entries:
        if entry.code != spec.code:
            raise RecoveryError(
                f"{_name(spec, partition)}: step {entry.step} was taken by version {entry.code}, this is {spec.code}; "
                f"stop a worker of version {entry.code} cleanly first (it leaves a snapshot), or "
                f"{_accept_loss(spec.role)}"
            )


def _refuse_other_settings(spec: WorkerSpec, partition: int, entries: Journal) -> None:
    for _, entry in entries:
        if entry.settings_hash != spec.settings_hash:
            raise RecoveryError(
                f"{_name(spec, partition)}: step {entry.step} was taken under settings {entry.settings_hash[:12]}, "
                f"these are {spec.settings_hash[:12]}: start once with the former loop.toml and stop cleanly (it "
                "leaves a snapshot), or begin afresh with `flyball reset`"
            )


def first_offsets(spec: WorkerSpec, partition: int) -> dict[str, int]:
    """Return where the log of every group source begins now; raises `BrokerError`."""
    consumer = make_consumer(spec.connection, group="flyball-tail")
    try:
        return {topic: range_of(consumer, spec.full_name(topic), partition)[0] for topic in spec.group_sources()}
    finally:
        consumer.close()


def _refuse_other_loss(spec: WorkerSpec, lost: Sequence[InputRange]) -> None:
    """Telemetry may be lost, which is said and lived with; anything else a person must know of."""
    for part in lost:
        if part.topic not in TELEMETRY_TOPICS:
            raise RecoveryError(
                f"{_name(spec, part.partition)}: {part.topic}/{part.partition}[{part.start}:{part.stop}] was removed "
                f"before it was folded; {_accept_loss(spec.role)}"
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

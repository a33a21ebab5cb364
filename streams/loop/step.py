"""What one step is, for worker, replay and simulation alike: fold, encode, digest, and the journal entry about it.

A worker commits `journal_message(journal_entry(...))` and the step's `messages` in one transaction. A takeover or a
replay re-reads the entry's inputs and calls `replay_step`, which tells whether the same outputs come out again.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from schemas import wire
from schemas.events import Event, InputRange, JournalEntry, Loss
from schemas.ids import Cause, Mint, derive
from schemas.raw import Message, RawBatch
from streams.loop.processor import Now
from streams.loop.role import Role

JOURNAL = "journal"
_ENCODER = msgspec.msgpack.Encoder()


class StepOutput(msgspec.Struct, frozen=True, kw_only=True):
    """What a step made. `messages` are unsigned and in order; `digest` covers them to the last byte.

    `inputs` follow on one another without a gap: each begins where its source was left, so holes that transactions
    leave in the offsets lie inside a range.
    """

    now: Now
    inputs: tuple[InputRange, ...]
    events: tuple[Event, ...]
    messages: tuple[Message, ...]
    digest: str
    checksum: int = 0
    """Of the inputs, to the last byte: an altered value may change nothing but the state for a long time."""
    lost: tuple[InputRange, ...] = ()
    left_out: Mapping[str, int] = {}
    """Rows that this step left out, by reason; besides, what became of those that were late (`LATE_FATES`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A replayed step that differs from its journal entry, in one line."""

    role: str
    partition: int
    step: int
    detail: str


def take_step(role: Role, batches: Sequence[RawBatch], now: Now, *, loop: str) -> StepOutput:
    """Fold batches in the given order, or fire due timers when there are none; nothing leaves the role but the return.

    Raises `ValueError` when a batch begins before what was folded already: whoever reads the log must not re-read.
    """
    inputs = tuple(_ranges(role, batches))
    before = role.left_out()
    events = role.fold(batches, now) if batches else role.tick(now)
    messages = tuple([wire.encode(event, loop=loop) for event in events])
    return StepOutput(
        now=now,
        inputs=inputs,
        events=tuple(events),
        messages=messages,
        digest=digest_of(messages),
        checksum=checksum_of(batches),
        left_out={
            reason: rows - before.get(reason, 0)
            for reason, rows in role.left_out().items()
            if rows > before.get(reason, 0)
        },
    )


def take_loss(role: Role, lost: Sequence[InputRange], now: Now, *, loop: str) -> StepOutput:
    """Leave out inputs, as those that retention removed, and say so in one `Loss` event each."""
    role.note_loss()
    mint = Mint(loop=loop, processor=f"{role.name}:loss")
    events: list[Event] = []
    for gone in lost:
        role.skip_to(gone.topic, gone.partition, gone.stop)
        cause = Cause(gone.topic, gone.partition, gone.start)
        events.append(
            Loss(
                id=mint(cause),
                time_us=now.us,
                source=gone.topic,
                partition=gone.partition,
                start=gone.start,
                stop=gone.stop,
            )
        )
    messages = tuple(wire.encode(event, loop=loop) for event in events)
    return StepOutput(
        now=now, inputs=(), events=tuple(events), messages=messages, digest=digest_of(messages), lost=tuple(lost)
    )


def journal_entry(
    output: StepOutput,
    *,
    loop: str,
    role: str,
    partition: int,
    step: int,
    code: str,
    settings_hash: str,
    instance: str,
) -> JournalEntry:
    """Return the record of a step; `step` counts from 0 per role and partition."""
    return JournalEntry(
        id=derive(loop, JOURNAL, role, partition, step),
        time_us=output.now.us,
        control_heard_us=output.now.control_heard_us,
        role=role,
        partition=partition,
        step=step,
        inputs=output.inputs,
        outputs=len(output.messages),
        digest=output.digest,
        code=code,
        settings_hash=settings_hash,
        instance=instance,
        checksum=output.checksum,
        lost=output.lost,
    )


def journal_message(entry: JournalEntry, *, loop: str) -> Message:
    """Return a journal entry as the record for the role's journal, in the partition that the step belongs to."""
    message = wire.encode(entry, loop=loop, topic=f"{JOURNAL}-{entry.role}")
    return replace(message, partition=entry.partition)


def take_recorded(role: Role, entry: JournalEntry, batches: Sequence[RawBatch], *, loop: str) -> StepOutput:
    """Take a recorded step again, whatever its kind, and return what it makes this time."""
    now = Now(entry.time_us, entry.control_heard_us)
    if entry.lost:
        return take_loss(role, entry.lost, now, loop=loop)
    return take_step(role, batches, now, loop=loop)


def replay_step(role: Role, entry: JournalEntry, batches: Sequence[RawBatch], *, loop: str) -> Mismatch | None:
    """Take a recorded step again, on its inputs re-read by offset; return how its outputs differ, or None."""
    return mismatch_of(entry, take_recorded(role, entry, batches, loop=loop))


def mismatch_of(entry: JournalEntry, output: StepOutput) -> Mismatch | None:
    """Return how a step that was taken again differs from its journal entry, or None."""
    if output.inputs != entry.inputs:
        detail = f"expected the inputs {_told(entry.inputs)}, got {_told(output.inputs)}"
    elif output.checksum != entry.checksum:
        detail = f"the inputs {_told(entry.inputs)} are not the bytes that were folded"
    elif (len(output.messages), output.digest) != (entry.outputs, entry.digest):
        detail = (
            f"expected {entry.outputs} outputs with digest {entry.digest[:16]}, "
            f"got {len(output.messages)} with {output.digest[:16]}"
        )
    else:
        return None
    return Mismatch(role=entry.role, partition=entry.partition, step=entry.step, detail=detail)


def checksum_of(batches: Sequence[RawBatch]) -> int:
    """Return the CRC-32 of all keys, values and headers in order: cheap enough for bulk, sure to notice one byte."""
    checksum = 0
    for batch in batches:
        headers = batch.headers if any(batch.headers) else ()
        # MessagePack puts a length before each part: no byte moves between neighbours unseen, and none is not empty
        checksum = zlib.crc32(_ENCODER.encode((batch.keys, batch.values, headers)), checksum)
    return checksum


def digest_of(messages: Iterable[Message]) -> str:
    """Return BLAKE2b-256 (hex) over topic, partition, key, value and headers of every message, in order."""
    digest = hashlib.blake2b(digest_size=32)
    for message in messages:
        partition = None if message.partition is None else str(message.partition).encode()
        parts = [message.topic.encode(), partition, message.key, message.value]
        for name, value in message.headers:
            parts.append(name.encode())
            parts.append(value)
        # each part with its length before it, so that no two messages look alike; None (-1) is not empty (0)
        lengths = [-1 if part is None else len(part) for part in parts]
        digest.update(_head(len(parts)).pack(len(parts), *lengths))
        digest.update(b"".join(filter(None, parts)))
    return digest.hexdigest()


@lru_cache(maxsize=64)  # nearly all messages have as many parts
def _head(parts: int) -> struct.Struct:
    """Return how the number of parts of a message and their lengths are written."""
    return struct.Struct(f">{parts + 1}i")


def _ranges(role: Role, batches: Sequence[RawBatch]) -> Iterable[InputRange]:
    positions = role.next_offsets()
    for batch in batches:
        source = (batch.topic, batch.partition)
        position = positions.get(source, 0)
        if batch.start < position:
            raise ValueError(f"expected offset {position} or later of {source}, got {batch.start}: read already")
        positions[source] = batch.stop
        yield InputRange(topic=batch.topic, partition=batch.partition, start=position, stop=batch.stop)


def _told(inputs: Sequence[InputRange]) -> str:
    return ", ".join(f"{i.topic}/{i.partition}[{i.start}:{i.stop}]" for i in inputs) or "none"

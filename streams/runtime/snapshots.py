"""Snapshots on the compacted state topic: compressed, in chunks, in two alternating slots, the manifest last."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from schemas import wire
from schemas.errors import ContractError, RecoveryError
from schemas.events import Event, InputRange, SnapshotChunk, SnapshotManifest
from schemas.ids import derive
from schemas.raw import Message
from streams.runtime.held import Held
from streams.runtime.log_reader import PartitionReader, headers_of
from streams.runtime.spec import WorkerSpec

CHUNK_BYTES = 675_000
"""A record's value is base64 inside JSON: 675 kB become 900 kB."""
_CODEC = "zstd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The whole state of one partition of a role, and the place in the journal that it stands for."""

    state: bytes
    step: int
    """Number of the next step."""
    journal_offset: int
    """Offset behind the last journal entry that the state holds."""
    time_us: int
    """Loop time of that entry."""
    slot: int
    code: str


def messages_of(
    snapshot: Snapshot, *, spec: WorkerSpec, partition: int, next_offsets: tuple[InputRange, ...]
) -> list[Message]:
    """Return the records of a snapshot, manifest last; they belong in one transaction."""
    packed = len(snapshot.state).to_bytes(8, "big") + pa.compress(snapshot.state, codec=_CODEC, asbytes=True)
    pieces = [packed[at : at + CHUNK_BYTES] for at in range(0, len(packed), CHUNK_BYTES)]
    name = ("state", spec.role, partition, snapshot.step)
    events: list[SnapshotChunk | SnapshotManifest] = [
        SnapshotChunk(
            id=derive(spec.loop, *name, number),
            time_us=snapshot.time_us,
            slot=snapshot.slot,
            partition=partition,
            number=number,
            data=piece,
        )
        for number, piece in enumerate(pieces)
    ]
    manifest = SnapshotManifest(
        id=derive(spec.loop, *name, "manifest"),
        time_us=snapshot.time_us,
        slot=snapshot.slot,
        partition=partition,
        chunks=len(pieces),
        digest=hashlib.sha256(packed).hexdigest(),
        step=snapshot.step,
        journal_offset=snapshot.journal_offset,
        next_offsets=next_offsets,
        code=snapshot.code,
    )
    topic = f"state-{spec.role}"
    messages = [wire.encode(event, loop=spec.loop, topic=topic) for event in (*events, manifest)]
    return [replace(message, partition=partition) for message in messages]


def messages_at(spec: WorkerSpec, *, partition: int, held: Held) -> list[Message]:
    """Return the records of a snapshot of what is held now."""
    snapshot = Snapshot(
        state=held.role.snapshot(),
        step=held.step,
        journal_offset=held.journal_offset,
        time_us=held.time_us,
        slot=held.slot,
        code=spec.code,
    )
    ranges = tuple(
        InputRange(topic=topic, partition=number, start=offset, stop=offset)
        for (topic, number), offset in sorted(held.role.next_offsets().items())
    )
    return messages_of(snapshot, spec=spec, partition=partition, next_offsets=ranges)


def newest(spec: WorkerSpec, *, partition: int) -> Snapshot | None:
    """Read the state topic and return the newest snapshot that is whole, or None when there never was one.

    Raises `RecoveryError` when there are snapshots but none of them is whole.
    """
    topic = f"state-{spec.role}"
    with PartitionReader(spec.connection, topic=spec.full_name(topic), partition=partition) as reader:
        try:
            return newest_of(wire.decode(topic, record.value(), headers_of(record)) for record in reader.to_end())
        except ContractError as error:
            raise RecoveryError(
                f"{topic}/{partition}: expected snapshots, got {error}; see `flyball recover`"
            ) from error


def newest_of(events: Iterable[Event]) -> Snapshot | None:
    """Return the newest whole snapshot among the records of a state partition; raises `RecoveryError`."""
    slots: dict[int, _Slot] = {}
    for event in events:
        if isinstance(event, SnapshotChunk):
            slots.setdefault(event.slot, _Slot()).chunks[event.number] = event.data
        elif isinstance(event, SnapshotManifest):
            slots.setdefault(event.slot, _Slot()).manifest = event
    whole = [snapshot for slot in slots.values() for snapshot in slot.opened()]
    if slots and not whole:
        raise RecoveryError("expected a whole snapshot, found only damaged ones; see `flyball recover`")
    return max(whole, key=lambda snapshot: snapshot.step, default=None)


class _Slot:
    """What the topic holds of one slot."""

    def __init__(self) -> None:
        self.chunks: dict[int, bytes] = {}
        self.manifest: SnapshotManifest | None = None

    def opened(self) -> Iterator[Snapshot]:
        """Yield the snapshot of this slot when it is whole."""
        manifest = self.manifest
        if manifest is None or any(number not in self.chunks for number in range(manifest.chunks)):
            return
        packed = b"".join(self.chunks[number] for number in range(manifest.chunks))
        if hashlib.sha256(packed).hexdigest() != manifest.digest:
            return
        size = int.from_bytes(packed[:8], "big")
        yield Snapshot(
            state=pa.decompress(packed[8:], decompressed_size=size, codec=_CODEC, asbytes=True),
            step=manifest.step,
            journal_offset=manifest.journal_offset,
            time_us=manifest.time_us,
            slot=manifest.slot,
            code=manifest.code,
        )

"""Snapshots as records of a `state-ROLE` topic: compressed, in chunks, in two alternating slots, the manifest last.

A worker writes `snapshot_messages` in one transaction; a takeover reads the topic back and takes `newest_snapshot`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from msgspec.structs import replace

from schemas import wire
from schemas.errors import RecoveryError
from schemas.events import Event, InputRange, SnapshotChunk, SnapshotManifest
from schemas.ids import derive
from schemas.raw import Message
from streams.loop.packing import SIZE_BYTES, Bytes, packed_parts, unpack

STATE = "state"
SLOTS = 2
CHUNK_BYTES = 650_000
"""Bytes of compressed state per chunk; in base64, with the rest of its JSON, a record stays below 900 kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The whole state of one partition of a role, and the place in the journal that it stands for."""

    role: str
    partition: int
    state: Bytes
    step: int
    """Number of the next step."""
    journal_offset: int
    """Offset behind the last journal entry that the state holds."""
    time_us: int
    """Loop time of that entry: no later step may be earlier."""
    slot: int
    code: str
    state_settings: str = ""
    """Hash of the settings under which alone the state has a meaning; empty: of none."""


def snapshot_messages(snapshot: Snapshot, *, loop: str, next_offsets: Mapping[tuple[str, int], int]) -> list[Message]:
    """Return the records of a snapshot, manifest last; they belong in one transaction."""
    size, packed = packed_parts(snapshot.state)
    digest = hashlib.sha256(size)
    digest.update(packed)
    name = (loop, STATE, snapshot.role, snapshot.partition, snapshot.step)
    places = range(-SIZE_BYTES, len(packed), CHUNK_BYTES)
    chunks: Iterator[Event] = (  # one after another: all of them in bytes and in JSON would be twice the memory
        SnapshotChunk(
            id=derive(*name, number),
            time_us=snapshot.time_us,
            slot=snapshot.slot,
            partition=snapshot.partition,
            number=number,
            data=b"".join([size if at < 0 else b"", packed[max(at, 0) : at + CHUNK_BYTES]]),
        )
        for number, at in enumerate(places)
    )
    manifest = SnapshotManifest(
        id=derive(*name, "manifest"),
        time_us=snapshot.time_us,
        slot=snapshot.slot,
        partition=snapshot.partition,
        chunks=len(places),
        digest=digest.hexdigest(),
        step=snapshot.step,
        journal_offset=snapshot.journal_offset,
        next_offsets=tuple(
            InputRange(topic=topic, partition=partition, start=offset, stop=offset)
            for (topic, partition), offset in sorted(next_offsets.items())
        ),
        code=snapshot.code,
        state_settings=snapshot.state_settings,
    )
    topic = f"{STATE}-{snapshot.role}"
    return [
        replace(wire.encode(event, loop=loop, topic=topic), partition=snapshot.partition)
        for event in chain(chunks, [manifest])
    ]


def next_slot(slot: int) -> int:
    """Return the slot to write after this one: a snapshot never overwrites the one before it."""
    return (slot + 1) % SLOTS


def newest_snapshot(records: Iterable[Event], *, role: str, partition: int) -> Snapshot | None:
    """Return the whole snapshot with the highest step from the records of one partition in order, None without any; of
    two of the same step the later one: what had to be learned again is written without a step.

    A slot is whole when the chunks last written to it hash to its manifest. Raises `RecoveryError` when there are
    snapshots but none of them is whole.
    """
    chunks: dict[tuple[int, int], bytes] = {}
    manifests: dict[int, SnapshotManifest] = {}
    for event in records:
        if isinstance(event, SnapshotChunk) and event.partition == partition:
            chunks[event.slot, event.number] = event.data
        elif isinstance(event, SnapshotManifest) and event.partition == partition:
            manifests.pop(event.slot, None)
            manifests[event.slot] = event  # behind those that were written before
    for manifest in sorted(manifests.values(), key=lambda found: found.step)[::-1]:
        packed = b"".join(chunks.get((manifest.slot, number), b"") for number in range(manifest.chunks))
        if hashlib.sha256(packed).hexdigest() == manifest.digest:
            return _opened(manifest, packed, role=role)
    if manifests:
        raise RecoveryError(
            f"expected a whole snapshot of {role}/{partition}, found only damaged ones; see `flyball recover`"
        )
    return None


def _opened(manifest: SnapshotManifest, packed: bytes, *, role: str) -> Snapshot:
    return Snapshot(
        role=role,
        partition=manifest.partition,
        state=unpack(packed),
        step=manifest.step,
        journal_offset=manifest.journal_offset,
        time_us=manifest.time_us,
        slot=manifest.slot,
        code=manifest.code,
        state_settings=manifest.state_settings,
    )

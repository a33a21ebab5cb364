"""Snapshots as records of a `state-ROLE` topic: compressed, in chunks, in two alternating slots, the manifest last.

A worker writes `snapshot_messages` in one transaction; a takeover reads the topic back and takes `newest_snapshot`.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from schemas import wire
from schemas.events import Event, InputRange, SnapshotChunk, SnapshotManifest
from schemas.ids import derive
from schemas.raw import Message

STATE = "state"
SLOTS = 2
CHUNK_BYTES = 650_000
"""Bytes of compressed state per chunk; in base64, with the rest of its JSON, a record stays below 900 kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of a role's partition before step `step`, whose journal entry is at `journal_offset` or behind."""

    role: str
    partition: int
    state: bytes
    step: int
    journal_offset: int
    next_offsets: Mapping[tuple[str, int], int]
    code: str


def snapshot_messages(snapshot: Snapshot, *, loop: str, slot: int, now_us: int) -> list[Message]:
    """Return the records of a snapshot for the given slot (0 or 1), chunks first."""
    packed = zlib.compress(snapshot.state, 1)
    pieces = [packed[at : at + CHUNK_BYTES] for at in range(0, len(packed), CHUNK_BYTES)]
    named = (loop, STATE, snapshot.role, snapshot.partition, snapshot.step)
    chunks: list[Event] = [
        SnapshotChunk(
            id=derive(*named, number),
            time_us=now_us,
            slot=slot,
            partition=snapshot.partition,
            number=number,
            data=piece,
        )
        for number, piece in enumerate(pieces)
    ]
    manifest = SnapshotManifest(
        id=derive(*named, "manifest"),
        time_us=now_us,
        slot=slot,
        partition=snapshot.partition,
        chunks=len(chunks),
        digest=hashlib.sha256(packed).hexdigest(),
        step=snapshot.step,
        journal_offset=snapshot.journal_offset,
        next_offsets=tuple(
            InputRange(topic=topic, partition=partition, start=offset, stop=offset)
            for (topic, partition), offset in sorted(snapshot.next_offsets.items())
        ),
        code=snapshot.code,
    )
    topic = f"{STATE}-{snapshot.role}"
    return [
        replace(wire.encode(event, loop=loop, topic=topic), partition=snapshot.partition)
        for event in (*chunks, manifest)
    ]


def newest_snapshot(records: Iterable[Event], *, role: str, partition: int) -> tuple[Snapshot, int] | None:
    """Return the valid snapshot with the highest step and its slot, from the records of one partition in order.

    A slot is valid when the chunks last written to it hash to its manifest; a damaged one is passed over.
    """
    chunks: dict[tuple[int, int], bytes] = {}
    manifests: dict[int, SnapshotManifest] = {}
    for event in records:
        if isinstance(event, SnapshotChunk) and event.partition == partition:
            chunks[event.slot, event.number] = event.data
        elif isinstance(event, SnapshotManifest) and event.partition == partition:
            manifests[event.slot] = event
    for manifest in sorted(manifests.values(), key=lambda m: m.step, reverse=True):
        packed = b"".join(chunks.get((manifest.slot, number), b"") for number in range(manifest.chunks))
        if hashlib.sha256(packed).hexdigest() == manifest.digest:
            return _unpacked(manifest, packed, role=role), manifest.slot
    return None


def _unpacked(manifest: SnapshotManifest, packed: bytes, *, role: str) -> Snapshot:
    return Snapshot(
        role=role,
        partition=manifest.partition,
        state=zlib.decompress(packed),
        step=manifest.step,
        journal_offset=manifest.journal_offset,
        next_offsets={(source.topic, source.partition): source.start for source in manifest.next_offsets},
        code=manifest.code,
    )

"""What the runtime writes: presence, journal, snapshots, dead letters."""

from typing import ClassVar, Literal

import msgspec

from .base import Event


class Presence(Event, frozen=True, kw_only=True):
    """A worker or executor says that it lives, what it does, and whether it has heard `control`.

    `why` says why it is paused, where it is.
    """

    TYPE: ClassVar[str] = "flyball.presence.v1"
    TOPIC: ClassVar[str] = "presence"

    instance: str
    role: str
    version: str
    pid: int
    host: str
    state: Literal["running", "paused", "stopping"]
    control_heard_us: int
    control_offset: int
    partitions: tuple[int, ...] = ()
    step: int = 0
    lag: int = 0
    in_flight: tuple[str, ...] = ()
    settings_hash: str = ""
    why: str = ""

    def key(self) -> str:
        return self.instance


class InputRange(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Offsets `start` (included) to `stop` (excluded) of one source partition."""

    topic: str
    partition: int
    start: int
    stop: int


class JournalEntry(Event, frozen=True, kw_only=True):
    """One step: its loop time, its inputs in fold order (none: a timer step), and the digest of its outputs.

    `checksum` is the CRC-32 of the inputs' keys and values. `control_heard_us` is -1 while a stop file lay on the
    machine.
    """

    TYPE: ClassVar[str] = "flyball.step.v1"
    TOPIC: ClassVar[str] = "journal"

    role: str
    partition: int
    step: int
    control_heard_us: int
    inputs: tuple[InputRange, ...]
    outputs: int
    digest: str
    code: str
    settings_hash: str
    instance: str
    checksum: int = 0
    lost: tuple[InputRange, ...] = ()
    """Inputs that retention removed before they were folded; the outputs of such a step are its `Loss` events."""

    def key(self) -> str:
        return str(self.step)


class SnapshotChunk(Event, frozen=True, kw_only=True):
    """A piece of a compressed snapshot, at most 900 kB, in one of two alternating slots."""

    TYPE: ClassVar[str] = "flyball.snapshot-chunk.v1"
    TOPIC: ClassVar[str] = "state"

    slot: int
    partition: int
    number: int
    data: bytes

    def key(self) -> str:
        return f"{self.partition}/{self.slot}/{self.number}"


class SnapshotManifest(Event, frozen=True, kw_only=True):
    """The last record of a snapshot: valid only when all chunks are there and hash to `digest` (SHA-256).

    `state_settings` is the hash of those settings under which alone the state has a meaning; empty: of none.
    """

    TYPE: ClassVar[str] = "flyball.snapshot.v1"
    TOPIC: ClassVar[str] = "state"

    slot: int
    partition: int
    chunks: int
    digest: str
    step: int
    journal_offset: int
    next_offsets: tuple[InputRange, ...]
    code: str
    state_settings: str = ""

    def key(self) -> str:
        return f"{self.partition}/{self.slot}/manifest"


class DeadLetter(Event, frozen=True, kw_only=True):
    """A record (or one row of it) that could not be used, with its original bytes, headers, origin and reason."""

    TYPE: ClassVar[str] = "flyball.dead-letter.v1"
    TOPIC: ClassVar[str] = "dead-letters"

    origin_topic: str
    origin_partition: int
    origin_offset: int
    reason: str
    detail: str
    role: str
    row: int | None = None
    original_key: bytes | None = None
    original_value: bytes | None = None
    original_headers: tuple[tuple[str, bytes | None], ...] = ()

    def key(self) -> str:
        return f"{self.origin_topic}/{self.origin_partition}/{self.origin_offset}"

"""What a processor is: one small class that folds inputs into events and knows nothing of how it runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import msgspec

from schemas.events import Event
from schemas.ids import Cause
from streams.loop.telemetry import TelemetryBatch

STOPPED_HERE_US = -1
"""What a step has for when `control` was heard while a stop file lies on its machine."""


class Now(msgspec.Struct, frozen=True, gc=False):
    """The time of a step: loop time, and when `control` was last heard to its end (both in the journal)."""

    us: int
    control_heard_us: int

    @property
    def stopped_here(self) -> bool:
        """Whether a stop file lay on the machine of the step."""
        return self.control_heard_us == STOPPED_HERE_US


class Record(msgspec.Struct, frozen=True, gc=False):
    """One decoded event with the position it came from.

    An event handed on within a step keeps the position of the record that caused it.
    """

    cause: Cause
    event: Event


Input = Record | TelemetryBatch


class Processor(Protocol):
    """A pure fold. Laws (tests/laws): same input, same output; any split of a batch at the same `now` gives equal
    events, ids and snapshot; `restore(snapshot())` continues alike; a duplicate is harmless; state is bounded.
    """

    name: str

    def on_batch(self, inputs: Sequence[Input], now: Now) -> list[Event]:
        """Fold inputs in order and return the events they cause. Never fires timers."""
        ...

    def on_time(self, now: Now) -> list[Event]:
        """Fire every timer that is due at `now.us`, in order of due time."""
        ...

    def next_time(self) -> int | None:
        """Return the loop time (us) of the earliest timer, or None."""
        ...

    def snapshot(self) -> bytes | bytearray:
        """Return the whole state; equal states give equal bytes."""
        ...

    def restore(self, snapshot: bytes) -> None:
        """Replace the state by one that `snapshot` returned."""
        ...


@dataclass(frozen=True, slots=True)
class Refused:
    """A well-formed record of telemetry that a processor does not take, or not all of it: it becomes a dead letter."""

    cause: Cause
    reason: str
    detail: str


LATE_FATES = ("letter", "letter_limit", "letter_bytes")
"""What became of rows that were left out for the reason `late`: they are in a dead letter, or in none for a limit."""


@runtime_checkable
class Selective(Protocol):
    """A processor that leaves rows out and says so: `counts` is reason to rows since the beginning, and what became of
    the late ones (`LATE_FATES`) to theirs; `refused` are the records of the last `on_batch` that become dead letters
    for it, in order.
    """

    counts: dict[str, int]
    refused: list[Refused]


@runtime_checkable
class Told(Protocol):
    """A processor whose readers keep what it told: after a loss it tells again what of that is true."""

    def on_loss(self) -> None:
        """Take what was told for unknown: more may have been, in steps that are left out."""
        ...


@runtime_checkable
class Relearning(Protocol):
    """A processor that can learn again where no snapshot fits: from the topics `learned_from`, one after another, up to
    where its role reads on, or to the end of one that it does not read.
    """

    name: str
    learned_from: tuple[str, ...]

    def relearn(self, events: Iterable[Event]) -> None:
        """Forget what was learned, and learn it from these events in order; the rest of the state stays as it is."""
        ...

"""Following a recorded gate's journal with other gates, from where its inputs are still there."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from schemas.errors import RecoveryError
from schemas.events import JournalEntry
from schemas.topics import SHARED_SOURCES
from streams.loop.step import checksum_of
from streams.replay.reading import ReadRange, inputs_of
from streams.replay.what_if import OtherGate


class Beginning(NamedTuple):
    """The first step of which all inputs are there, and of all that follow.

    Orders of people of before that step are those of offsets below `orders`, or, where no later step read any (None),
    those that were written by `time_us`. `settings_hash` is under what it was taken.
    """

    step: int
    time_us: int
    settings_hash: str
    orders: int | None


def beginning_of(entries: Iterable[JournalEntry], first_offset: Callable[[str, int], int]) -> Beginning | None:
    """Return where a journal can be taken again from, or None where no step of it can be.

    `first_offset` tells from which offset on a source (registry topic, partition) still holds its records.
    """
    found: Beginning | None = None
    for entry in entries:
        if any(source.start < first_offset(source.topic, source.partition) for source in entry.inputs):
            found = None
        elif found is None:
            found = Beginning(entry.step, entry.time_us, entry.settings_hash, _orders(entry))
        elif found.orders is None:
            found = found._replace(orders=_orders(entry))
    return found


def _orders(entry: JournalEntry) -> int | None:
    return next((source.start for source in entry.inputs if source.topic in SHARED_SOURCES), None)


class Followed(NamedTuple):
    """How far a journal was followed: the time (us) of the last step, and why no further ("": to its end)."""

    last_us: int
    missing: str


def follow(
    gates: Sequence[OtherGate],
    entries: Iterable[JournalEntry],
    read_range: ReadRange,
    *,
    until_us: int | None = None,
) -> Followed:
    """Let gates take the steps of the recorded gate's journal up to a time.

    Where a step or its inputs are gone, or are not what was folded, the rest is not looked at: without them nothing
    later would be like it was.
    """
    last: JournalEntry | None = None
    missing = ""
    for entry in entries:
        if until_us is not None and entry.time_us > until_us:
            break
        try:
            _take(gates, last, entry, read_range)
        except (RecoveryError, ValueError) as error:
            missing = str(error)
            break
        last = entry
    return Followed(-1 if last is None else last.time_us, missing)


def _take(gates: Sequence[OtherGate], last: JournalEntry | None, entry: JournalEntry, read_range: ReadRange) -> None:
    """Let gates take a step; raises `RecoveryError`, or `ValueError` where its inputs were read already."""
    if last is not None and entry.step != last.step + 1:
        raise RecoveryError(f"step {entry.step} of {entry.role} follows step {last.step}: the journal is torn")
    batches = inputs_of(entry, read_range)
    if checksum_of(batches) != entry.checksum:
        raise RecoveryError(f"the inputs of step {entry.step} of {entry.role} are not the bytes that were folded")
    for gate in gates:
        gate.take(entry, batches)

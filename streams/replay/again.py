"""Taking a recorded run again: every step of a journal on its inputs, wherever they are read from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.errors import RecoveryError
from schemas.events import JournalEntry
from schemas.raw import RawBatch
from streams.loop.role import Role
from streams.loop.step import Mismatch, replay_step
from streams.replay.reading import ReadRange, inputs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay found: how many steps were taken again, which differed, and what could not be read."""

    steps: int
    mismatches: tuple[Mismatch, ...]
    missing: str | None = None
    """Why the replay ended early (inputs that retention removed), or None."""


def replay_run(
    role: Role, entries: Iterable[JournalEntry], read_range: ReadRange, *, loop: str, stop_at: int | None = None
) -> Replayed:
    """Fold a partition's journal from its first step into a fresh `role`; the role then holds the state it recorded.

    After `stop_at` differences the rest is not looked at: one lost input makes every later step differ.
    """
    steps = 0
    mismatches: list[Mismatch] = []
    for entry in entries:
        try:
            batches = inputs_of(entry, read_range)
        except RecoveryError as error:
            return Replayed(steps=steps, mismatches=tuple(mismatches), missing=str(error))
        mismatch = _taken(role, entry, batches, loop=loop)
        steps += 1
        if mismatch is not None:
            mismatches.append(mismatch)
            if len(mismatches) == stop_at:
                break
    return Replayed(steps=steps, mismatches=tuple(mismatches))


def _taken(role: Role, entry: JournalEntry, batches: Sequence[RawBatch], *, loop: str) -> Mismatch | None:
    try:
        return replay_step(role, entry, batches, loop=loop)
    except ValueError as error:
        return Mismatch(role=entry.role, partition=entry.partition, step=entry.step, detail=str(error))

"""`flyball recover --accept-loss`: go on from what is there, when journal and inputs no longer fit together."""

from collections.abc import Callable

from schemas.clock import LoopClock
from schemas.errors import RecoveryError
from schemas.events import InputRange
from schemas.topics import SHARED_SOURCES
from streams.loop.snapshot import Snapshot, next_slot
from streams.runtime import snapshots
from streams.runtime.broker_time import ask_broker_time
from streams.runtime.held import Held
from streams.runtime.relearning import relearn
from streams.runtime.spec import WorkerSpec
from streams.runtime.step_producer import StepProducer
from streams.runtime.takeover import (
    Journal,
    first_offsets,
    read_journal,
    record_loss,
    replay_until_refused,
    restored,
)
from streams.runtime.torn import mend


def accept_loss(
    spec: WorkerSpec, *, beforehand: Callable[[], None] = lambda: None, clock: LoopClock | None = None
) -> list[str]:
    """Rebuild the state of every partition of a role from what fits of its snapshot and as much of the journal as can
    be folded, leave the rest out, and let learn again what can (`relearn`).

    What is left out becomes a journal entry with its `Loss` events and a snapshot behind it, so that the next worker
    starts cleanly. Fences a worker that still runs. Returns what was lost by partition, and what was learned again.
    Where anything is lost, `beforehand` is called before that is written: if it fails, nothing has changed. Raises
    `RecoveryError` where the clocks of this machine and of the broker are too far apart.
    """
    lines, clock = [], clock or LoopClock()
    for partition in range(spec.partitions):
        lines += _accept_loss(spec, partition, beforehand, clock)
    return lines


def _accept_loss(spec: WorkerSpec, partition: int, beforehand: Callable[[], None], clock: LoopClock) -> list[str]:
    producer = StepProducer(spec, partition=partition)
    producer.open()
    mend(spec, partition, producer)
    name = f"{spec.loop}/{spec.role}/{partition}"
    far_off = ask_broker_time(spec, partition, producer, clock).refusal(limit_s=spec.clock_limit_s)
    if far_off is not None:
        raise RecoveryError(f"{name}: {far_off}, then try again")
    held, unfit_snapshot = _what_fits(spec, partition)
    entries = read_journal(spec, partition, held)
    first_step, began_afresh = held.step, bool(held.unfit)
    folded, refusal = replay_until_refused(spec, held, entries)
    lost = _left_out(spec, partition, held, entries[folded:])
    if entries and not first_step and refusal is None:  # the whole journal, so nothing is missing
        held.unfit = {}
    if not lost and refusal is None and not held.unfit:
        if began_afresh:
            producer.write(snapshots.messages_at(spec, partition=partition, held=held))
        return []
    beforehand()
    if entries:
        held.step, held.journal_offset = entries[-1][1].step + 1, entries[-1][0] + 1
        held.time_us = max(entry.time_us for _, entry in entries)
    if unfit_snapshot is not None:
        held.step, held.time_us = max(held.step, unfit_snapshot.step), max(held.time_us, unfit_snapshot.time_us)
    record_loss(spec, partition=partition, held=held, producer=producer, lost=lost, clock=clock)
    relearned = relearn(spec, partition, held)
    producer.write(snapshots.messages_at(spec, partition=partition, held=held))
    told = ", ".join(f"{part.topic}/{part.partition}[{part.start}:{part.stop}]" for part in lost) or "no inputs"
    reason = f" ({refusal})" if refusal else ""
    fresh = {} if folded and not first_step else held.unfit  # what was folded from the first step on is known
    return [
        f"{name}: left out {told} of {len(entries) - folded} steps{reason}",
        *(f"{name}: {processor} begins afresh ({error})" for processor, error in fresh.items()),
        *(f"{name}: {line}" for line in relearned),
    ]


def _what_fits(spec: WorkerSpec, partition: int) -> tuple[Held, Snapshot | None]:
    """Return the state of the newest whole snapshot with the processors that it fits; a fresh role where it fits none,
    with that snapshot, or where there is none that is whole.
    """
    fresh = Held(role=spec.first_role(partition))
    snapshot: Snapshot | None = None
    try:
        snapshot = snapshots.newest(spec, partition=partition)
        return (fresh, None) if snapshot is None else (restored(spec, partition, snapshot), None)
    except RecoveryError as error:
        fresh.unfit = dict.fromkeys(fresh.role.processors, error)
    if snapshot is not None:
        fresh.slot = next_slot(snapshot.slot)
    return fresh, snapshot


def _left_out(spec: WorkerSpec, partition: int, held: Held, entries: Journal) -> list[InputRange]:
    """Return the inputs of steps that could not be folded, and those that retention removed before they were; but no
    orders: these are kept for ever, and heard again.
    """
    reached = {(topic, partition): first for topic, first in first_offsets(spec, partition).items()}
    for _, entry in entries:
        for part in (*entry.inputs, *entry.lost):
            place = (part.topic, part.partition)
            if part.topic not in SHARED_SOURCES:
                reached[place] = max(part.stop, reached.get(place, 0))
    positions = {place: held.role.next_offset(*place) for place in reached}
    return [
        InputRange(topic=topic, partition=number, start=positions[topic, number], stop=stop)
        for (topic, number), stop in sorted(reached.items())
        if stop > positions[topic, number]
    ]

"""`flyball recover --accept-loss`: go on from what is there, when journal and inputs no longer fit together."""

from schemas.clock import LoopClock
from schemas.errors import RecoveryError
from schemas.events import InputRange
from streams.runtime import snapshots
from streams.runtime.held import Held
from streams.runtime.spec import WorkerSpec
from streams.runtime.step_producer import StepProducer
from streams.runtime.takeover import first_offsets, from_snapshot, read_journal, record_loss, replay_until_refused
from streams.runtime.torn import mend


def accept_loss(spec: WorkerSpec) -> list[str]:
    """Rebuild the state of every partition of a role as far as its journal can be folded, and leave the rest out.

    What is left out becomes a journal entry with its `Loss` events and a snapshot behind it, so that the next worker
    starts cleanly. Fences a worker that still runs. Returns one line per partition that lost something.
    """
    lines: list[str] = []
    for partition in range(spec.partitions):
        lines += _accept_loss(spec, partition)
    return lines


def _accept_loss(spec: WorkerSpec, partition: int) -> list[str]:
    producer = StepProducer(spec, partition=partition)
    producer.open()
    mend(spec, partition, producer)
    try:
        held = from_snapshot(spec, partition)
    except RecoveryError:
        held = Held(role=spec.make_role(partition))
    entries = read_journal(spec, partition, held)
    folded, refusal = replay_until_refused(spec, held, entries)
    reached = {(topic, partition): first for topic, first in first_offsets(spec, partition).items()}
    for _, entry in entries[folded:]:
        for part in (*entry.inputs, *entry.lost):
            place = (part.topic, part.partition)
            reached[place] = max(part.stop, reached.get(place, 0))
    positions = {place: held.role.next_offset(*place) for place in reached}
    lost = [
        InputRange(topic=topic, partition=number, start=positions[topic, number], stop=stop)
        for (topic, number), stop in sorted(reached.items())
        if stop > positions[topic, number]
    ]
    if not lost and refusal is None:
        return []
    if entries:
        held.step, held.journal_offset = entries[-1][1].step + 1, entries[-1][0] + 1
        held.time_us = max(entry.time_us for _, entry in entries)
    record_loss(spec, partition=partition, held=held, producer=producer, lost=lost, clock=LoopClock())
    producer.write(snapshots.messages_at(spec, partition=partition, held=held))
    told = ", ".join(f"{part.topic}/{part.partition}[{part.start}:{part.stop}]" for part in lost) or "no inputs"
    reason = f" ({refusal})" if refusal else ""
    return [f"{spec.loop}/{spec.role}/{partition}: left out {told} of {len(entries) - folded} steps{reason}"]

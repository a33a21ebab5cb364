"""Learning again what no snapshot holds, or none that fits: from what the role published, which is kept for longer."""

import logging
from collections.abc import Iterator
from itertools import chain

from schemas.kafka import headers_of
from schemas.raw import RawBatch
from streams.loop.processor import Now
from streams.runtime.held import Held
from streams.runtime.log_reader import PartitionReader
from streams.runtime.spec import WorkerSpec

_LOG = logging.getLogger("flyball.worker")
TOLD_EVERY = 10_000
"""Records after which it is said how far it has come."""


def relearn(spec: WorkerSpec, partition: int, held: Held) -> list[str]:
    """Let what is `unfit`, and in a role without a step whatever can, learn again; return what was, in a line each.

    That lasts when it is followed by a snapshot: until then it all begins again.
    """
    lines: list[str] = []
    for name, processor in held.role.relearning.items():
        if held.step and name not in held.unfit:
            continue
        topics = processor.learned_from
        records = chain.from_iterable(_records(spec, topic, partition, held) for topic in topics)
        lessons = held.role.relearn(name, records, Now(us=held.time_us, control_heard_us=0))
        if lessons.events or lessons.skipped or name in held.unfit:
            read = f"{lessons.events} events of {' and '.join(topics)}, {lessons.skipped} could not be read"
            lines.append(f"{name} learned again from {read}")
            _LOG.warning("%s (%s)", lines[-1], held.unfit.get(name, "no snapshot"), extra={"partition": partition})
    return lines


def _records(spec: WorkerSpec, topic: str, partition: int, held: Held) -> Iterator[RawBatch]:
    """Yield the records of a topic, one by one, and say now and then how many it were."""
    stop = held.role.next_offset(topic, partition) if topic in spec.group_sources() else None
    with PartitionReader(spec.connection, topic=spec.full_name(topic), partition=partition) as reader:
        for number, record in enumerate(reader.to_end(), start=1):
            if stop is not None and record.offset() >= stop:
                return
            if number % TOLD_EVERY == 0:
                _LOG.info("learning again: %d records of %s", number, topic, extra={"partition": partition})
            yield RawBatch(
                topic=topic,
                partition=partition,
                offsets=[record.offset()],
                keys=[record.key()],
                values=[record.value()],
                headers=[headers_of(record)],
            )

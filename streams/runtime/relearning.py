"""Learning again what no snapshot holds, or none that fits: from what the role published, which is kept for longer."""

import logging
from collections.abc import Iterator

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
        topic, now = processor.learned_from, Now(us=held.time_us, control_heard_us=0)
        lessons = held.role.relearn(name, _records(spec, topic, partition), now)
        if lessons.events or lessons.skipped or name in held.unfit:
            line = f"{name} learned again from {lessons.events} events of {topic}, {lessons.skipped} could not be read"
            _LOG.warning("%s (%s)", line, held.unfit.get(name, "no snapshot"), extra={"partition": partition})
            lines.append(line)
    return lines


def _records(spec: WorkerSpec, topic: str, partition: int) -> Iterator[RawBatch]:
    """Yield the records of a topic up to its end, one by one, and say now and then how many it were."""
    with PartitionReader(spec.connection, topic=spec.full_name(topic), partition=partition) as reader:
        for number, record in enumerate(reader.to_end(), start=1):
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

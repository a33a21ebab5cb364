"""Reads a loop's log after the killing is over, and compares it with what an uninterrupted fold makes of it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from schemas import wire
from schemas.connection import KafkaConnection
from schemas.events import InputRange, JournalEntry
from schemas.raw import Message, RawBatch
from schemas.topics import TOPICS
from streams.loop.processor import Now
from streams.loop.role import Role
from streams.loop.step import replay_step, take_step
from streams.runtime import snapshots
from streams.runtime.log_reader import PartitionReader, headers_of


@dataclass(slots=True, kw_only=True)
class LogPartition:
    """Everything committed to one partition, by offset."""

    topic: str
    partition: int
    records: dict[int, Message]

    def batch(self, start: int, stop: int) -> RawBatch:
        """Return the records of a range."""
        found = [offset for offset in self.records if start <= offset < stop]
        return RawBatch(
            topic=self.topic,
            partition=self.partition,
            offsets=found,
            keys=[self.records[offset].key for offset in found],
            values=[self.records[offset].value for offset in found],
            headers=[self.records[offset].headers for offset in found],
        )


class LoopLog:
    """The log of one loop, read once per partition."""

    def __init__(self, connection: KafkaConnection, loop: str) -> None:
        self._connection = connection
        self._loop = loop
        self._read: dict[tuple[str, int], LogPartition] = {}

    def partition(self, topic: str, partition: int) -> LogPartition:
        """Return what is committed to a partition now (or was, when first asked)."""
        place = (topic, partition)
        if place not in self._read:
            name = TOPICS[topic].full_name(self._loop)
            with PartitionReader(self._connection, topic=name, partition=partition) as reader:
                records = {
                    record.offset(): Message(
                        topic=topic,
                        key=record.key(),
                        value=record.value(),
                        headers=headers_of(record),
                        partition=partition,
                    )
                    for record in reader.to_end()
                }
            self._read[place] = LogPartition(topic=topic, partition=partition, records=records)
        return self._read[place]

    def journal(self, role: str, partition: int) -> list[JournalEntry]:
        """Return the steps of one partition of a role."""
        topic = f"journal-{role}"
        records = self.partition(topic, partition).records.values()
        events = [wire.decode(topic, record.value, record.headers) for record in records]
        return [event for event in events if isinstance(event, JournalEntry)]

    def newest_state(self, role: str, partition: int) -> bytes:
        """Return the state in the last snapshot of a partition."""
        topic = f"state-{role}"
        records = self.partition(topic, partition).records.values()
        newest = snapshots.newest_of(wire.decode(topic, record.value, record.headers) for record in records)
        assert newest is not None
        return newest.state


@dataclass(slots=True, kw_only=True)
class Findings:
    """What is wrong, in lines; `steps` counts the steps that were taken again."""

    steps: int = 0
    inputs: int = 0
    outputs: int = 0
    wrong: list[str] = field(default_factory=list)


def verify(
    log: LoopLog,
    *,
    loop: str,
    role: str,
    partitions: int,
    make_role: Callable[[int], Role],
    covered: tuple[str, ...],
    written: dict[str, int],
) -> Findings:
    """Check one role. `covered`: sources that must be folded to their end; `written`: its output topics, partitions."""
    findings = Findings()
    expected: Counter[tuple[str, bytes | None, bytes | None]] = Counter()
    for partition in range(partitions):
        entries = log.journal(role, partition)
        findings.wrong += _order_faults(entries, f"{role}/{partition}")
        ends = _ends(entries, findings, f"{role}/{partition}")
        for topic in covered:
            offsets = log.partition(topic, partition).records
            findings.inputs += len(offsets)
            if offsets and ends[topic, partition] != max(offsets) + 1:
                findings.wrong.append(f"{topic}/{partition}: folded up to {ends[topic, partition]}, not {max(offsets) + 1}")
        expected += _replayed(log, loop, make_role(partition), entries, findings)
        findings.steps += len(entries)
    findings.outputs = sum(expected.values())
    found = Counter(_outputs(log, written))
    findings.wrong += [f"written {n} times too often: {key[:2]}" for key, n in (found - expected).items()]
    findings.wrong += [f"missing {n} times: {key[:2]}" for key, n in (expected - found).items()]
    return findings


def folded_at_once(log: LoopLog, *, loop: str, role: Role, topic: str, partition: int) -> Role:
    """Return the role after one uninterrupted fold of a whole source partition."""
    offsets = log.partition(topic, partition).records
    if offsets:
        role.fold([log.partition(topic, partition).batch(0, max(offsets) + 1)], Now(us=1, control_heard_us=0))
    return role


def _order_faults(entries: list[JournalEntry], name: str) -> Iterator[str]:
    for number, entry in enumerate(entries):
        if entry.step != number:
            yield f"{name}: step {entry.step} stands where step {number} belongs"
    for before, after in zip(entries, entries[1:], strict=False):
        if after.time_us < before.time_us:
            yield f"{name}: loop time runs backwards at step {after.step}"


def _ends(entries: list[JournalEntry], findings: Findings, name: str) -> dict[tuple[str, int], int]:
    """Return where each source was folded to, and note gaps and overlaps."""
    ends: dict[tuple[str, int], int] = defaultdict(int)
    for entry in entries:
        for part in (*entry.inputs, *entry.lost):
            if part.start != ends[part.topic, part.partition] or part.stop <= part.start:
                findings.wrong.append(f"{name} step {entry.step}: {_told(part)} after {ends[part.topic, part.partition]}")
            ends[part.topic, part.partition] = part.stop
    return ends


def _replayed(
    log: LoopLog, loop: str, role: Role, entries: list[JournalEntry], findings: Findings
) -> Counter[tuple[str, bytes | None, bytes | None]]:
    """Take every step again and return its outputs."""
    outputs: Counter[tuple[str, bytes | None, bytes | None]] = Counter()
    for entry in entries:
        batches = [log.partition(part.topic, part.partition).batch(part.start, part.stop) for part in entry.inputs]
        before = role.snapshot()
        mismatch = replay_step(role, entry, batches, loop=loop)
        if mismatch is not None:
            findings.wrong.append(f"step {mismatch.step} of {mismatch.partition}: {mismatch.detail}")
            break
        role.restore(before)
        now = Now(us=entry.time_us, control_heard_us=entry.control_heard_us)
        again = take_step(role, batches, now, loop=loop)
        outputs += Counter((message.topic, message.key, message.value) for message in again.messages)
    return outputs


def _outputs(log: LoopLog, written: dict[str, int]) -> Iterator[tuple[str, bytes | None, bytes | None]]:
    for topic, partitions in written.items():
        for partition in range(partitions):
            for record in log.partition(topic, partition).records.values():
                yield (topic, record.key, record.value)


def _told(part: InputRange) -> str:
    return f"{part.topic}/{part.partition}[{part.start}:{part.stop}]"

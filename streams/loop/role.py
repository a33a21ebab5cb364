"""A role: processors run as one, with what every reader of a log needs (decoding, dead letters, duplicates, parking).

The same object runs in the Faust worker, in replay and in simulation: `fold` is a step, `tick` is a timer step.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from schemas.errors import ContractError, RecoveryError
from schemas.events import EVENT_TYPES, DeadLetter, Event
from schemas.ids import Cause, Mint
from schemas.raw import Headers, RawBatch
from streams.loop.packing import Bytes, encoded
from streams.loop.parking import Parking, awaited
from streams.loop.processor import Input, Now, Processor, Record, Relearning, Selective, Told
from streams.loop.relearning import Lessons
from streams.loop.remembering import remember
from streams.loop.telemetry import TelemetryBatch

STATE_VERSION = 1
SEEN_LIMIT = 20_000
PARKED_LIMIT = 10_000
TELEMETRY_TOPICS = ("raw", "telemetry")


class Decode:
    """How a role turns bytes into inputs; bound in the composition root."""

    def __init__(
        self,
        *,
        event: Callable[[str, bytes | None, bytes | None, Headers, Now], Event],
        telemetry: Callable[[RawBatch, Now], tuple[TelemetryBatch | None, list["BadRow"]]],
    ) -> None:
        self.event = event
        self.telemetry = telemetry

    def snapshot(self) -> bytes:
        """Return what decoding has learned from the log (such as a newer keyring); empty when it learns nothing."""
        return b""

    def restore(self, snapshot: bytes) -> None:
        """Replace it by what `snapshot` returned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A record, or one row of it, that cannot be used. `index` is its place in the raw batch."""

    index: int
    reason: str
    detail: str
    row: int | None = None


class _Parked(msgspec.Struct, frozen=True, array_like=True):
    topic: str
    partition: int
    offset: int
    type: str
    body: bytes


class _State(msgspec.Struct):
    version: int
    next_offsets: dict[str, int]
    seen: list[str]
    parked: list[_Parked]
    decode: bytes
    processors: dict[str, memoryview]


class Role:
    """An ordered list of processors; each sees the inputs and what the ones before it wrote in the same step."""

    def __init__(
        self,
        *,
        name: str,
        loop: str,
        processors: Sequence[Processor],
        decode: Decode,
        filter_duplicates: bool = True,
    ) -> None:
        self.name = name
        self._loop = loop
        self._processors = tuple(processors)
        self._selective = [processor for processor in self._processors if isinstance(processor, Selective)]
        self.relearning = {p.name: p for p in self._processors if isinstance(p, Relearning)}
        """The processors that can learn again from what was published, by name."""
        self.processors = tuple(p.name for p in self._processors)
        self._decode = decode
        self._filter_duplicates = filter_duplicates
        self._next: dict[tuple[str, int], int] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._parked = Parking()

    def next_offset(self, topic: str, partition: int) -> int:
        """Return the first offset of a source that was not folded yet (0 at the beginning)."""
        return self._next.get((topic, partition), 0)

    def next_offsets(self) -> dict[tuple[str, int], int]:
        """Return the first offset not folded yet, of every source seen so far."""
        return dict(self._next)

    def skip_to(self, topic: str, partition: int, offset: int) -> None:
        """Leave out inputs that retention removed; the caller records the `Loss`."""
        self._next[topic, partition] = offset

    def note_loss(self) -> None:
        """Let the processors that have readers tell again what is true: steps, or inputs, are left out."""
        for processor in self._processors:
            if isinstance(processor, Told):
                processor.on_loss()

    def next_time(self) -> int | None:
        """Return the loop time (us) of the earliest timer of all processors, or None."""
        times = [time for p in self._processors if (time := p.next_time()) is not None]
        return min(times, default=None)

    def left_out(self) -> dict[str, int]:
        """Return how many rows the processors have left out since the beginning, by reason, and what became of those
        that were late (`LATE_FATES`).
        """
        total: dict[str, int] = {}
        for processor in self._selective:
            for reason, rows in processor.counts.items():
                total[reason] = total.get(reason, 0) + rows
        return total

    def fold(self, batches: Sequence[RawBatch], now: Now) -> list[Event]:
        """Fold records in the given order and return the outputs in order."""
        outputs: list[Event] = []
        for batch in batches:
            if batch.topic in TELEMETRY_TOPICS:
                outputs += self._fold_telemetry(batch, now)
            else:
                outputs += self._fold_events(batch, now)
        return outputs

    def tick(self, now: Now) -> list[Event]:
        """Fire due timers; what a processor writes is handed on to the later ones."""
        outputs: list[Event] = []
        for processor in self._processors:
            handed = [Record(_cause_of(event), event) for event in outputs]
            if handed:
                outputs += processor.on_batch(handed, now)
            outputs += processor.on_time(now)
        return outputs

    def snapshot(self) -> Bytes:
        """Return the whole state of the role; equal states give equal bytes."""
        processors = {p.name: memoryview(p.snapshot()) for p in self._processors}
        state = _State(
            version=STATE_VERSION,
            next_offsets={f"{topic}/{partition}": n for (topic, partition), n in sorted(self._next.items())},
            seen=list(self._seen),
            parked=[_pack(record) for record in self._parked.records()],
            decode=self._decode.snapshot(),
            processors=processors,
        )
        return encoded(state, size=sum(map(len, processors.values())))

    def restore(self, snapshot: Bytes) -> None:
        """Replace the state by one that `snapshot` returned; raises `RecoveryError` when it is of another make."""
        for refusal in self.restore_what_fits(snapshot).values():
            raise refusal

    def restore_what_fits(self, snapshot: Bytes) -> dict[str, RecoveryError]:
        """Replace the state of a fresh role by one that `snapshot` returned; return why single processors, by name,
        refused theirs and are still fresh. Raises `RecoveryError` when it is not of these processors.
        """
        state = msgspec.msgpack.decode(snapshot, type=_State)
        names = {p.name for p in self._processors}
        if state.version != STATE_VERSION or set(state.processors) != names:
            raise RecoveryError(
                f"snapshot of role {self.name} must have version {STATE_VERSION} and processors {sorted(names)}, "
                f"got version {state.version} and {sorted(state.processors)}; `flyball reset` starts afresh"
            )
        self._next = {}
        for name, offset in state.next_offsets.items():
            topic, partition = name.rsplit("/", 1)
            self._next[topic, int(partition)] = offset
        self._seen = OrderedDict.fromkeys(state.seen)
        self._parked = Parking()
        for parked in state.parked:
            record = _unpack(parked)
            # what waits for nothing any more, its causes having been skipped, goes with the next record
            self._parked.park(record, awaited(record.event, self._next) or (next(iter(self._next)), -1))
        self._decode.restore(state.decode)
        refused: dict[str, RecoveryError] = {}
        for processor in self._processors:
            try:
                processor.restore(bytes(state.processors[processor.name]))
            except RecoveryError as error:
                refused[processor.name] = error
        return refused

    def relearn(self, name: str, batches: Iterable[RawBatch], now: Now) -> Lessons:
        """Let one of `relearning` learn again from the records of its topics, in order; return how many there were."""
        lessons = Lessons(batches, decode=self._decode.event, now=now)
        self.relearning[name].relearn(lessons)
        return lessons

    def _fold_telemetry(self, batch: RawBatch, now: Now) -> list[Event]:
        self._next[batch.topic, batch.partition] = batch.stop
        telemetry, bad_rows = self._decode.telemetry(batch, now)
        mint = Mint(loop=self._loop, processor=f"{self.name}:edge")
        outputs: list[Event] = [self._dead_letter(batch, bad, mint, now) for bad in bad_rows]
        if telemetry is not None:
            outputs += self._run([telemetry], now)
            outputs += [self._dead_letter(batch, bad, mint, now) for bad in self._refused(batch)]
        if any(isinstance(event, DeadLetter) for event in outputs):
            outputs.sort(key=_offset_of)  # as if each record had come in a batch of its own
        return outputs

    def _refused(self, batch: RawBatch) -> Iterator[BadRow]:
        """Yield the records that the processors would not take, though they are well-formed."""
        for processor in self._selective:
            for refused in processor.refused:
                index = bisect_left(batch.offsets, refused.cause.offset)
                yield BadRow(index=index, reason=refused.reason, detail=refused.detail)

    def _fold_events(self, batch: RawBatch, now: Now) -> list[Event]:
        outputs: list[Event] = []
        mint = Mint(loop=self._loop, processor=f"{self.name}:edge")
        topic, partition, decode = batch.topic, batch.partition, self._decode.event
        source = topic, partition
        rows = zip(batch.offsets, batch.keys, batch.values, batch.headers, strict=True)
        for index, (offset, key, value, headers) in enumerate(rows):
            self._next[source] = offset + 1
            try:
                event = decode(topic, key, value, headers, _written(batch, index, now))
            except ContractError as error:
                bad = BadRow(index=index, reason=error.reason, detail=error.detail)
                outputs.append(self._dead_letter(batch, bad, mint, now))
            else:
                outputs += self._admit(Record(Cause(topic, partition, offset), event), now)
            if self._parked.count:
                for record in self._parked.ready(self._next):
                    outputs += self._run([record], now)
        return outputs

    def _admit(self, record: Record, now: Now) -> list[Event]:
        if self._filter_duplicates:
            if record.event.id in self._seen:
                return []
            remember(self._seen, record.event.id, SEEN_LIMIT)
        place = awaited(record.event, self._next)
        if place is not None and self._parked.count < PARKED_LIMIT:
            self._parked.park(record, place)
            return []
        return self._run([record], now)

    def _run(self, inputs: list[Input], now: Now) -> list[Event]:
        outputs: list[Event] = []
        made: list[Event] = []
        for processor in self._processors:
            if made:
                inputs = [*inputs, *(Record(_cause_of(event), event) for event in made)]
            made = processor.on_batch(inputs, now)
            outputs += made
        return outputs

    def _dead_letter(self, batch: RawBatch, bad: BadRow, mint: Mint, now: Now) -> DeadLetter:
        cause = Cause(batch.topic, batch.partition, batch.offsets[bad.index])
        return DeadLetter(
            id=mint(cause),
            time_us=now.us,
            origin_topic=batch.topic,
            origin_partition=batch.partition,
            origin_offset=cause.offset,
            reason=bad.reason,
            detail=bad.detail,
            role=self.name,
            row=bad.row,
            original_key=batch.keys[bad.index],
            original_value=batch.values[bad.index],
            original_headers=tuple(batch.headers[bad.index]),
        )


def _cause_of(event: Event) -> Cause:
    """Return the position an output came from: its first cause (every output has one; timers name themselves)."""
    return Cause.parse(event.causes[0]) if event.causes else Cause(f"event:{event.id}", 0, 0)


def _written(batch: RawBatch, index: int, now: Now) -> Now:
    """Return the time by which the key of a record counts: when it was written, where that is known, else now."""
    written_us = batch.written_us[index] if batch.written_us else 0
    return Now(written_us, now.control_heard_us) if written_us else now


def _offset_of(event: Event) -> int:
    """Return the offset of the record that an output, or a dead letter, came from."""
    return event.origin_offset if isinstance(event, DeadLetter) else _cause_of(event).offset


def _pack(record: Record) -> _Parked:
    return _Parked(
        record.cause.topic,
        record.cause.partition,
        record.cause.offset,
        type(record.event).TYPE,
        msgspec.json.encode(record.event),
    )


def _unpack(parked: _Parked) -> Record:
    event = msgspec.json.decode(parked.body, type=EVENT_TYPES[parked.type])
    return Record(Cause(parked.topic, parked.partition, parked.offset), event)

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec
import pytest

from schemas.events import Event
from streams.loop.processor import Input, Record
from streams.loop.telemetry import TelemetryBatch
from tests.laws.recorded import PROCESSORS, Call, calls_of, fresh, give, rows_of

every_processor = pytest.mark.parametrize("name", sorted(PROCESSORS))
every_folding_processor = pytest.mark.parametrize("name", sorted(set(PROCESSORS) - {"ingest"}))
"""`ingest` passes rows on without looking at them: of two equal rows `detect` counts one."""
DRAWS = range(3)


@every_processor
def test_the_recorded_run_reaches_every_processor_and_makes_it_write(name: str) -> None:
    processor = fresh(name)
    events = [event for call in calls_of(name) for event in give(processor, call)]
    assert len(calls_of(name)) >= 20
    assert len(events) >= 10


@every_processor
def test_same_input_gives_same_output(name: str) -> None:
    one, other = fresh(name), fresh(name)
    for call in calls_of(name):
        assert give(one, call) == give(other, call)
    assert one.snapshot() == other.snapshot()


@every_processor
@pytest.mark.parametrize("draw", DRAWS)
def test_any_split_of_a_batch_gives_equal_events_and_snapshot(name: str, draw: int) -> None:
    whole, parted = fresh(name), fresh(name)
    chance = random.Random(draw)
    for call in calls_of(name):
        expected = give(whole, call)
        pieces = [p for p in split(call.inputs, chance) if p] or [[]]
        got = [event for piece in pieces for event in give(parted, Call(call.now, tuple(piece)))]
        assert got == expected
        assert parted.snapshot() == whole.snapshot()


@every_processor
@pytest.mark.parametrize("draw", DRAWS)
def test_a_restored_processor_continues_alike(name: str, draw: int) -> None:
    living, restored = fresh(name), fresh(name)
    chance = random.Random(draw)
    for call in calls_of(name):
        if chance.random() < 0.3:
            snapshot = restored.snapshot()
            restored = fresh(name)
            restored.restore(snapshot)
            assert restored.snapshot() == snapshot
        assert restored.next_time() == living.next_time()
        assert give(restored, call) == give(living, call)
    assert restored.snapshot() == living.snapshot()


@every_folding_processor
def test_a_duplicate_changes_nothing_that_is_written(name: str) -> None:
    """What is written again under its id (the gate repeats a recorded verdict) is dropped by whoever reads it."""
    once, again = fresh(name), fresh(name)
    seen: set[str] = set()
    for call in calls_of(name):
        expected = give(once, call)
        doubled = tuple(twice for one in call.inputs for twice in (one, one))
        got = give(again, Call(call.now, doubled))
        assert list({event.id: event for event in got if event.id not in seen}.values()) == expected
        seen.update(event.id for event in got)


@every_processor
def test_inputs_are_left_as_they_were(name: str) -> None:
    processor = fresh(name)
    for call in calls_of(name):
        before = [told(one) for one in call.inputs]
        give(processor, call)
        assert [told(one) for one in call.inputs] == before


@every_processor
def test_next_time_lies_ahead_once_the_due_timers_have_fired(name: str) -> None:
    processor = fresh(name)
    for call in calls_of(name):
        give(processor, call)
        processor.on_time(call.now)
        due_us = processor.next_time()
        assert due_us is None or due_us > call.now.us


@every_processor
def test_every_id_is_written_once(name: str) -> None:
    processor = fresh(name)
    ids = [event.id for call in calls_of(name) for event in give(processor, call)]
    assert len(set(ids)) == len(ids)


@every_processor
def test_every_output_names_its_cause(name: str) -> None:
    processor = fresh(name)
    events: list[Event] = [event for call in calls_of(name) for event in give(processor, call)]
    assert all(event.causes for event in events)


def split(inputs: Sequence[Input], chance: random.Random) -> Iterator[list[Input]]:
    """Cut a batch, and the telemetry in it, into pieces."""
    piece: list[Input] = []
    for one in inputs:
        if isinstance(one, TelemetryBatch) and len(one) > 1:
            # a record is folded whole: its rows share one offset, and its outputs count within one call
            between = [row for row in range(1, len(one)) if one.offsets[row] != one.offsets[row - 1]]
            cuts = sorted({0, len(one), *chance.sample(between, min(2, len(between)))})
            yield piece
            piece = []
            for start, stop in pairwise(cuts):
                yield [rows_of(one, start, stop)]
        else:
            piece.append(one)
            if chance.random() < 0.5:
                yield piece
                piece = []
    yield piece


def told(one: Input) -> bytes:
    """Return everything that an input says, as bytes."""
    if isinstance(one, Record):
        return msgspec.json.encode((str(one.cause), one.event))
    arrays = one.offsets.tobytes() + one.time_us.tobytes() + one.values.tobytes()
    return arrays + msgspec.json.encode(
        (list(one.entities), one.metrics, sorted(one.tokens.items()), sorted(one.groups.items()))
    )

"""Samples that come late: into their window while it waits, and beyond that into a dead letter with its bytes."""

from itertools import pairwise

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from schemas.arrow import TIME_TYPE, to_stream
from schemas.events import DeadLetter, Episode, Event, Measurement, Overflow, TelemetryFrame
from schemas.raw import RawBatch
from schemas.wire import encode
from streams.loop.decode import make_decode
from streams.loop.detect import Detect, DetectSettings
from streams.loop.processor import Now
from streams.loop.role import Role
from streams.loop.telemetry import TelemetryBatch
from streams.operate.narration import Narration
from tests.loop.test_detect import HEALTHY, START, at, batch, detector

SECOND = 1_000_000


def role(**changes: int) -> Role:
    detect = Detect(DetectSettings(**changes), loop="loop", partition=0, seed=1)
    return Role(name="detect", loop="loop", processors=[detect], decode=make_decode())


def sample(second: float, entity: str = "pump") -> bytes:
    return msgspec.json.encode({"entity": entity, "time": START + round(second * SECOND), "values": {"load": 10.0}})


def raw(values: list[bytes], first: int = 0) -> RawBatch:
    return RawBatch(
        topic="telemetry",
        partition=0,
        offsets=range(first, first + len(values)),
        keys=[b"pump"] * len(values),
        values=values,
        headers=[()] * len(values),
    )


def letters_of(events: list[Event]) -> list[DeadLetter]:
    return [event for event in events if isinstance(event, DeadLetter)]


def test_a_sample_behind_the_lateness_is_a_dead_letter_with_its_bytes() -> None:
    values = [sample(0.0), sample(1.2), sample(0.5), sample(3.1), sample(0.7), sample(1.5), sample(3.3)]
    detect = role(window_us=SECOND, lateness_us=SECOND)
    letters = letters_of(detect.fold([raw(values)], at(4)))
    assert [(letter.origin_offset, letter.original_value, letter.original_key) for letter in letters] == [
        (4, values[4], b"pump"),
        (5, values[5], b"pump"),
    ]
    assert {letter.reason for letter in letters} == {"late"}
    assert f"pump at {START + 700_000} us" in letters[0].detail
    assert (detect.left_out()["late"], detect.left_out()["letter"]) == (2, 2)


def test_a_sample_within_the_lateness_counts_in_its_window() -> None:
    steady = [sample(second) for second in range(40)]
    patient = role(window_us=SECOND, lateness_us=2 * SECOND)
    assert letters_of(patient.fold([raw([*steady, sample(38.5), sample(39.5)])], at(40))) == []
    assert not any(patient.left_out().values())


def test_one_dead_letter_holds_a_message_of_which_many_samples_are_late() -> None:
    seconds = [100.0, 3.0, 101.0, 5.0, 102.0]
    table = pa.table(
        {
            "entity": pa.array(["pump"] * 5),
            "time": pa.array([START + round(second * SECOND) for second in seconds], type=TIME_TYPE),
            "load": pa.array(np.full(5, 10.0)),
        }
    )
    message = encode(TelemetryFrame(id="frame", time_us=START, partition=0, stream=to_stream(table)), loop="loop")
    frame = RawBatch(
        topic="telemetry",
        partition=0,
        offsets=[7],
        keys=[None],
        values=[message.value],
        headers=[message.headers],
    )
    (letter,) = letters_of(role(window_us=SECOND).fold([frame], at(103)))
    assert letter.original_value == message.value
    assert letter.original_headers == tuple(message.headers)
    assert "got 2 of closed ones, first of pump" in letter.detail
    assert "good rows 1, 3 of the record" in letter.detail


def test_what_is_sent_again_makes_few_dead_letters_a_minute_and_the_rest_is_told() -> None:
    detect = role(window_us=SECOND, letter_limit=5)
    seconds = [sample(second) for second in range(100)]
    detect.fold([raw(seconds)], at(100))
    found = detect.fold([raw(seconds[:90], 100)], at(100))
    assert [letter.origin_offset for letter in letters_of(found)] == [100, 101, 102, 103, 104]
    (told,) = [event for event in detect.tick(at(105)) if isinstance(event, Overflow)]
    assert (told.limit, told.rows, told.names, told.examples) == ("letter_limit", 85, 1, ("pump",))
    left_out = detect.left_out()
    assert [left_out[name] for name in ("late", "letter", "letter_limit", "letter_bytes")] == [90, 5, 85, 0]
    line = Narration().tell(told)
    assert line is not None
    assert line.endswith(
        "no room for 85 late samples of 1 entities in dead letters (pump) in partition 0: detect.letter_limit"
    )
    assert len(letters_of(detect.fold([raw(seconds[:90], 200)], at(180)))) == 5


def test_dead_letters_of_late_samples_have_so_many_bytes_a_minute_and_the_rest_is_told() -> None:
    """A large message finds no room any more, a small one behind it does."""
    detect = role(window_us=SECOND, letter_bytes=1_000)
    detect.fold([raw([sample(0), sample(100)])], at(100))
    large = sample(2).replace(b"}}", b"}" + b" " * 900 + b"}")
    sent = [sample(1), large, sample(3, "fan"), sample(3)]
    found = detect.fold([raw([sample(100, "fan"), *sent], 10)], at(100))
    assert [letter.origin_offset for letter in letters_of(found)] == [11, 13, 14]
    assert sum(len(letter.original_value or b"") for letter in letters_of(found)) < 1_000
    left_out = detect.left_out()
    assert [left_out[name] for name in ("late", "letter", "letter_limit", "letter_bytes")] == [4, 3, 0, 1]
    (told,) = [event for event in detect.tick(at(105)) if isinstance(event, Overflow)]
    assert (told.limit, told.rows, told.names, told.examples) == ("letter_bytes", 1, 1, ("pump",))
    assert "no room for 1 late samples" in (Narration().tell(told) or "")
    assert len(letters_of(detect.fold([raw([large], 20)], at(180)))) == 1


def test_a_letter_counts_with_its_key_and_headers() -> None:
    detect = role(window_us=SECOND, letter_bytes=200)
    late = raw([sample(0), sample(100), sample(1)])
    headed = msgspec.structs.replace(late, headers=[(), (), (("trace", b"t" * 150), ("none", None))])
    assert letters_of(detect.fold([headed], at(100))) == []
    assert detect.left_out()["letter_bytes"] == 1


@pytest.mark.parametrize("limits", [{"letter_limit": 5}, {"letter_bytes": 500}])
def test_which_late_samples_are_dead_letters_is_the_same_however_they_were_cut_and_after_a_restore(
    limits: dict[str, int],
) -> None:
    seconds = [sample(second) for second in range(30)]
    whole = role(window_us=SECOND, **limits)
    whole.fold([raw(seconds)], at(30))
    parted = role(window_us=SECOND, **limits)
    parted.restore(whole.snapshot())
    expected = whole.fold([raw(seconds[:20], 30)], at(31))
    assert 0 < len(letters_of(expected)) < 19
    events: list[Event] = []
    for number in range(20):
        events += parted.fold([raw(seconds[number : number + 1], 30 + number)], at(31))
        restored = role(window_us=SECOND, **limits)
        restored.restore(parted.snapshot())
        parted = restored
    assert events == expected
    assert parted.snapshot() == whole.snapshot()


def test_dead_letters_stand_among_the_rest_wherever_the_records_were_cut() -> None:
    """An episode opens between a late sample and one that is no sample at all."""
    values = [sample(second) for second in range(30)]
    faulty = [sample(30 + second).replace(b"10.0", b"900.0") for second in range(6)]
    values += [sample(3), *faulty[:3], b"no sample", sample(4), *faulty[3:], sample(5)]
    whole = role(window_us=SECOND).fold([raw(values)], at(40))
    assert [type(event) for event in whole if not isinstance(event, Measurement)] == [
        DeadLetter, Episode, DeadLetter, DeadLetter, Episode, DeadLetter,
    ]  # fmt: skip
    for cuts in ([0, 30, 31, 33, 35, 36, 39], [*range(40)]):
        parted = role(window_us=SECOND)
        events = [
            event
            for start, stop in pairwise([*cuts, len(values)])
            for event in (parted.fold([raw(values[start:stop], start)], at(40)) if start < stop else [])
        ]
        assert events == whole


def test_a_window_that_a_silence_closed_takes_nothing_from_what_was_sent_meanwhile() -> None:
    """The worker was away, its timers ring first, and the rest of the minute still waits in the topic."""
    detect = detector(window_us=60 * SECOND, idle_us=5 * SECOND)
    detect.on_batch([batch([("pump", second, {"load": 10.0}) for second in range(20)])], at(20))
    detect.on_time(at(40))
    detect.on_batch([batch([("pump", second, {"load": 10.0}) for second in range(20, 90)])], at(90))
    assert not any(detect.counts.values())
    detect.on_batch([batch([("pump", second, {"load": 10.0}) for second in range(15, 20)])], at(90))
    assert detect.counts["late"] == 5


@pytest.mark.parametrize(("abnormal_s", "opened_s"), [(60, []), (120, [1_220])])
def test_a_window_that_a_silence_cut_in_two_counts_once_of_the_last_three(abnormal_s: int, opened_s: list[int]) -> None:
    detect = detector(window_us=60 * SECOND, idle_us=5 * SECOND, close_windows=1)

    def rows(start: int, stop: int) -> TelemetryBatch:
        faulty = range(1_220, 1_220 + abnormal_s)
        return batch([("pump", s, {"load": 99.0 if s in faulty else HEALTHY[s % 5]}) for s in range(start, stop)])

    events = detect.on_batch([rows(0, 1_240)], at(1_240))
    events += detect.on_time(at(1_260))  # the worker was away
    events += detect.on_batch([rows(1_240, 1_500)], at(1_500))
    opened = [event for event in events if isinstance(event, Episode) and event.phase == "opened"]
    assert [event.opened_us for event in opened] == [at(second).us for second in opened_s]


def test_what_was_refused_is_told_once() -> None:
    detect = detector(window_us=SECOND)
    detect.on_batch([batch([("pump", second, {"load": 10.0}) for second in (0, 5, 1)])], at(5))
    assert [refused.cause.offset for refused in detect.refused] == [2]
    detect.on_batch([batch([("pump", 6, {"load": 10.0})])], Now(at(6).us, 0))
    assert detect.refused == []

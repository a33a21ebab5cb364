"""What waits for a step: in order, once, joined, bounded."""

import threading
import time
from dataclasses import replace

import msgspec
import pytest

from schemas.raw import RawBatch
from streams.runtime.inbox import BATCH_LIMIT, LOAD_RECORDS, RECORD_LIMIT, STEP_RECORDS, Fetched, GapError, Inbox


def fetched(start: int, offsets: range, stop: int | None = None, topic: str = "telemetry") -> Fetched:
    found = list(offsets)
    batch = RawBatch(
        topic=topic,
        partition=0,
        offsets=found,
        keys=[None] * len(found),
        values=[b"%d" % offset for offset in found],
        headers=[()] * len(found),
    )
    return Fetched(batch=batch, start=start, stop=offsets.stop if stop is None else stop)


def inbox(**positions: int) -> Inbox:
    return Inbox(positions=positions or {"telemetry": 0})


def offsets(batches: list[RawBatch]) -> list[int]:
    return [offset for batch in batches for offset in batch.offsets]


def test_records_come_out_in_order_and_joined() -> None:
    box = inbox()
    box.put(fetched(0, range(3)))
    box.put(fetched(3, range(3, 5)))
    (batch,) = box.take(timeout_s=0, gather_s=0)
    assert (list(batch.offsets), batch.values[4]) == ([0, 1, 2, 3, 4], b"4")


def test_a_fetch_that_came_twice_is_taken_once() -> None:
    box = inbox()
    box.put(fetched(0, range(3)))
    box.put(fetched(0, range(5)))
    box.put(fetched(0, range(5)))
    assert offsets(box.take(timeout_s=0, gather_s=0)) == [0, 1, 2, 3, 4]


def test_holes_inside_a_fetch_are_no_gap() -> None:
    box = inbox()
    box.put(fetched(0, range(3), stop=5))  # transaction markers at 3 and 4
    box.put(fetched(5, range(5, 6)))
    assert offsets(box.take(timeout_s=0, gather_s=0)) == [0, 1, 2, 5]


def test_a_fetch_of_markers_alone_moves_the_position() -> None:
    box = inbox()
    box.put(fetched(0, range(0), stop=2))
    assert box.position("telemetry") == 2
    assert box.take(timeout_s=0, gather_s=0) == []


def test_a_fetch_that_begins_too_late_is_a_gap() -> None:
    box = inbox(telemetry=4)
    with pytest.raises(GapError, match=r"telemetry/0\[4:9\]"):
        box.put(fetched(9, range(9, 12)))


def test_topics_keep_their_order_of_arrival() -> None:
    box = inbox(insights=0, verdicts=0)
    for topic, start in (("insights", 0), ("verdicts", 0), ("insights", 1)):
        box.put(fetched(start, range(start, start + 1), topic=topic))
    assert [batch.topic for batch in box.take(timeout_s=0, gather_s=0)] == ["insights", "verdicts", "insights"]


def test_idle_records_do_not_wait_for_others() -> None:
    box = inbox()
    box.put(fetched(0, range(1)))
    began = time.monotonic()
    assert offsets(box.take(timeout_s=5, gather_s=5)) == [0]
    assert time.monotonic() - began < 1


def test_under_load_a_step_gathers_what_comes() -> None:
    box = inbox()
    box.put(fetched(0, range(LOAD_RECORDS)))
    later = threading.Timer(0.05, box.put, [fetched(LOAD_RECORDS, range(LOAD_RECORDS, LOAD_RECORDS + 9))])
    later.start()
    taken = box.take(timeout_s=0, gather_s=1.0)
    later.join()
    assert len(offsets(taken)) == LOAD_RECORDS + 9


def test_a_step_is_bounded() -> None:
    box = inbox()
    for number in range(4):
        box.put(fetched(number * 20_000, range(number * 20_000, (number + 1) * 20_000)))
    assert len(offsets(box.take(timeout_s=0, gather_s=0))) < STEP_RECORDS + 20_000
    assert box.records() == 40_000


def test_it_is_full_by_records_and_by_batches() -> None:
    many, pieces = inbox(), inbox()
    many.put(fetched(0, range(RECORD_LIMIT)))
    for number in range(BATCH_LIMIT):
        pieces.put(fetched(number, range(number, number + 1)))
    assert many.full()
    assert pieces.full()


def test_closing_wakes_who_waits() -> None:
    box = inbox()
    threading.Timer(0.05, box.close).start()
    began = time.monotonic()
    assert box.take(timeout_s=20, gather_s=0) == []
    assert time.monotonic() - began < 5


def test_when_the_broker_wrote_each_record_stays_with_it() -> None:
    box = inbox()
    for first, behind in ((0, 3), (1, 5)):  # the second fetch brings two of the first once more
        one = fetched(first, range(first, behind))
        times = [1_000 + offset for offset in one.batch.offsets]
        box.put(replace(one, batch=msgspec.structs.replace(one.batch, written_us=times)))
    (batch,) = box.take(timeout_s=0, gather_s=0)
    assert list(batch.written_us) == [1_000, 1_001, 1_002, 1_003, 1_004]

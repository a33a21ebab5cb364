"""Ingest: rows in, frames for the right partitions out, whatever batches the rows came in."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import wire
from schemas.arrow import from_stream
from schemas.events import Event, TelemetryFrame
from schemas.partitions import murmur2, partition_of
from streams.loop.decode import make_decode
from streams.loop.ingest import Ingest, IngestSettings
from streams.loop.processor import Now
from streams.loop.telemetry import TelemetryBatch
from tests.loop.decoding import NOW, NOW_US, decode, raw_batch

LINGER_US = 1000
LATER = Now(us=NOW_US + LINGER_US, control_heard_us=NOW_US)

# Three rows to a frame, four partitions; murmur2 puts a and b into 0, d and h into 1, c and e into 2, f into 3.
# Entities in | frames that became full, in order | frames that the timer sends.
TABLE = """
a d c f            |                        | 0: a ; 1: d ; 2: c ; 3: f
a a a              | 0: a a a               |
a b a a            | 0: a b a               | 0: a
a c a c a c        | 0: a a a ; 2: c c c    |
c a c a c a        | 2: c c c ; 0: a a a    |
d h d a h d d      | 1: d h d ; 1: h d d    | 0: a
f f f f f f f      | 3: f f f ; 3: f f f    | 3: f
"""


def ingest(rows: int = 3) -> Ingest:
    return Ingest(IngestSettings(rows_per_frame=rows, linger_us=LINGER_US), loop="lab", partitions=4)


def batch(members: list[str], *, first: int = 0) -> TelemetryBatch:
    values = [f'{{"entity":"{e}","time":{NOW_US + first + i},{rest}}}'.encode() for i, (e, rest) in pairs(members)]
    got, bad = make_decode().telemetry(raw_batch(values, topic="raw", first=100 + 2 * first), NOW)
    assert bad == []
    assert got is not None
    return got


def pairs(members: list[str]) -> list[tuple[int, tuple[str, str]]]:
    """Return the place, the entity and the other members of each row; `a` alone gets one value."""
    return [(i, (m[0], m[2:] or f'"values":{{"v":{i}}}')) for i, m in enumerate(members)]


def shown(events: list[Event]) -> str:
    frames = [event for event in events if isinstance(event, TelemetryFrame)]
    assert len(frames) == len(events)
    return " ; ".join(
        f"{frame.partition}: {' '.join(from_stream(frame.stream).column('entity').to_pylist())}" for frame in frames
    )


@pytest.mark.parametrize("line", [line for line in TABLE.splitlines() if line.strip()])
def test_frames_fill_by_partition_and_the_timer_sends_the_rest(line: str) -> None:
    entities, full, left = (part.strip() for part in line.split("|"))
    processor = ingest()
    assert shown(processor.on_batch([batch(entities.split())], NOW)) == full
    assert processor.next_time() == (LATER.us if left else None)
    assert shown(processor.on_time(NOW)) == ""
    assert shown(processor.on_time(LATER)) == left
    assert processor.next_time() is None


def test_a_frame_names_the_row_that_filled_it_or_the_timer() -> None:
    processor = ingest()
    (full,) = processor.on_batch([batch(["a", "c", "a", "a"])], NOW)
    (left,) = processor.on_time(LATER)
    assert full.causes == ("raw/3/106",)
    assert left.causes == (f"timer:ingest:2/3/{LATER.us}",)


def test_frames_of_two_sources_sent_at_one_time_are_never_taken_for_one() -> None:
    frames: list[Event] = []
    for source in (0, 1):
        processor = ingest()
        processor.on_batch([replace(batch(["a"]), partition=source)], NOW)
        frames += processor.on_time(LATER)
    assert len({frame.id for frame in frames}) == 2


def test_what_comes_out_is_what_went_in() -> None:
    members = ["a", 'a|"event":"deploy"', 'b|"values":{"w":0.1,"v":-0.0},"attributes":{"group":"g"}']
    processor = ingest()
    (frame,) = processor.on_batch([batch(members)], NOW)
    assert isinstance(frame, TelemetryFrame)
    message = wire.encode(frame, loop="lab")
    rows, bad = decode(make_decode(), raw_batch([message.value], headers=[message.headers]))
    assert bad == []
    assert rows == [
        (100, "a", NOW_US, {"v": 0.0}, None),
        (100, "a", NOW_US + 1, {}, "deploy"),
        (100, "b", NOW_US + 2, {"v": -0.0, "w": 0.1}, None),
    ]
    assert from_stream(message.value or b"").column("group").to_pylist() == [None, None, "g"]


def test_a_frame_that_would_be_too_large_is_halved() -> None:
    wide = ",".join(f'"metric-{i:03d}":{i}' for i in range(250))
    values = [f'{{"entity":"a","time":{NOW_US},"values":{{{wide}}}}}'.encode()] * 1000
    got, _ = make_decode().telemetry(raw_batch(values, topic="raw"), NOW)
    assert got is not None
    frames = ingest(1000).on_batch([got], NOW)
    assert [from_stream(f.stream).num_rows for f in frames if isinstance(f, TelemetryFrame)] == [500, 500]
    assert len({frame.id for frame in frames}) == 2
    assert all(len(f.stream) <= wire.VALUE_LIMIT for f in frames if isinstance(f, TelemetryFrame))


letters = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            "c",
            "d",
            "f",
            'a|"event":"e"',
            'c|"values":{"w":2}',
            'a|"values":{"v":1},"attributes":{"group":"g"}',
        ]
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(letters, st.data())
def test_any_split_gives_the_same_frames_and_the_same_snapshot(members: list[str], data: st.DataObject) -> None:
    whole, split = ingest(), ingest()
    frames = whole.on_batch([batch(members)], NOW)
    cut = data.draw(st.integers(0, len(members)))
    parts: list[Event] = []
    for start, stop in ((0, cut), (cut, len(members))):
        if start < stop:
            parts += split.on_batch([batch_part(members, start, stop)], NOW)
            restored = ingest()
            restored.restore(split.snapshot())
            split = restored
    assert parts == frames
    assert split.snapshot() == whole.snapshot()
    assert split.on_time(LATER) == whole.on_time(LATER)


def batch_part(members: list[str], start: int, stop: int) -> TelemetryBatch:
    """Return a part of what `batch` returns for all members."""
    explicit = [m if len(m) > 1 else f'{m}|"values":{{"v":{i}}}' for i, m in enumerate(members)]
    return batch(explicit[start:stop], first=start)


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_javas(key: bytes, wanted: int) -> None:
    """Vectors of Apache Kafka's own test of `Utils.murmur2`."""
    assert murmur2(key) == wanted & 0xFFFFFFFF
    assert partition_of(key, 7) == (wanted & 0x7FFFFFFF) % 7

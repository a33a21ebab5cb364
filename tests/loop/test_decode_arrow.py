"""Arrow telemetry: columns straight from the message, bad rows apart, bad messages alone."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import wire
from schemas.arrow import TIME_TYPE, to_stream
from schemas.client.frames import cut
from schemas.raw import Headers
from streams.loop.decode import make_decode
from tests.loop.decoding import NOW, NOW_US, decode, raw_batch, reasons

ARROW: Headers = (("ce_type", b"flyball.telemetry-frame.v1"), ("content-type", wire.ARROW_TYPE))
DAY_US = 86_400_000_000
GOOD = b'{"entity":"j","time":1790000000000000,"values":{"cpu":0.5}}'


def table(**columns: Any) -> pa.Table:
    base = {
        "entity": pa.array(["a", "b"]),
        "time": pa.array([NOW_US, NOW_US + 1], TIME_TYPE),
        "cpu": pa.array([1.0, None]),
        "mem": pa.array([3.0, 4.0]),
    }
    return pa.table(base | columns)


def read(*tables: pa.Table) -> Any:
    return decode(make_decode(), raw_batch([to_stream(each) for each in tables], headers=[ARROW] * len(tables)))


def test_null_is_absent() -> None:
    rows, bad = read(table())
    assert bad == []
    assert rows == [(100, "a", NOW_US, {"cpu": 1.0, "mem": 3.0}, None), (100, "b", NOW_US + 1, {"mem": 4.0}, None)]


def test_messages_keep_their_offsets_and_may_differ_in_columns() -> None:
    rows, bad = read(table(), table(), table(disk=pa.array([1.0, 2.0])))
    assert bad == []
    assert [row[0] for row in rows] == [100, 100, 102, 102, 104, 104]
    assert rows[-1][3] == {"mem": 4.0, "disk": 2.0}


def test_events_and_groups_are_text_columns() -> None:
    batch, bad = make_decode().telemetry(
        raw_batch([to_stream(table(event=pa.array([None, "e"]), group=pa.array(["g", None])))], headers=[ARROW]), NOW
    )
    assert bad == []
    assert batch is not None
    assert (batch.tokens, batch.groups) == ({1: "e"}, {0: "g"})


def test_json_and_arrow_may_follow_each_other() -> None:
    raw = raw_batch([GOOD, to_stream(table()), GOOD], headers=[(), ARROW, (("content-type", b"application/json"),)])
    rows, bad = decode(make_decode(), raw)
    assert bad == []
    assert [row[1] for row in rows] == ["j", "a", "b", "j"]


def test_other_column_types_are_brought_to_ours() -> None:
    moment = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    frame = pl.DataFrame({"entity": ["a", "b"], "time": [moment] * 2, "n": [1, None], "up": [True, False]})
    frame = frame.with_columns(pl.col("time").dt.cast_time_unit("ns"), pl.col("entity").cast(pl.Categorical))
    rows, bad = read(pa.table(frame))
    assert bad == []
    assert rows == [(100, "a", NOW_US, {"n": 1.0, "up": 1.0}, None), (100, "b", NOW_US, {"up": 0.0}, None)]


@pytest.mark.parametrize(
    ("columns", "row", "reason"),
    [
        ({"cpu": pa.array([float("nan"), None])}, 0, "not-finite"),
        ({"mem": pa.array([1.0, float("inf")])}, 1, "not-finite"),
        ({"entity": pa.array([None, "b"])}, 0, "wrong-type"),
        ({"entity": pa.array(["a", ""])}, 1, "bad-entity"),
        ({"entity": pa.array(["a", "x" * 300])}, 1, "bad-entity"),
        ({"time": pa.array([NOW_US, None], TIME_TYPE)}, 1, "wrong-type"),
        ({"time": pa.array([NOW_US - 3653 * DAY_US, NOW_US], TIME_TYPE)}, 0, "time-too-old"),
        ({"time": pa.array([NOW_US, NOW_US + 3653 * DAY_US], TIME_TYPE)}, 1, "time-in-future"),
        ({"mem": pa.array([1.0, None])}, 1, "empty-sample"),
        ({"event": pa.array([None, "x" * 300])}, 1, "bad-event"),
        ({"group": pa.array(["x" * 300, None])}, 0, "bad-attributes"),
    ],
)
def test_a_bad_row_is_set_aside_alone(columns: dict[str, Any], row: int, reason: str) -> None:
    rows, bad = read(table(), table(**columns), table())
    assert reasons(bad) == [(1, row, reason)]
    assert len(rows) == 5
    assert sum(each[0] == 102 for each in rows) == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null-value"),
        (b"", "broken-arrow"),
        (b"ARROW1 but not", "broken-arrow"),
        (to_stream(table())[:-200], "broken-arrow"),
        (b"\xff" * 1_100_000, "too-large"),
        (to_stream(table().drop_columns("entity")), "wrong-type"),
        (to_stream(table(time=pa.array([datetime(2026, 9, 21)] * 2))), "bad-time"),  # noqa: DTZ001  # the fault itself
        (to_stream(table(time=pa.array([1.5, 2.5]))), "bad-time"),
        (to_stream(table(note=pa.array(["x", "y"]))), "wrong-type"),
        (to_stream(table(mem=pa.array([[1.0], []]))), "wrong-type"),
        (to_stream(table().rename_columns(["entity", "time", "cpu", "cpu"])), "duplicate-key"),
        (to_stream(table(**{"x" * 200: pa.array([1.0, 2.0])})), "bad-metric"),
        (to_stream(table(**{f"m{i}": pa.array([1.0, 2.0]) for i in range(300)})), "too-many-metrics"),
    ],
)
def test_a_bad_message_is_set_aside_alone(value: bytes | None, reason: str) -> None:
    good = to_stream(table())
    rows, bad = decode(make_decode(), raw_batch([good, value, good], headers=[ARROW] * 3))
    assert reasons(bad) == [(1, None, reason)]
    assert [row[0] for row in rows] == [100, 100, 104, 104]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ((("ce_type", b"flyball.telemetry.v9"),), "unknown-version"),
        ((("ce_type", b"com.example.thing"),), "unknown-type"),
        ((("ce_type", b"flyball.action.v1"),), "wrong-topic"),
        ((("content-type", b"text/csv"),), "unknown-content"),
    ],
)
def test_a_message_that_calls_itself_something_else_is_set_aside(headers: Headers, reason: str) -> None:
    rows, bad = decode(make_decode(), raw_batch([GOOD, GOOD], headers=[(), headers]))
    assert reasons(bad) == [(1, None, reason)]
    assert [row[0] for row in rows] == [100]


def test_what_the_producer_cuts_is_what_arrives() -> None:
    count = 2500
    frame = pl.DataFrame(
        {
            "entity": [f"h{i % 7}" for i in range(count)],
            "time": [NOW_US + i for i in range(count)],
            "cpu": [float(i) if i % 3 else None for i in range(count)],
            "n": range(count),
        }
    )
    seen = []
    for part in cut(frame, partitions=4, rows=300):
        rows, bad = decode(make_decode(), raw_batch([part.stream], headers=[wire.encode(part, loop="lab").headers]))
        assert bad == []
        assert len(rows) <= 300
        seen += [(row[3]["n"], row[1], row[2], row[3].get("cpu")) for row in rows]
    assert sorted(seen) == [(float(i), f"h{i % 7}", NOW_US + i, float(i) if i % 3 else None) for i in range(count)]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_streams_never_raise(data: st.DataObject) -> None:
    stream = bytearray(to_stream(table()))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    rows, bad = decode(make_decode(), raw_batch([bytes(stream), GOOD], headers=[ARROW, ()]))
    assert rows[-1][1] == "j"
    assert len(rows) > 1 or {each.index for each in bad} == {0} or rows_are_gone(bytes(stream))


def rows_are_gone(stream: bytes) -> bool:
    """Whether the damage left a valid stream without rows (its first message now ends it)."""
    with pa.ipc.open_stream(stream) as reader:
        return bool(reader.read_all().num_rows == 0)


def test_values_keep_their_bits() -> None:
    numbers = np.array([5e-324, -0.0, 1e308, 0.1 + 0.2])
    frame = pa.table({"entity": ["a"] * 4, "time": pa.array([NOW_US] * 4, TIME_TYPE), "x": numbers})
    batch, _ = make_decode().telemetry(raw_batch([to_stream(frame)], headers=[ARROW]), NOW)
    assert batch is not None
    assert batch.values[:, 0].tobytes() == numbers.tobytes()

"""JSON telemetry: what is taken, what is refused and why, and that the fast way means what the slow way means."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.telemetry import ENTITY_LIMIT, METRIC_LIMIT, METRICS_LIMIT
from streams.loop.decode import make_decode
from streams.loop.decode.json_rows import TOGETHER, decode_whole, each_block, json_block, parse, split
from streams.loop.decode.rows import BAD_ROWS_LIMIT, Faults, Messages, Reading
from streams.loop.decode.samples import Checks
from tests.loop.decoding import NOW, NOW_US, decode, raw_batch, reasons

DAY_US = 86_400_000_000
GOOD = b'{"entity":"a","time":1790000000000000,"values":{"cpu":0.5}}'
GOOD_ROW = ("a", NOW_US, {"cpu": 0.5}, None)


def sample(**members: Any) -> bytes:
    return json.dumps({"entity": "a", "time": NOW_US, "values": {"cpu": 0.5}} | members, separators=(",", ":")).encode()


def test_every_spelling_of_a_message_is_read() -> None:
    array = b" [" + GOOD + b" ,\n" + sample(entity="b", event="restart") + b"]"
    lines = GOOD + b"\r\n\n" + sample(entity="c", values={}, event="deploy") + b"\n"
    pretty = json.dumps({"entity": "d", "time": "2026-09-21T14:13:20Z", "values": {"mem": 1}}, indent=2).encode()
    rows, bad = decode(make_decode(), raw_batch([GOOD, array, lines, pretty]))
    assert bad == []
    assert rows == [
        (100, *GOOD_ROW),
        (102, *GOOD_ROW),
        (102, "b", NOW_US, {"cpu": 0.5}, "restart"),
        (104, *GOOD_ROW),
        (104, "c", NOW_US, {}, "deploy"),
        (106, "d", NOW_US, {"mem": 1.0}, None),
    ]


def test_an_rfc_3339_time_with_any_offset_is_the_same_instant() -> None:
    values = [sample(time=text) for text in ("2026-09-21T14:13:20Z", "2026-09-21T16:13:20.000000+02:00")]
    rows, bad = decode(make_decode(), raw_batch(values))
    assert bad == []
    assert [row[2] for row in rows] == [NOW_US, NOW_US]


def test_the_group_attribute_puts_an_entity_into_a_group() -> None:
    batch, _ = make_decode().telemetry(raw_batch([sample(attributes={"group": "web", "zone": "x"}), GOOD]), NOW)
    assert batch is not None
    assert batch.groups == {0: "web"}


BAD: dict[str, tuple[bytes | None, str]] = {
    "null": (None, "null-value"),
    "empty": (b"", "empty-message"),
    "spaces": (b" \n ", "empty-message"),
    "broken": (b'{"entity":"a"', "broken-json"),
    "text": (b"hello", "broken-json"),
    "not utf-8": (b'{"entity":"\xff","time":1}', "broken-json"),
    "two objects": (GOOD + GOOD, "broken-json"),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, "broken-json"),
    "NaN": (GOOD.replace(b"0.5", b"NaN"), "not-finite"),
    "infinity": (GOOD.replace(b"0.5", b"-Infinity"), "not-finite"),
    "overflow": (GOOD.replace(b"0.5", b"1e999"), "wrong-type"),
    "null value": (sample(values={"cpu": None}), "wrong-type"),
    "text value": (sample(values={"cpu": "1"}), "wrong-type"),
    "true": (sample(values={"cpu": True}), "wrong-type"),
    "values a list": (sample(values=[1]), "wrong-type"),
    "entity a number": (sample(entity=1), "wrong-type"),
    "no entity": (b'{"time":1790000000000000,"values":{"cpu":1}}', "wrong-type"),
    "no time": (b'{"entity":"a","values":{"cpu":1}}', "wrong-type"),
    "time in words": (sample(time="yesterday"), "wrong-type"),
    "time without offset": (sample(time="2026-09-21T14:13:20"), "bad-time"),
    "ten years early": (sample(time=NOW_US - 3653 * DAY_US), "time-too-old"),
    "ten years late": (sample(time=NOW_US + 3653 * DAY_US), "time-in-future"),
    "seconds for microseconds": (sample(time=NOW_US // 1_000_000), "time-too-old"),
    "time beyond 64 bits": (sample(time=10**30), "time-in-future"),
    "far below 64 bits": (sample(time=-(10**30)), "time-too-old"),
    "just a number": (b"17", "wrong-type"),
    "just null": (b"null", "wrong-type"),
    "empty entity": (sample(entity=""), "bad-entity"),
    "long entity": (sample(entity="x" * (ENTITY_LIMIT + 1)), "bad-entity"),
    "control character": (sample(entity="a\u0000b"), "bad-entity"),
    "long metric": (sample(values={"x" * (METRIC_LIMIT + 1): 1}), "bad-metric"),
    "empty metric": (sample(values={"": 1}), "bad-metric"),
    "many metrics": (sample(values={f"m{i}": i for i in range(METRICS_LIMIT + 1)}), "too-many-metrics"),
    "metric twice": (GOOD.replace(b'"cpu":0.5', b'"cpu":0.5,"cpu":0.6'), "duplicate-key"),
    "entity twice": (GOOD.replace(b'"entity"', b'"entity":"b","entity"', 1), "duplicate-key"),
    "metric twice, escaped": (GOOD.replace(b'"cpu":0.5', b'"cpu":0.5,"c\\u0070u":0.6'), "duplicate-key"),
    "long event": (sample(event="x" * 300), "bad-event"),
    "empty event": (sample(event=""), "bad-event"),
    "nothing in it": (sample(values={}), "empty-sample"),
    "long attribute": (sample(attributes={"a": "x" * 300}), "bad-attributes"),
    "2 MB": (sample(entity="x" * 2_000_000), "too-large"),
    "100,000 brackets": (b"[" * 100_000, "nested-too-deep"),
    "100,000 brackets inside": (sample(x=1).replace(b":1}", b":" + b"[" * 100_000), "nested-too-deep"),
    "100,000 closed brackets inside": (
        sample(x=1).replace(b":1}", b":" + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        "nested-too-deep",
    ),
}


@pytest.mark.parametrize(("value", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_message_is_set_aside_with_its_reason_and_its_neighbours_go_on(value: bytes | None, reason: str) -> None:
    rows, bad = decode(make_decode(), raw_batch([GOOD, value, GOOD]))
    assert reasons(bad) == [(1, None, reason)]
    assert rows == [(100, *GOOD_ROW), (104, *GOOD_ROW)]


BREAKS_ITS_ARRAY = ("spaces", "broken", "text", "not utf-8", "two objects", "byte order mark", "empty")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(value, reason, id=name)
        for name, (value, reason) in BAD.items()
        if value is not None and len(value) < 50_000 and name not in BREAKS_ITS_ARRAY
    ],
)
def test_a_bad_row_of_a_message_is_set_aside_alone(value: bytes, reason: str) -> None:
    rows, bad = decode(make_decode(), raw_batch([b"[" + GOOD + b"," + value + b"]"]))
    assert reasons(bad) == [(0, 1, reason)]
    assert rows == [(100, *GOOD_ROW)]


def test_unknown_members_are_ignored() -> None:
    rows, bad = decode(make_decode(), raw_batch([sample(version=3, nested={"a": [1, {}]}), GOOD]))
    assert bad == []
    assert rows == [(100, *GOOD_ROW), (102, *GOOD_ROW)]


def test_messages_that_make_sense_only_together_are_all_bad() -> None:
    """Joined for speed, `{"entity":"x` and `","time":...}` would read as one good event."""
    halves = [b'{"entity":"x"', b'"time":1790000000000000,"values":{"cpu":1}}']
    smuggled = GOOD + GOOD
    rows, bad = decode(make_decode(), raw_batch([*halves, smuggled, GOOD]))
    assert [each.index for each in bad] == [0, 1, 2]
    assert [row[0] for row in rows] == [106]


def test_a_flood_of_bad_rows_in_one_message_is_told_briefly() -> None:
    value = b"[" + b",".join([b"1"] * 500 + [GOOD]) + b"]"
    rows, bad = decode(make_decode(), raw_batch([value, b"x"]))
    assert len(rows) == 1
    assert len(bad) == BAD_ROWS_LIMIT + 2
    assert [each.reason for each in bad[-2:]] == ["more-bad-rows", "broken-json"]
    assert bad[-2].detail == f"{500 - BAD_ROWS_LIMIT} more rows are bad"


def test_a_bad_message_among_many_changes_nothing_for_the_others() -> None:
    values = [sample(entity=f"e{i}", values={"cpu": i} if i % 3 else {"mem": i}) for i in range(3 * TOGETHER)]
    values[TOGETHER + 1] = b"x"
    rows, bad = decode(make_decode(), raw_batch(values))
    assert reasons(bad) == [(TOGETHER + 1, None, "broken-json")]
    good = [i for i in range(len(values)) if i != TOGETHER + 1]
    assert rows == [(100 + 2 * i, f"e{i}", NOW_US, {"cpu" if i % 3 else "mem": float(i)}, None) for i in good]


def fast(values: list[bytes]) -> Any:
    return decode_whole(values, Checks(past_us=DAY_US, future_us=DAY_US), NOW_US)


def test_plain_events_take_the_fast_way() -> None:
    assert (
        fast([GOOD, sample(entity="b", event="e", attributes={"group": "g"}), sample(values={"mem": 1.5})]) is not None
    )
    assert fast([GOOD, sample(time="2026-09-21T14:13:20Z")]) is not None


finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.sampled_from(["cpu", "mem", "a b", "ünï", "x" * METRIC_LIMIT])
plain = st.fixed_dictionaries(
    {"entity": st.sampled_from(["a", "b", "host-1", "ö", "null", "e" * ENTITY_LIMIT])},
    optional={
        "time": st.one_of(
            st.integers(NOW_US - 2 * DAY_US, NOW_US + 2 * DAY_US),
            st.sampled_from(
                ["2026-09-21T14:13:20Z", "2026-09-21T14:13:20.123456+05:30", "x", 0, -1, 2**63, 2**64, 1.5]
            ),
        ),
        "values": st.one_of(
            st.dictionaries(names, st.one_of(finite, st.integers(-(2**70), 2**70)), max_size=4),
            st.sampled_from([None, [], {"cpu": "x"}, {"": 1.0}]),
        ),
        "event": st.one_of(st.none(), st.sampled_from(["", "restart", "x" * 257])),
        "attributes": st.one_of(
            st.none(), st.dictionaries(st.sampled_from(["group", "zone"]), st.sampled_from(["g", "h", "x" * 300]))
        ),
        "extra": st.one_of(st.integers(), st.text(max_size=5)),
    },
)
events = plain.map(lambda members: {"time": NOW_US} | members)
encoded = st.builds(
    lambda event, ascii_only: json.dumps(event, ensure_ascii=ascii_only, separators=(",", ":")).encode(),
    events,
    st.booleans(),
)
twisted = st.builds(
    lambda value, old, new: value.replace(old, new, 1),
    encoded,
    st.sampled_from([b'"', b"}", b"{", b":", b",", b"0", b'"cpu"', b'"entity"']),
    st.sampled_from(
        [b"", b'"', b"}", b"{", b"\n", b'"cpu":1,"cpu"', b'"entity":"z","entity"', b"NaN", b"\\", b" ", b"-0"]
    ),
)
messages = st.lists(st.one_of(encoded, encoded, encoded, twisted, st.binary(max_size=12)), min_size=1, max_size=6)


@settings(max_examples=600, deadline=None)
@given(messages)
@example([b'{"entity":"x}', b'{","time":1790000000000000,"values":{"cpu":1}}'])
@example([b'{"entity":"a","time":1790000000000000,"values":{"cpu":-0}}'])
def test_the_fast_way_gives_the_bits_of_the_slow_way(values: list[bytes]) -> None:
    both = []
    for run in (json_block, slow_block):
        reading = Reading(Checks(past_us=DAY_US, future_us=DAY_US), NOW_US, Faults())
        block = run(Messages(values, range(len(values)), np.arange(len(values))), reading)
        columns = {name: column.tobytes() for name, column in block.metrics.items()}
        both.append(
            (
                block.entities,
                block.time_us.tolist(),
                block.offsets.tolist(),
                columns,
                block.tokens,
                block.groups,
                reasons(reading.faults.told()),
            )
        )
    assert both[0] == both[1]


def slow_block(messages: Messages, reading: Reading) -> Any:
    return each_block(split(messages, reading.faults), parse, reading)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), twisted), max_size=4), st.sampled_from(["raw", "telemetry"]))
def test_no_bytes_raise_and_every_message_is_rows_or_faults(values: list[bytes], topic: str) -> None:
    if not values:
        return
    rows, bad = decode(make_decode(), raw_batch(values, topic=topic))
    told = {row[0] for row in rows} | {100 + 2 * each.index for each in bad}
    silent = {100 + 2 * index for index, value in enumerate(values) if value.strip() in (b"[]", b"[ ]")}
    assert told | silent == {100 + 2 * index for index in range(len(values))}


def test_floats_keep_their_bits() -> None:
    numbers = [5e-324, 2.2250738585072011e-308, 0.1 + 0.2, 1.7976931348623157e308, 9007199254740993, -0.0, 1e22]
    batch, _ = make_decode().telemetry(raw_batch([sample(values={"cpu": number}) for number in numbers]), NOW)
    assert batch is not None
    assert [struct.pack("d", v) for v in batch.values[:, 0]] == [struct.pack("d", n) for n in numbers]


def test_a_split_batch_gives_the_same_rows() -> None:
    values = [GOOD, sample(entity="b", values={"mem": 2}), b"x", b"[" + GOOD + b",1]", sample(values={}, event="e")]
    whole = decode(make_decode(), raw_batch(values))
    for cut in range(1, len(values)):
        decoder = make_decode()
        first = decode(decoder, raw_batch(values[:cut]))
        second = decode(decoder, raw_batch(values[cut:], first=100 + 2 * cut))
        assert first[0] + second[0] == whole[0]
        assert reasons(first[1]) + [(i + cut, r, why) for i, r, why in reasons(second[1])] == reasons(whole[1])

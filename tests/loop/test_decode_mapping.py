"""Foreign JSON on `raw`, read by the operator's field mapping."""

import json
from typing import Any

import pytest

from streams.loop.decode import FieldMapping, TelemetrySettings, make_decode
from tests.loop.decoding import NOW_US, decode, raw_batch, reasons

MAPPING = FieldMapping(
    entity="tags.host", time="ts", values=("fields", "load.one"), event="note", attributes={"group": "tags.team"}
)


def read(*rows: Any, mapping: FieldMapping = MAPPING, topic: str = "raw") -> Any:
    decoder = make_decode(telemetry=TelemetrySettings(format="fields", fields=mapping))
    return decode(decoder, raw_batch([json.dumps(row).encode() for row in rows], topic=topic))


def row(**members: Any) -> dict[str, Any]:
    base = {"tags": {"host": "h1", "team": "web"}, "ts": NOW_US // 1_000_000, "fields": {"cpu": 1, "note": "x"}}
    return base | members


def test_members_are_found_by_path() -> None:
    rows, bad = read(row(), row(load={"one": 2.5}, note="restart"))
    assert bad == []
    assert rows == [
        (100, "h1", NOW_US, {"cpu": 1.0}, None),
        (102, "h1", NOW_US, {"cpu": 1.0, "load.one": 2.5}, "restart"),
    ]


def test_a_name_that_holds_the_dots_itself_comes_first() -> None:
    rows, _ = read(row(**{"load.one": 7, "load": {"one": 2.5}}))
    assert rows[0][3] == {"cpu": 1.0, "load.one": 7.0}


@pytest.mark.parametrize(
    ("time", "unit"),
    [
        (NOW_US // 1_000_000, "auto"),
        (NOW_US / 1_000_000, "auto"),
        (NOW_US // 1000, "auto"),
        (NOW_US, "auto"),
        (NOW_US * 1000, "auto"),
        (NOW_US // 1_000_000, "s"),
        (NOW_US // 1000, "ms"),
        (NOW_US, "us"),
        (NOW_US * 1000, "ns"),
        ("2026-09-21T14:13:20Z", "auto"),
        ("2026-09-21T14:13:20+00:00", "ms"),
    ],
)
def test_every_usual_spelling_of_a_time_is_read(time: Any, unit: Any) -> None:
    rows, bad = read(
        row(ts=time), mapping=FieldMapping(entity="tags.host", time="ts", values=("fields",), time_unit=unit)
    )
    assert bad == []
    assert rows[0][2] == NOW_US


def test_without_values_every_number_at_the_top_counts() -> None:
    mapping = FieldMapping(entity="host", time="ts")
    rows, _ = read({"host": 7, "ts": NOW_US, "cpu": 1, "mem": 2.5, "up": True, "name": "x"}, mapping=mapping)
    assert rows == [(100, "7", NOW_US, {"cpu": 1.0, "mem": 2.5}, None)]


@pytest.mark.parametrize(
    ("bad_row", "reason"),
    [
        (row(tags={}), "wrong-type"),
        (row(tags={"host": True}), "wrong-type"),
        (row(ts="noon"), "bad-time"),
        (row(ts="2026-09-21T14:13:20"), "bad-time"),
        (row(ts=None), "wrong-type"),
        (row(ts=10**400), "not-finite"),
        (row(load={"one": "x"}), "wrong-type"),
        (row(load={"one": 10**400}), "not-finite"),
        (row(fields={"cpu": float("nan")}), "not-finite"),
        (row(fields={}), "empty-sample"),
        (row(note=""), "bad-event"),
        (row(note=[]), "wrong-type"),
        (17, "wrong-type"),
    ],
)
def test_a_row_that_does_not_fit_is_set_aside(bad_row: Any, reason: str) -> None:
    rows, bad = read(row(), bad_row, row())
    assert reasons(bad) == [(1, None, reason)]
    assert [each[0] for each in rows] == [100, 104]


def test_arrays_of_foreign_rows_are_taken_apart() -> None:
    rows, bad = read([row(), row(ts="noon"), row(note="e")])
    assert reasons(bad) == [(0, 1, "bad-time")]
    assert [each[4] for each in rows] == [None, "e"]


def test_the_mapping_is_for_raw_only() -> None:
    rows, bad = read(row(), topic="telemetry")
    assert (rows, reasons(bad)) == ([], [(0, None, "wrong-type")])


def test_a_member_given_twice_is_refused() -> None:
    decoder = make_decode(telemetry=TelemetrySettings(format="fields", fields=MAPPING))
    value = json.dumps(row()).replace('"cpu": 1', '"cpu": 1, "cpu": 2').encode()
    assert reasons(decode(decoder, raw_batch([value], topic="raw"))[1]) == [(0, None, "duplicate-key")]

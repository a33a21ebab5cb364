from pathlib import Path

import polars as pl
import pytest

from schemas.errors import SettingsError
from streams.operate.telemetry_file import read_telemetry_file

MOMENT_US = 1_767_225_600_000_000


@pytest.mark.parametrize(
    "time",
    ["2026-01-01T00:00:00Z", "2026-01-01 00:00:00", "1767225600", "1767225600000", "1767225600000000"],
)
def test_a_time_means_the_same_however_it_is_written(tmp_path: Path, time: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"host,ts,cpu\na,{time},1.5\n")
    table = read_telemetry_file(path, entity="host", time="ts")
    assert table["time"].dt.epoch("us").to_list() == [MOMENT_US]
    assert table.columns == ["entity", "time", "cpu"]


@pytest.mark.parametrize("ending", [".csv", ".ndjson", ".parquet"])
def test_every_kind_of_file_gives_the_same_table(tmp_path: Path, ending: str) -> None:
    rows = pl.DataFrame({"entity": ["b", "a"], "time": [2_000_000_000, 1_900_000_000], "cpu": [0.5, None]})
    path = tmp_path / f"rows{ending}"
    {".csv": rows.write_csv, ".ndjson": rows.write_ndjson, ".parquet": rows.write_parquet}[ending](path)
    table = read_telemetry_file(path, entity="entity", time="time")
    assert table["entity"].to_list() == ["a", "b"]
    assert table["cpu"].to_list() == [None, 0.5]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.xlsx", "", "expected a file ending in .csv"),
        ("a.csv", "host,ts\na,1\n", "expected columns"),
        ("a.csv", "entity,time,cpu\na,yesterday,1\n", "expected times such as"),
        ("a.csv", "entity,time,note\na,1,x\n", "at least one numeric column"),
        ("a.parquet", "no parquet", "cannot be read as parquet"),
    ],
)
def test_what_cannot_be_sent_is_said_with_what_was_expected(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SettingsError, match=complaint):
        read_telemetry_file(path, entity="entity", time="time")

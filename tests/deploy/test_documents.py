"""The example loops are loops, the generated access table is current."""

from pathlib import Path

import pytest

from connectors.kafka.access_files import access_files
from schemas.topics import TOPICS
from streams.operate.telemetry_file import read_telemetry_file
from streams.settings import load

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.parametrize(("name", "has_kafka"), [("lab", False), ("fleet", True), ("csv", False)])
def test_every_example_loop_passes_the_check(name: str, *, has_kafka: bool) -> None:
    settings = load(DEPLOY / "examples" / name / "loop.toml")
    assert (settings.kafka is not None) == has_kafka
    assert settings.actions
    assert settings.retention.keys() <= TOPICS.keys()


def test_the_recording_of_the_csv_example_can_be_read() -> None:
    table = read_telemetry_file(DEPLOY / "examples" / "csv" / "pumps.csv", entity="entity", time="time")
    assert table.columns == ["entity", "time", "temperature", "vibration"]
    assert table["entity"].n_unique() == 2


@pytest.mark.parametrize("name", ["access-control.md", "access-control.json", "kafka-acls.sh"])
def test_the_access_table_is_current(name: str) -> None:
    loop = load(DEPLOY / "examples" / "fleet" / "loop.toml").loop.name
    assert (DEPLOY / "access" / name).read_text() == access_files(loop, folder="deploy/access")[name]


def test_the_sizing_names_only_topics_that_exist() -> None:
    rows = [line.split("|")[1] for line in (DEPLOY / "sizing.md").read_text().splitlines() if line.startswith("| `")]
    named = {word.strip("` ") for row in rows for word in row.split(",")}
    assert named - {"state-*"} <= TOPICS.keys()
    assert "telemetry" in named

"""The generated documents are current, valid, and describe what really goes over the wire."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.documents import FOLDER, documents
from schemas.events import EVENT_TYPES, Event, TelemetryFrame
from schemas.topics import TOPICS
from tests.golden.samples import SAMPLES, message

SCHEMA: dict[str, Any] = json.loads(documents()["flyball.schema.json"])
ASYNCAPI: dict[str, Any] = json.loads(documents()["asyncapi.json"])
JSON_SAMPLES = [event for event in SAMPLES if not isinstance(event, TelemetryFrame)]


@pytest.mark.parametrize("name", documents())
def test_the_committed_document_is_current(name: str) -> None:
    assert (FOLDER / name).read_text() == documents()[name], "run: python -m schemas.documents"


def test_the_json_schema_obeys_its_metaschema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for schema in ASYNCAPI["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("event", JSON_SAMPLES, ids=lambda event: type(event).TYPE)
def test_what_is_written_fits_its_schema(event: Event) -> None:
    validator = Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{type(event).__name__}"})
    written = json.loads(message(event).value or b"")
    validator.validate(written)
    assert list(validator.iter_errors({**written, "time_us": "noon"}))
    assert list(validator.iter_errors({k: v for k, v in written.items() if k != "id"}))


def test_telemetry_fits_its_schema() -> None:
    validator = Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": "#/$defs/Telemetry"})
    validator.validate({"entity": "a", "time": 1, "values": {"cpu": 1.5}})
    validator.validate({"entity": "a", "time": "2026-09-21T14:13:20Z", "event": "deploy"})
    assert list(validator.iter_errors({"entity": "a", "time": 1, "values": {"cpu": "high"}}))


def test_every_reference_leads_somewhere() -> None:
    for document in (SCHEMA, ASYNCAPI):
        for reference in references(document):
            place: Any = document
            for step in reference.removeprefix("#/").split("/"):
                assert step in place, reference
                place = place[step]


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for each in node.values() for found in references(each)]
    return [found for each in node for found in references(each)] if isinstance(node, list) else []


def test_every_topic_is_a_channel_and_every_type_travels_on_one() -> None:
    assert set(ASYNCAPI["channels"]) == set(TOPICS)
    for name, channel in ASYNCAPI["channels"].items():
        assert channel["address"] == f"{{loop}}.{name}"
        assert channel["messages"], name
    carried = {message for channel in ASYNCAPI["channels"].values() for message in channel["messages"]}
    assert carried == set(ASYNCAPI["components"]["messages"])
    assert carried == {"Foreign", "Telemetry", *(cls.__name__ for cls in EVENT_TYPES.values())}


def test_operations_are_the_registrys_writers_and_readers() -> None:
    wanted = {f"{who}-writes-{topic.name}" for topic in TOPICS.values() for who in topic.written_by}
    wanted |= {f"{who}-reads-{topic.name}" for topic in TOPICS.values() for who in topic.read_by}
    assert set(ASYNCAPI["operations"]) == wanted
    assert {operation["action"] for operation in ASYNCAPI["operations"].values()} == {"send", "receive"}

"""How the documents are made: msgspec's JSON Schema of every type, and one AsyncAPI channel per topic."""

import inspect
from typing import Any

import msgspec

from .. import __version__
from ..events import EVENT_TYPES, Event, Telemetry, TelemetryFrame
from ..reading import ALWAYS_SIGNED
from ..topics import TOPICS, Topic
from ..wire import ARROW_TYPE, JSON_TYPE

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_JSON_TYPES: dict[str, type[msgspec.Struct]] = {
    Telemetry.TYPE: Telemetry,
    **{name: cls for name, cls in EVENT_TYPES.items() if cls is not TelemetryFrame},
}
"""Every type whose value is JSON, by its CloudEvents type."""


def json_schema() -> dict[str, Any]:
    """Return one JSON Schema (2020-12) with a definition per type, the CloudEvents types leading to them."""
    _, components = msgspec.json.schema_components(_JSON_TYPES.values(), ref_template="#/$defs/{name}")
    return {
        "$schema": _DIALECT,
        "$id": f"urn:flyball:contract:{__version__}",
        "title": "Flyball: the values of all events",
        "description": "Readers ignore members that they do not know. Times (`*_us`) are microseconds since 1970, UTC.",
        "$defs": components,
        "oneOf": [{"$ref": f"#/$defs/{cls.__name__}", "title": name} for name, cls in sorted(_JSON_TYPES.items())],
    }


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document: a channel per topic, its messages, who sends and who receives."""
    _, schemas = msgspec.json.schema_components(_JSON_TYPES.values(), ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Flyball",
            "version": __version__,
            "description": "The topics of one loop, `{loop}`. Messages are CloudEvents 1.0 in Kafka's binary mode.",
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS.values()},
        "operations": dict(sorted(_operations())),
        "components": {
            "messages": {_name(cls): _message(name, cls) for name, cls in _types().items()} | {"Foreign": _foreign()},
            "schemas": schemas | {"Headers": _headers(), "Frame": _frame()},
        },
    }


def _types() -> dict[str, type[msgspec.Struct]]:
    return {**_JSON_TYPES, TelemetryFrame.TYPE: TelemetryFrame}


def _on(topic: Topic) -> list[str]:
    """Return the names of the messages that a topic carries."""
    if topic.name == "raw":
        return ["Foreign", "Telemetry"]
    fitting = (cls for cls in _types().values() if topic.name == cls.TOPIC or topic.name.startswith(f"{cls.TOPIC}-"))  # type: ignore[attr-defined]
    return sorted(_name(cls) for cls in fitting)


def _name(cls: type[msgspec.Struct]) -> str:
    return cls.__name__


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": f"{{loop}}.{topic.name}",
        "parameters": {"loop": {"description": "Name of the loop"}},
        "description": f"Key: {topic.key}. From {', '.join(topic.written_by)}; to {', '.join(topic.read_by)}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _on(topic)},
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [topic.cleanup],
                    "retention.ms": topic.retention_ms,
                    "max.message.bytes": topic.max_message_bytes,
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations() -> list[tuple[str, dict[str, Any]]]:
    """Return what each party does to each topic, from that party's side."""
    found = []
    for topic in TOPICS.values():
        for verb, action, parties in (("writes", "send", topic.written_by), ("reads", "receive", topic.read_by)):
            for party in parties:
                operation = {"action": action, "channel": {"$ref": f"#/channels/{topic.name}"}}
                found.append((f"{party}-{verb}-{topic.name}", operation))
    return found


def _message(name: str, cls: type[msgspec.Struct]) -> dict[str, Any]:
    is_frame = cls is TelemetryFrame
    headers: dict[str, Any] = {"$ref": "#/components/schemas/Headers"}
    if issubclass(cls, Event) and cls.TOPIC in ALWAYS_SIGNED:
        headers = {"allOf": [headers, {"required": ["ce_keyid", "ce_signature"]}]}
    message = {
        "name": name,
        "title": cls.__name__,
        "summary": (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " "),
        "contentType": (ARROW_TYPE if is_frame else JSON_TYPE).decode(),
        "payload": {"$ref": f"#/components/schemas/{'Frame' if is_frame else cls.__name__}"},
    }
    return message if cls is Telemetry else message | {"headers": headers}


def _headers() -> dict[str, Any]:
    text = {"type": "string"}
    names = ("ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time", "ce_subject", "content-type")
    extra = ("ce_keyid", "ce_signature", "traceparent")
    return {"type": "object", "properties": dict.fromkeys((*names, *extra), text), "required": ["ce_type", "ce_id"]}


def _frame() -> dict[str, Any]:
    return {
        "type": "string",
        "format": "binary",
        "description": "An Arrow IPC stream: entity, time (timestamp[us, UTC]), float64 metrics (null = absent), "
        "perhaps event and group (text).",
    }


def _foreign() -> dict[str, Any]:
    return {
        "name": "foreign",
        "title": "Foreign JSON",
        "summary": "Any JSON object, array of objects or lines of objects that [telemetry.fields] in loop.toml maps.",
        "contentType": "application/json",
        "payload": {},
    }

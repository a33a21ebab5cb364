"""CloudEvents 1.0 in Kafka's binary mode: the one place that knows how an event looks on the wire."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from .errors import ContractError
from .events import EVENT_TYPES, Event, Telemetry, TelemetryFrame
from .ids import split_cause
from .raw import Headers, Message

SPEC_VERSION = b"1.0"
JSON_TYPE = b"application/json"
ARROW_TYPE = b"application/vnd.apache.arrow.stream"
_JSON_CONTENT = ("content-type", JSON_TYPE)
_ARROW_CONTENT = ("content-type", ARROW_TYPE)
VALUE_LIMIT = 1_048_576
"""Largest value (bytes) that a reader decodes; dead letters, which hold whole originals, are exempt."""
LATEST_US = 253_402_300_799_999_999
"""The end of the year 9999: the last time that RFC 3339 can write."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODERS = {name: msgspec.json.Decoder(cls) for name, cls in EVENT_TYPES.items() if cls is not TelemetryFrame}


def rfc3339(time_us: int) -> str:
    """Return a time as RFC 3339 in UTC with microseconds."""
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")


@lru_cache(maxsize=16)
def _time_header(time_us: int) -> tuple[str, bytes]:
    """Return `ce_time`; all events of one step share it."""
    return "ce_time", rfc3339(time_us).encode()


@lru_cache(maxsize=256)
def _type_headers(name: str, loop: str) -> Headers:
    """Return the headers that all events of one type share."""
    return (
        ("ce_specversion", SPEC_VERSION),
        ("ce_type", name.encode()),
        ("ce_source", f"/flyball/{loop}".encode()),
    )


def encode(event: Event, *, loop: str, topic: str | None = None) -> Message:
    """Return the record for an event. `topic` names the registry topic where the type has no fixed one (journal)."""
    cls = type(event)
    key = event.key().encode()
    if isinstance(event, TelemetryFrame):
        content, value, partition = _ARROW_CONTENT, event.stream, event.partition
    else:
        content, value, partition = _JSON_CONTENT, _ENCODER.encode(event), None
    headers: Headers = (
        *_type_headers(cls.TYPE, loop),
        ("ce_id", event.id.encode()),
        _time_header(event.time_us),
        ("ce_subject", key),
        content,
    )
    return Message(topic=topic or cls.TOPIC, key=key, value=value, headers=headers, partition=partition)


def decode(topic: str, value: bytes | None, headers: Headers) -> Event:
    """Read an event of a JSON type; raises `ContractError` with a stable reason when it is not one."""
    if value is None:
        raise ContractError("null-value", f"expected a JSON object on {topic}, got a null value")
    fields = dict(headers)
    unique = len(fields) == len(headers)  # then there is nothing to search for a second one
    name = _type_of(fields.get("ce_type") if unique else _header(headers, "ce_type"))
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise unfit_type(topic, name)
    if len(value) > VALUE_LIMIT and name != "flyball.dead-letter.v1":
        raise ContractError("too-large", f"expected at most {VALUE_LIMIT} bytes, got {len(value)}")
    try:
        event = decoder.decode(value)
    except msgspec.ValidationError as error:
        raise ContractError("wrong-type", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractError("broken-json", str(error)) from error
    except RecursionError as error:
        raise ContractError("nested-too-deep", "expected JSON without deep nesting") from error
    _check_storable(event)
    if topic != event.TOPIC and not topic.startswith(f"{event.TOPIC}-"):
        raise ContractError("wrong-topic", f"expected {name} on {event.TOPIC}, got it on {topic}")
    if (fields.get("ce_id") if unique else _header(headers, "ce_id")) not in (None, event.id.encode()):
        raise ContractError("wrong-id", f"expected the id {event.id!r} in ce_id too")
    return event


def _check_storable(event: Event) -> None:
    """Raise `ContractError` for what no reader could keep: it would stop each of them, after every restart again."""
    if not 0 <= event.time_us <= LATEST_US:
        raise ContractError("bad-time", f"expected a time from 0 to {LATEST_US} us, got {str(event.time_us)[:40]}")
    try:
        for cause in event.causes:
            split_cause(cause)
    except ValueError as error:
        raise ContractError("bad-cause", f"expected topic/partition/offset, got {cause[:80]!r}") from error
    try:
        msgspec.msgpack.encode(event)
    except OverflowError as error:
        raise ContractError("number-too-large", "expected whole numbers of at most 64 bits") from error


def unfit_type(topic: str, name: str) -> ContractError:
    """Return the error for a ce_type that cannot be read on a topic: not known, not this version, or not there."""
    if name in EVENT_TYPES or name == Telemetry.TYPE:
        return ContractError("wrong-topic", f"expected a type of {topic}, got {name}")
    stems = {known.rpartition(".")[0] for known in (*EVENT_TYPES, Telemetry.TYPE)}
    reason = "unknown-version" if name.rpartition(".")[0] in stems else "unknown-type"
    return ContractError(reason, f"expected a known ce_type on {topic}, got {name[:80]!r}")


def _type_of(value: bytes | None) -> str:
    if value is None:
        raise ContractError("missing-type", "expected a ce_type header, got none")
    return value.decode("utf-8", "replace")


def _header(headers: Headers, wanted: str) -> bytes | None:
    """Return a header that may be there once: a second one could be checked as one thing and read as another."""
    found = [value for name, value in headers if name == wanted and value is not None]
    if len(found) > 1:
        raise ContractError("ambiguous-headers", f"expected the header {wanted} once, got it {len(found)} times")
    return found[0] if found else None

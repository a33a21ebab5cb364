"""The bytes on the wire, for good: what was written once is written alike and read by every later version."""

import base64
import json
import math
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import wire
from schemas.errors import ContractError
from schemas.events import EVENT_TYPES, Action, Control, Event, TelemetryFrame
from schemas.ids import Cause
from schemas.keyfiles import describe_key
from schemas.keyring import Keyring
from schemas.raw import Headers, Message
from schemas.signing import Audience, Signer, verify
from tests.golden.samples import FOLDER, LATER, SAMPLES, T, message, text, value_in

JSON_SAMPLES = [event for event in SAMPLES if not isinstance(event, TelemetryFrame)]
BY_TYPE = pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).TYPE)
BY_JSON_TYPE = pytest.mark.parametrize("event", JSON_SAMPLES, ids=lambda event: type(event).TYPE)


def golden(event: Event) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / f"{event.TYPE}.json").read_text())
    return document


def headers_in(document: dict[str, Any]) -> Headers:
    return tuple((name, value.encode()) for name, value in document["headers"])


def test_every_type_has_a_golden_file() -> None:
    assert {path.name.removesuffix(".json") for path in FOLDER.iterdir()} == {*EVENT_TYPES, *LATER}
    assert {type(event) for event in SAMPLES} == set(EVENT_TYPES.values())


@BY_TYPE
def test_every_field_is_in_its_golden_file(event: Event) -> None:
    defaults = [name for name in event.__struct_fields__ if getattr(event, name) in (None, "", (), {}, 0, False)]
    zeros = {"partition", "number", "slot"}  # counted from 0
    later = {name.partition("+")[2] for name in LATER if name.startswith(f"{event.TYPE}+")}
    assert set(defaults) <= zeros | later


@BY_TYPE
def test_an_event_is_written_byte_for_byte_as_ever(event: Event) -> None:
    assert text(message(event)) == (FOLDER / f"{event.TYPE}.json").read_text()


@pytest.mark.parametrize("name", LATER)
def test_members_added_later_are_written_byte_for_byte_as_ever_and_read(name: str) -> None:
    document = json.loads((FOLDER / f"{name}.json").read_text())
    assert text(message(LATER[name])) == (FOLDER / f"{name}.json").read_text()
    assert wire.decode(document["topic"], value_in(document), headers_in(document)) == LATER[name]


@BY_JSON_TYPE
def test_what_was_written_is_read(event: Event) -> None:
    document = golden(event)
    assert wire.decode(document["topic"], value_in(document), headers_in(document)) == event


@BY_JSON_TYPE
def test_unknown_members_are_ignored(event: Event) -> None:
    document = golden(event)
    newer = json.dumps(json.loads(value_in(document)) | {"added_in_v1_7": {"deep": [1, None, "x"]}}).encode()
    assert wire.decode(document["topic"], newer, headers_in(document)) == event


@BY_JSON_TYPE
def test_a_type_is_refused_on_a_topic_of_another(event: Event) -> None:
    document = golden(event)
    for topic in ("raw", f"x{document['topic']}"):
        with pytest.raises(ContractError, match="wrong-topic"):
            wire.decode(topic, value_in(document), headers_in(document))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ce_type", b"flyball.control.v2", "unknown-version"),
        ("ce_type", b"com.example.thing.v1", "unknown-type"),
        ("ce_type", b"flyball.telemetry-frame.v1", "wrong-topic"),
        ("ce_type", None, "missing-type"),
        ("ce_id", b"another", "wrong-id"),
    ],
)
def test_headers_that_do_not_fit_are_refused(name: str, value: bytes | None, reason: str) -> None:
    record = message(next(event for event in SAMPLES if isinstance(event, Control)))
    headers = tuple((n, value if n == name else v) for n, v in record.headers)
    with pytest.raises(ContractError) as caught:
        wire.decode("control", record.value, headers)
    assert caught.value.reason == reason
    with pytest.raises(ContractError, match="ambiguous-headers"):
        wire.decode("control", record.value, (*record.headers, ("ce_type", b"flyball.action.v1")))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null-value"),
        (b"", "broken-json"),
        (b"{", "broken-json"),
        (b'{"id":"\xff"}', "broken-json"),
        (b"null", "wrong-type"),
        (b"[]", "wrong-type"),
        (b'{"id":1}', "wrong-type"),
        (b'{"x":' + b"[" * 100_000, "nested-too-deep"),
        (b" " * (wire.VALUE_LIMIT + 1), "too-large"),
    ],
)
def test_values_that_are_no_event_are_refused(value: bytes | None, reason: str) -> None:
    record = message(next(event for event in SAMPLES if isinstance(event, Control)))
    with pytest.raises(ContractError) as caught:
        wire.decode("control", value, record.headers)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"causes": ["rubbish"]}, "bad-cause"),
        ({"causes": ["insights/0/one"]}, "bad-cause"),
        ({"time_us": -1}, "bad-time"),
        ({"time_us": wire.LATEST_US + 1}, "bad-time"),
        ({"until_us": 2**64}, "number-too-large"),
    ],
)
def test_what_would_stop_every_reader_is_refused(change: dict[str, Any], reason: str) -> None:
    record = message(next(event for event in SAMPLES if isinstance(event, Control)))
    assert record.value is not None
    with pytest.raises(ContractError) as caught:
        wire.decode("control", json.dumps(json.loads(record.value) | change).encode(), record.headers)
    assert caught.value.reason == reason


SEED = bytes(range(32))
AUDIENCE = Audience(cluster="MkU3OEVBNTcwNTJENDM2Qk", loop="lab")
SIGNATURE = b"d7KnpRGEMN9/ONVS4oM6zaZsS47QCLd1tbZcudNwsKO5WuqzKDlN7c791nh3pQEP121jhyQzJCodaI2d766LBQ=="


def test_a_signature_is_the_same_for_ever() -> None:
    """Ed25519 is deterministic (RFC 8032): these bytes prove purpose, audience and encoding all at once."""
    action = next(event for event in SAMPLES if isinstance(event, Action))
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    signed = Signer(key_id="k1", purpose="actions", private_key=key, audience=AUDIENCE).sign(message(action))
    assert signed.headers[-2:] == (("ce_keyid", b"k1"), ("ce_signature", SIGNATURE))
    entry = msgspec.structs.replace(describe_key(key.public_key(), purpose="actions", subject="gate"), id="k1")
    keyring = Keyring(version=1, keys=(entry,))
    assert verify(signed, keyring=keyring, purpose="actions", audience=AUDIENCE, now_us=T) == "k1"
    assert len(base64.b64decode(SIGNATURE)) == 64


finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
positions = st.builds(lambda *parts: str(Cause(*parts)), texts, st.integers(0, 100), st.integers(0, 2**53))


def strategy_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return values of a field's type, as msgspec describes it."""
    info = msgspec.inspect
    by_kind: dict[type, Any] = {
        info.IntType: lambda _: st.integers(-(2**63), 2**63 - 1),
        info.FloatType: lambda _: finite,
        info.StrType: lambda _: texts,
        info.BoolType: lambda _: st.booleans(),
        info.BytesType: lambda _: st.binary(max_size=20),
        info.NoneType: lambda _: st.none(),
        info.LiteralType: lambda t: st.sampled_from(t.values),
        info.UnionType: lambda t: st.one_of([strategy_of(each) for each in t.types]),
        info.DictType: lambda t: st.dictionaries(strategy_of(t.key_type), strategy_of(t.value_type), max_size=3),
        info.VarTupleType: lambda t: st.lists(strategy_of(t.item_type), max_size=3).map(tuple),
        info.TupleType: lambda t: st.tuples(*(strategy_of(each) for each in t.item_types)),
        info.StructType: lambda t: struct_of(t.cls),
    }
    return by_kind[type(kind)](kind)  # type: ignore[no-any-return]


def struct_of(cls: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    fields = msgspec.inspect.type_info(cls).fields  # type: ignore[attr-defined]
    members = {field.name: strategy_of(field.type) for field in fields if field.name != "time_us"}
    if any(field.name == "causes" for field in fields):  # an event: only its envelope has a form of its own
        members |= {"time_us": st.integers(0, 2**52), "causes": st.lists(positions, max_size=3).map(tuple)}
    return st.builds(cls, **members)


@pytest.mark.parametrize("cls", [type(event) for event in JSON_SAMPLES], ids=lambda cls: cls.TYPE)
def test_any_event_is_read_as_it_was_written(cls: type[Event]) -> None:
    topic = message(next(event for event in SAMPLES if type(event) is cls)).topic

    @settings(max_examples=25, deadline=None)
    @given(struct_of(cls))
    def round_trip(event: Event) -> None:
        record = wire.encode(event, loop="lab", topic=topic)
        assert wire.decode(topic, record.value, record.headers) == event
        assert record == wire.encode(wire.decode(topic, record.value, record.headers), loop="lab", topic=topic)

    round_trip()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(JSON_SAMPLES), st.data())
def test_damaged_records_raise_contract_errors_only(event: Event, data: st.DataObject) -> None:
    record = message(event)
    value = bytearray(record.value or b"")
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    try:
        damaged = wire.decode(record.topic, bytes(value), record.headers)
    except ContractError:
        return
    again: Message = wire.encode(damaged, loop="lab", topic=record.topic)
    assert again.value is not None
    assert not any(isinstance(v, float) and math.isnan(v) for v in msgspec.to_builtins(damaged).values())

"""Events: who may say what on which topic, and how the keyring on `control` changes that."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas import keyfiles, wire
from schemas.errors import ContractError, SignatureError
from schemas.events import Action, Approval, Control, Event, Outcome, Proposal
from schemas.keyfiles import create_keys, load_signer, load_trust, rotate_key
from schemas.raw import Message
from schemas.signing import Audience, Purpose
from streams.loop.decode import LoopDecode, make_decode
from tests.loop.decoding import NOW, NOW_US
from tests.schemas.people import Person

AUDIENCE = Audience(cluster="c1", loop="lab")
ANN = Person("ann")
BY_PEOPLE = ("approvals", "policy")
"""What no machine may sign."""


EVENTS: dict[str, tuple[Event, Purpose]] = {
    "control": (Control(id="1", time_us=1, kind="pause", target="loop", value="paused", by="ann"), "control"),
    "approvals": (
        Approval(
            id="2", time_us=1, proposal="p", proposal_hash="h", decision="approve", person="ann", not_after_us=NOW_US
        ),
        "approvals",
    ),
    "outcomes": (
        Outcome(id="3", time_us=1, action="a", entity="e", group="g", executor="x", state="claimed"),
        "outcomes",
    ),
    "actions": (
        Action(
            id="4",
            time_us=1,
            entity="e",
            action="restart",
            proposal="p",
            episode="e1",
            pattern="P",
            issued_us=1,
            expires_us=2,
            settings_hash="h",
        ),
        "actions",
    ),
    "policy": (
        Proposal(
            id="5",
            time_us=1,
            entity="e",
            episode="e1",
            pattern="P",
            action="restart",
            propensity=1.0,
            probabilities={"restart": 1.0},
            expires_us=2,
            model="m",
            by="ann",
        ),
        "proposals",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys")
    create_keys(path / "keys")
    ANN.join(path / "keys", "approver", "operator")
    return path / "keys"


def decoder_of(folder: Path) -> LoopDecode:
    return make_decode(trust=load_trust(folder), audience=AUDIENCE)


def read(decoder: LoopDecode, message: Message) -> Event:
    return decoder.event(message.topic, message.key, message.value, message.headers, NOW)


def signed(folder: Path, topic: str, *, audience: Audience = AUDIENCE) -> Message:
    event, purpose = EVENTS[topic]
    if isinstance(event, Approval):
        return wire.encode(ANN.signed(event, audience), loop="lab")
    signer = ANN.signer(purpose, audience) if topic in BY_PEOPLE else load_signer(folder, purpose, audience)
    return signer.sign(wire.encode(event, loop="lab"))


@pytest.mark.parametrize("topic", EVENTS)
def test_a_signed_event_is_read(folder: Path, topic: str) -> None:
    message = signed(folder, topic)
    event = read(decoder_of(folder), message)
    written = wire.decode(topic, message.value, message.headers)
    if isinstance(written, Control):  # a machine's key names no person
        written = replace(written, by=f"ann, key {dict(message.headers)['ce_keyid'].decode()}")
    assert event == written
    assert event.id == EVENTS[topic][0].id


def test_an_order_may_be_signed_by_a_person_too(folder: Path) -> None:
    order = EVENTS["control"][0]
    assert read(decoder_of(folder), ANN.signer("control", AUDIENCE).sign(wire.encode(order, loop="lab"))) == order


@pytest.mark.parametrize("topic", ["control", "policy"])
def test_nobody_orders_or_proposes_in_the_name_of_another(folder: Path, topic: str) -> None:
    event, purpose = EVENTS[topic]
    assert isinstance(event, Control | Proposal)
    forged = wire.encode(msgspec.structs.replace(event, by="bob"), loop="lab")
    with pytest.raises(SignatureError, match="wrong-person"):
        read(decoder_of(folder), ANN.signer(purpose, AUDIENCE).sign(forged))


def test_a_machine_does_not_propose_in_the_name_of_a_person(folder: Path) -> None:
    message = load_signer(folder, "control", AUDIENCE).sign(wire.encode(EVENTS["policy"][0], loop="lab"))
    with pytest.raises(SignatureError, match="wrong-purpose"):
        read(decoder_of(folder), message)


@pytest.mark.parametrize("topic", BY_PEOPLE)
def test_what_a_person_says_is_short_for_it_is_passed_on_whole(folder: Path, topic: str) -> None:
    """Several of them must fit into the record of an action, else the gate could not write it."""
    event, purpose = EVENTS[topic]
    for length, fits in ((10_000, True), (20_000, False)):
        long = msgspec.structs.replace(event, reason="x" * length)
        if isinstance(long, Approval):
            message = wire.encode(ANN.signed(long, AUDIENCE), loop="lab")
        else:
            message = ANN.signer(purpose, AUDIENCE).sign(wire.encode(long, loop="lab"))
        if fits:
            assert read(decoder_of(folder), message).id == event.id
        else:
            with pytest.raises(ContractError, match="too-large"):
                read(decoder_of(folder), message)


def test_an_answer_is_read_in_one_way_only(folder: Path) -> None:
    """A member that comes twice, or is unknown, changes nothing of what the signature covers."""
    message = signed(folder, "approvals")
    value = message.value or b""
    twice = value.replace(b'"decision":"approve"', b'"decision":"approve","decision":"reject"')
    with pytest.raises(SignatureError, match="bad-signature"):
        read(decoder_of(folder), replace(message, value=twice))
    more = value.replace(b"{", b'{"decisions":"reject",', 1)
    assert read(decoder_of(folder), replace(message, value=more)) == read(decoder_of(folder), message)


@pytest.mark.parametrize("topic", EVENTS)
def test_an_unsigned_event_is_refused(folder: Path, topic: str) -> None:
    with pytest.raises(SignatureError, match="unsigned"):
        read(decoder_of(folder), wire.encode(EVENTS[topic][0], loop="lab"))


@pytest.mark.parametrize("topic", EVENTS)
def test_a_changed_event_is_refused(folder: Path, topic: str) -> None:
    message = signed(folder, topic)
    forged = replace(message, value=(message.value or b"").replace(b'"time_us":1', b'"time_us":2'))
    with pytest.raises(SignatureError, match="bad-signature"):
        read(decoder_of(folder), forged)


@pytest.mark.parametrize("topic", EVENTS)
def test_an_event_signed_for_another_loop_is_refused(folder: Path, topic: str) -> None:
    message = signed(folder, topic, audience=Audience(cluster="c1", loop="fleet"))
    with pytest.raises(SignatureError, match="bad-signature"):
        read(decoder_of(folder), message)


def test_what_the_loop_itself_proposes_needs_no_signature(folder: Path) -> None:
    event = wire.decode("policy", *_value_and_headers(by=None))
    assert read(decoder_of(folder), wire.encode(event, loop="lab")) == event


def _value_and_headers(by: str | None) -> tuple[bytes, Any]:
    message = wire.encode(EVENTS["policy"][0], loop="lab")
    value = (message.value or b"").replace(b'"by":"ann",', b"" if by is None else f'"by":"{by}",'.encode())
    return value, message.headers


def test_without_trust_no_signature_is_looked_at() -> None:
    event = EVENTS["control"][0]
    assert read(make_decode(), wire.encode(event, loop="lab")) == event


def test_a_newer_keyring_on_control_takes_effect_at_its_place(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    folder = tmp_path / "keys"
    decoder, other = decoder_of(folder), decoder_of(folder)
    before = signed(folder, "outcomes")
    first_text = keyfiles.keyring_text(folder)
    rotate_key(folder, "outcomes")
    after = signed(folder, "outcomes")
    with pytest.raises(SignatureError, match="unknown-key"):
        read(decoder, after)
    read(decoder, before)
    read(decoder, keyring_message(keyfiles.keyring_text(folder)))
    read(decoder, after)
    with pytest.raises(SignatureError, match="revoked-key"):
        read(decoder, before)
    read(decoder, keyring_message(first_text))
    read(decoder, after)
    read(other, before)


def test_a_restored_decoder_trusts_whom_it_trusted_then_not_whom_the_file_names(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    folder = tmp_path / "keys"
    decoder, restarted = decoder_of(folder), decoder_of(folder)
    rotate_key(folder, "outcomes")
    after = signed(folder, "outcomes")
    read(decoder, keyring_message(keyfiles.keyring_text(folder)))
    with pytest.raises(SignatureError, match="unknown-key"):
        read(restarted, after)
    restarted.restore(decoder.snapshot())
    read(restarted, after)


def keyring_message(text: str) -> Message:
    event = Control(id=str(len(text)), time_us=1, kind="keyring", target="loop", value=text, by="ann")
    return wire.encode(event, loop="lab")


def test_a_keyring_that_the_root_did_not_sign_changes_nothing(folder: Path, tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    rotate_key(tmp_path / "keys", "outcomes")
    decoder = decoder_of(folder)
    with pytest.raises(SignatureError, match="bad-keyring"):
        read(decoder, keyring_message(keyfiles.keyring_text(tmp_path / "keys")))
    read(decoder, signed(folder, "outcomes"))


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["control", "policy", "insights", "journal-gate", "raw", ""]),
    st.one_of(st.none(), st.binary(max_size=80), st.just(b"[" * 100_000), st.just(b'{"a":' * 50_000)),
    st.lists(
        st.tuples(
            st.sampled_from(["ce_type", "ce_id", "ce_keyid", "ce_signature", "x"]),
            st.one_of(
                st.none(),
                st.binary(max_size=20),
                st.sampled_from([b"flyball.control.v1", b"flyball.proposal.v1", b"flyball.telemetry-frame.v1"]),
            ),
        ),
        max_size=4,
    ),
)
def test_no_bytes_raise_anything_but_a_contract_error(
    topic: str, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    with pytest.raises(ContractError):
        read(DECODER, Message(topic=topic, key=None, value=value, headers=tuple(headers)))


DECODER = make_decode()

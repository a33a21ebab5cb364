"""Answers of people: who may give them, over which bytes, and what an executor finds out by itself."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.approvals import verify_answers, verify_approval, why_withdrawn
from schemas.errors import SignatureError
from schemas.events import Action, Approval
from schemas.keyfiles import create_keys, load_keyring, load_signer, revoke_key
from schemas.keyring import Key, Keyring
from schemas.signing import Audience, pre_authentication_encoding
from tests.schemas.people import Person

AUDIENCE = Audience(cluster="c1", loop="lab")
NOW = 1_700_000_000_000_000
ACTION = Action(
    id="a1",
    time_us=NOW,
    entity="web-1",
    action="restart",
    proposal="p1",
    episode="e1",
    pattern="P1",
    issued_us=NOW,
    expires_us=NOW + 9,
    settings_hash="s",
    parameters={"grace": "1s"},
)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    create_keys(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def ada(keys: Path) -> Person:
    return Person("ada").join(keys, "approver")


@pytest.fixture
def bob(keys: Path) -> Person:
    return Person("bob").join(keys, "approver", "operator")


def why_not(keys: Path, approval: Approval, *, audience: Audience = AUDIENCE, now_us: int = NOW) -> str:
    with pytest.raises(SignatureError) as caught:
        verify_approval(approval, keyring=load_keyring(keys), audience=audience, now_us=now_us)
    return caught.value.reason


def test_an_approvers_signature_counts(keys: Path, ada: Person) -> None:
    verify_approval(ada.approval(ACTION, AUDIENCE), keyring=load_keyring(keys), audience=AUDIENCE, now_us=NOW)


@pytest.mark.parametrize("field", [name for name in Approval.__struct_fields__ if name not in ("signature", "person")])
def test_every_field_is_signed(keys: Path, ada: Person, field: str) -> None:
    approval = ada.approval(ACTION, AUDIENCE)
    other = {"decision": "reject", "causes": ("a/0/1",), "time_us": 1, "not_after_us": NOW * 2}.get(field, "other")
    assert why_not(keys, msgspec.structs.replace(approval, **{field: other})) == "bad-signature"


def test_the_audience_is_signed(keys: Path, ada: Person) -> None:
    approval = ada.approval(ACTION, AUDIENCE)
    assert why_not(keys, approval, audience=Audience(cluster="c2", loop="lab")) == "bad-signature"
    assert why_not(keys, approval, audience=Audience(cluster="c1", loop="fleet")) == "bad-signature"


def test_nobody_answers_for_another(keys: Path, ada: Person, bob: Person) -> None:
    assert why_not(keys, ada.approval(ACTION, AUDIENCE, person="bob")) == "wrong-person"
    mine, theirs = ada.approval(ACTION, AUDIENCE), bob.approval(ACTION, AUDIENCE)
    assert why_not(keys, msgspec.structs.replace(mine, signature=theirs.signature)) == "bad-signature"


def test_strangers_operators_and_machines_do_not_approve(keys: Path, ada: Person) -> None:
    approval = ada.approval(ACTION, AUDIENCE)
    assert why_not(keys, Person("eve").approval(ACTION, AUDIENCE)) == "unknown-key"
    assert why_not(keys, Person("cleo").join(keys, "operator").approval(ACTION, AUDIENCE)) == "wrong-purpose"
    assert why_not(keys, msgspec.structs.replace(approval, signature="")) == "unsigned"
    assert why_not(keys, msgspec.structs.replace(approval, signature="!!")) == "bad-signature"
    machine = load_signer(keys, "control", AUDIENCE)
    assert why_not(keys, msgspec.structs.replace(approval, signature="AAAA" + machine.key_id)) == "bad-signature"


def test_a_machines_key_never_approves_whatever_the_keyring_says(keys: Path) -> None:
    key = load_keyring(keys).keys[0]
    entry = msgspec.structs.replace(key, id="x", purposes=("approvals", "proposals", "actions"))
    assert entry.may_sign() == ("actions",)
    with pytest.raises(SignatureError, match="wrong-purpose"):
        load_keyring(keys).with_key(entry).trusted("x", purpose="approvals", now_us=NOW)


def test_a_signature_for_another_namespace_does_not_count(keys: Path, ada: Person, bob: Person) -> None:
    approval = bob.approval(ACTION, AUDIENCE)
    for namespace in ("flyball-control-v1", "git", ""):
        assert why_not(keys, bob.signed(approval, AUDIENCE, namespace=namespace)) == "wrong-purpose"


def test_a_key_counts_until_it_ends_or_is_revoked(keys: Path, ada: Person) -> None:
    cleo = Person("cleo").join(keys, "approver", not_after_us=NOW)
    approval = cleo.approval(ACTION, AUDIENCE)
    verify_approval(approval, keyring=load_keyring(keys), audience=AUDIENCE, now_us=NOW)
    assert why_not(keys, approval, now_us=NOW + 1) == "expired-key"
    revoke_key(keys, "ada")
    assert why_not(keys, ada.approval(ACTION, AUDIENCE)) == "revoked-key"


def with_answers(*answers: Approval, **fields: object) -> Action:
    values = {"answers": answers, "approvals": tuple(answer.id for answer in answers)}
    return msgspec.structs.replace(ACTION, **(values | fields))  # type: ignore[arg-type]


def refused(keys: Path, action: Action, *, least: int = 1) -> str | None:
    try:
        verify_answers(action, least=least, keyring=load_keyring(keys), audience=AUDIENCE, now_us=NOW)
    except SignatureError as error:
        return error.reason
    return None


def test_an_executor_checks_every_approval_that_an_action_holds(keys: Path, ada: Person, bob: Person) -> None:
    mine, theirs = ada.approval(ACTION, AUDIENCE), bob.approval(ACTION, AUDIENCE)
    assert refused(keys, with_answers(mine, theirs), least=2) is None
    assert refused(keys, ACTION, least=0) is None
    assert refused(keys, with_answers(mine), least=2) == "too-few-approvals"
    twice = ada.approval(ACTION, AUDIENCE, id="again")
    assert refused(keys, with_answers(mine, twice), least=2) == "too-few-approvals"
    assert refused(keys, with_answers(mine, approvals=())) == "approvals-differ"
    assert refused(keys, with_answers(approvals=("by-ada",))) == "approvals-differ"
    assert refused(keys, with_answers(ada.approval(ACTION, AUDIENCE, decision="reject"))) == "other-approval"
    assert refused(keys, with_answers(ada.approval(ACTION, AUDIENCE, proposal="p2"))) == "other-approval"
    assert refused(keys, with_answers(ada.approval(ACTION, AUDIENCE, not_after_us=NOW))) == "stale-approval"
    assert refused(keys, with_answers(Person("eve").approval(ACTION, AUDIENCE))) == "unknown-key"


@pytest.mark.parametrize("field", ["entity", "action", "episode", "pattern", "settings_hash", "parameters", "dry_run"])
def test_an_action_that_was_changed_is_another_one(keys: Path, ada: Person, field: str) -> None:
    other = {"parameters": {"grace": "0s"}, "dry_run": True}.get(field, "other")
    action = with_answers(ada.approval(ACTION, AUDIENCE), **{field: other})
    assert refused(keys, action) == "other-approval"


def test_what_runs_ends_with_the_keys_behind_it(keys: Path, ada: Person) -> None:
    action = with_answers(ada.approval(ACTION, AUDIENCE))
    gate = load_signer(keys, "actions", AUDIENCE).key_id

    def why() -> str | None:
        return why_withdrawn(action, gate, keyring=load_keyring(keys), now_us=NOW)

    assert why() is None
    revoke_key(keys, "ada")
    assert why() == f"key {ada.id} is revoked"
    revoke_key(keys, gate)
    assert why() == f"key {gate} is revoked"


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        ({"id": "SHA256:x"}, "expected the fingerprint"),
        ({"purposes": ("actions",)}, "got both"),
        ({"subject": "loop"}, "expected a name"),
        ({"subject": "Ada"}, "expected a name"),
        ({"subject": ""}, "expected a name"),
        ({"public": "ssh-rsa AAAA"}, "bad-key"),
    ],
)
def test_entries_that_could_be_taken_for_others_are_refused(
    keys: Path, changes: dict[str, object], remark: str
) -> None:
    eve = Person("eve")
    entry = Key(id=eve.id, subject="eve", public=eve.public.line(), roles=("approver",))
    with pytest.raises(SignatureError, match=remark):
        load_keyring(keys).with_key(msgspec.structs.replace(entry, **changes))  # type: ignore[arg-type]


def test_a_key_is_one_persons_only(keys: Path, ada: Person) -> None:
    ada.name = "ada-again"
    with pytest.raises(SignatureError, match="expected a new key id"):
        ada.join(keys, "approver")


def test_all_keys_of_a_person_are_revoked_by_name(keys: Path, ada: Person, bob: Person) -> None:
    other = Person("ada").join(keys, "operator")
    keyring = revoke_key(keys, "ada")
    assert {key.id for key in keyring.keys if key.revoked} == {ada.id, other.id}
    with pytest.raises(SignatureError, match="unknown-key"):
        revoke_key(keys, "nobody")


def test_a_keyring_with_people_is_read_as_it_was_written(keys: Path, ada: Person, bob: Person) -> None:
    text = (keys / "keyring.json").read_text()
    assert Keyring.read(text) == load_keyring(keys)
    assert [key.subject for key in load_keyring(keys).keys if key.is_persons] == ["ada", "bob"]


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_no_two_lists_of_parts_are_signed_alike(one: list[bytes], other: list[bytes]) -> None:
    assert (pre_authentication_encoding(*one) == pre_authentication_encoding(*other)) == (one == other)

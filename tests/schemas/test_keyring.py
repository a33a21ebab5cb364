"""Keys, keyring and signatures: who may sign what, for whom, and how trust is withdrawn."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from schemas import keyfiles, wire
from schemas.errors import SettingsError, SignatureError
from schemas.events import Control
from schemas.keyfiles import create_keys, load_keyring, load_root, load_signer, revoke_key, rotate_key
from schemas.keyring import TEXT_LIMIT, Key, Keyring, Trust
from schemas.raw import Message
from schemas.signing import Audience, verify

AUDIENCE = Audience(cluster="c1", loop="lab")
NOW = 1_700_000_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_keys(tmp_path / "keys")
    return tmp_path / "keys"


def pause(key: str = "c-1") -> Message:
    event = Control(id=key, time_us=NOW, kind="pause", target="loop", value="paused", by="ann")
    return wire.encode(event, loop="lab")


def signed(folder: Path, message: Message) -> Message:
    return load_signer(folder, "control", AUDIENCE).sign(message)


def reason_of(folder: Path, message: Message, *, purpose: str = "control", audience: Audience = AUDIENCE) -> str:
    with pytest.raises(SignatureError) as caught:
        verify(message, keyring=load_keyring(folder), purpose=purpose, audience=audience, now_us=NOW)
    return caught.value.reason


def test_a_signed_message_names_its_key(folder: Path) -> None:
    key_id = verify(
        signed(folder, pause()), keyring=load_keyring(folder), purpose="control", audience=AUDIENCE, now_us=NOW
    )
    assert key_id.startswith("control-")


def test_private_keys_are_readable_by_their_owner_only(folder: Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert {name for name, mode in modes.items() if mode == 0o600} == {
        "root.key",
        *(f"{purpose}.key" for purpose in keyfiles.PURPOSES),
    }
    assert set(modes) - {name for name in modes if name.endswith(".key")} == {"root.pub", "keyring.json"}


def test_keys_are_never_made_over_existing_ones(folder: Path) -> None:
    before = (folder / "root.key").read_bytes()
    with pytest.raises(SettingsError, match="found a root key"):
        create_keys(folder)
    assert (folder / "root.key").read_bytes() == before


@pytest.mark.parametrize(
    "forge",
    [
        lambda m: replace(m, value=m.value.replace(b"paused", b"running")),
        lambda m: replace(m, key=b"pause/other"),
        lambda m: replace(m, topic="approvals"),
        lambda m: replace(m, headers=tuple((n, b"x" if n == "ce_id" else v) for n, v in m.headers)),
        lambda m: replace(m, headers=tuple((n, b"x" if n == "ce_type" else v) for n, v in m.headers)),
        lambda m: replace(m, headers=tuple((n, b"!!" if n == "ce_signature" else v) for n, v in m.headers)),
    ],
    ids=["value", "key", "topic", "id", "type", "signature"],
)
def test_a_changed_message_is_refused(folder: Path, forge: object) -> None:
    assert callable(forge)
    assert reason_of(folder, forge(signed(folder, pause()))) == "bad-signature"


def test_a_message_for_another_cluster_or_loop_is_refused(folder: Path) -> None:
    message = signed(folder, pause())
    assert reason_of(folder, message, audience=Audience(cluster="c2", loop="lab")) == "bad-signature"
    assert reason_of(folder, message, audience=Audience(cluster="c1", loop="fleet")) == "bad-signature"


def test_an_unsigned_message_is_refused(folder: Path) -> None:
    assert reason_of(folder, pause()) == "unsigned"


def test_a_header_given_twice_is_refused(folder: Path) -> None:
    message = signed(folder, pause())
    assert reason_of(folder, replace(message, headers=(("ce_type", b"other"), *message.headers))) == "ambiguous-headers"


def test_a_key_signs_only_for_its_purpose(folder: Path) -> None:
    assert reason_of(folder, signed(folder, pause()), purpose="approvals") == "wrong-purpose"


def test_a_key_of_another_folder_is_unknown(folder: Path, tmp_path: Path) -> None:
    create_keys(tmp_path / "other")
    assert reason_of(folder, signed(tmp_path / "other", pause())) == "unknown-key"


def test_a_revoked_key_is_refused_for_ever(folder: Path) -> None:
    message = signed(folder, pause())
    key_id = next(key.id for key in load_keyring(folder).keys if "control" in key.purposes)
    assert revoke_key(folder, key_id).version == 2
    assert reason_of(folder, message) == "revoked-key"


def test_only_what_a_key_did_sign_is_said_to_be_by_a_revoked_one(folder: Path) -> None:
    message = signed(folder, pause())
    key_id = next(key.id for key in load_keyring(folder).keys if "control" in key.purposes)
    revoke_key(folder, key_id)
    assert reason_of(folder, message, purpose="outcomes") == "wrong-purpose"
    assert reason_of(folder, replace(message, value=b"{}")) == "bad-signature"


def test_rotation_revokes_the_former_key_and_trusts_the_new_one(folder: Path) -> None:
    former = signed(folder, pause())
    rotate_key(folder, "control")
    assert reason_of(folder, former) == "revoked-key"
    verify(signed(folder, pause()), keyring=load_keyring(folder), purpose="control", audience=AUDIENCE, now_us=NOW)


def test_an_expired_key_is_refused() -> None:
    private = Ed25519PrivateKey.generate()
    entry = keyfiles.describe_key(private.public_key(), purpose="control", subject="ann")
    keyring = Keyring(version=1, keys=(Key(**{**as_dict(entry), "not_after_us": NOW - 1}),))
    with pytest.raises(SignatureError) as caught:
        keyring.trusted(entry.id, purpose="control", now_us=NOW)
    assert caught.value.reason == "expired-key"


def as_dict(key: Key) -> dict[str, object]:
    return {name: getattr(key, name) for name in key.__struct_fields__}


def test_trust_adopts_only_higher_versions(folder: Path) -> None:
    text = (folder / "keyring.json").read_text()
    trust = Trust(root=load_root(folder), keyring=load_keyring(folder))
    newer = rotate_key(folder, "actions")
    assert trust.adopt((folder / "keyring.json").read_text())
    assert trust.keyring == newer
    assert not trust.adopt(text)
    assert trust.keyring == newer


@pytest.mark.parametrize(
    "text",
    ["", "{}\n", "not json\nAAAA\n", "[" * 100_000 + "\nAAAA", "x" * (TEXT_LIMIT + 1), '{"version":1,"keys":[]}\n\n'],
)
def test_a_keyring_that_the_root_did_not_sign_is_refused(folder: Path, text: str) -> None:
    trust = Trust(root=load_root(folder), keyring=load_keyring(folder))
    with pytest.raises(SignatureError) as caught:
        trust.adopt(text)
    assert caught.value.reason == "bad-keyring"


@pytest.mark.parametrize(
    "body",
    [
        b'{"version":0,"keys":[]}',
        b'{"version":2,"keys":[{"id":"a","subject":"s","purposes":[],"public":"AA=="}]}',
        b"[" * 100_000,
        b'{"version":"2"}',
    ],
)
def test_a_signed_text_that_is_no_keyring_is_refused(body: bytes) -> None:
    root = Ed25519PrivateKey.generate()
    text = f"{body.decode()}\n{base64.b64encode(root.sign(body)).decode()}\n"
    with pytest.raises(SignatureError) as caught:
        Keyring.parse(text, root.public_key())
    assert caught.value.reason == "bad-keyring"


def test_a_key_id_is_taken_once(folder: Path) -> None:
    keyring = load_keyring(folder)
    with pytest.raises(SignatureError):
        keyring.with_key(keyring.keys[0])


def test_missing_keys_are_a_setting_to_mend(tmp_path: Path) -> None:
    for load in (load_root, load_keyring, lambda folder: load_signer(folder, "actions", AUDIENCE)):
        with pytest.raises(SettingsError, match="expected a"):
            load(tmp_path)

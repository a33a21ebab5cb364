"""Signatures over messages: Ed25519 (RFC 8032), or a person's SSH key, over the DSSE pre-authentication encoding.

What is signed: purpose, audience (cluster id, loop, topic), event type, id, key and value. A signature made for one
cluster, loop or topic is worth nothing on another.
"""

import base64
from dataclasses import dataclass
from typing import Literal, Protocol

from msgspec.structs import replace

from .errors import SignatureError
from .keyring import Keyring
from .raw import Headers, Message

Purpose = Literal["actions", "outcomes", "control", "approvals", "proposals", "models", "audit"]
PURPOSE_OF_TOPIC: dict[str, Purpose] = {
    "actions": "actions",
    "outcomes": "outcomes",
    "control": "control",
    "approvals": "approvals",
    "policy": "proposals",
    "promotions": "models",
    "models": "models",
    "audit": "audit",
}


def pre_authentication_encoding(*parts: bytes) -> bytes:
    """Return DSSE's PAE (github.com/secure-systems-lab/dsse) of any number of parts: no two lists encode alike."""
    return b" ".join([b"DSSEv1", *(b"%d %b" % (len(part), part) for part in parts)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """For whom a message is: the cluster's id and the loop; the topic comes from the message."""

    cluster: str
    loop: str


def _fields(message: Message) -> dict[str, bytes | None]:
    """Return the headers by name; a name given twice could be signed as one thing and read as another."""
    fields = dict(message.headers)
    if len(fields) < len(message.headers):
        raise SignatureError("ambiguous-headers", "expected every header once, got a name twice")
    return fields


def _signed_bytes(message: Message, purpose: str, audience: Audience) -> bytes:
    fields = _fields(message)
    return pre_authentication_encoding(
        purpose.encode(),
        audience.cluster.encode(),
        f"{audience.loop}.{message.topic}".encode(),
        fields.get("ce_type") or b"",
        fields.get("ce_id") or b"",
        message.key or b"",
        message.value or b"",
    )


class PrivateKey(Protocol):
    """What signs: an Ed25519 key of a machine, or a person's SSH key, which gives an SSHSIG."""

    def sign(self, data: bytes, /) -> bytes:
        """Return the signature over these bytes."""
        ...


class Signer:
    """Signs messages of one purpose with one private key."""

    def __init__(self, *, key_id: str, purpose: Purpose, private_key: PrivateKey, audience: Audience) -> None:
        self.key_id = key_id
        self.purpose = purpose
        self._private_key = private_key
        self._audience = audience

    def sign(self, message: Message) -> Message:
        """Return the message with the headers `ce_keyid` and `ce_signature` (base64) added."""
        signature = self._private_key.sign(_signed_bytes(message, self.purpose, self._audience))
        extra: Headers = (
            ("ce_keyid", self.key_id.encode()),
            ("ce_signature", base64.b64encode(signature)),
        )
        return replace(message, headers=(*message.headers, *extra))


def verify(message: Message, *, keyring: Keyring, purpose: Purpose, audience: Audience, now_us: int) -> str:
    """Return the id of the key that signed the message; raises `SignatureError` when nobody valid did.

    That the key was withdrawn (`revoked-key`, `expired-key`) is said only of what it did sign, for this purpose.
    """
    fields = _fields(message)
    key_id, signature = fields.get("ce_keyid"), fields.get("ce_signature")
    if not key_id or not signature:
        raise SignatureError("unsigned", f"expected a signature for {purpose}, got none")
    key = keyring.entitled(key_id.decode("utf-8", "replace"), purpose=purpose)
    try:
        key.verify(
            base64.b64decode(signature, validate=True), _signed_bytes(message, purpose, audience), purpose=purpose
        )
    except ValueError as error:
        raise SignatureError("bad-signature", f"expected base64 as the signature by {key_id!r}") from error
    return keyring.trusted(key.id, purpose=purpose, now_us=now_us).id

"""The keyring: which public key may sign what, in a file with an increasing version, signed by a root key."""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .errors import SignatureError

TEXT_LIMIT = 262_144
"""Largest keyring text (characters): it must fit into one record of `control`."""


class Key(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One public key (base64 of 32 bytes) with the purposes it may sign for."""

    id: str
    subject: str
    purposes: tuple[str, ...]
    public: str
    not_after_us: int | None = None
    revoked: bool = False

    def load(self) -> Ed25519PublicKey:
        """Return the key itself; raises `SignatureError` when `public` is not one."""
        try:
            return Ed25519PublicKey.from_public_bytes(base64.b64decode(self.public, validate=True))
        except (ValueError, binascii.Error) as error:
            raise SignatureError("bad-keyring", f"expected base64 of 32 bytes as key {self.id}") from error


class Keyring(msgspec.Struct, frozen=True, kw_only=True):
    """Every key of one loop. Readers adopt a keyring only when its version is higher and the root key signed it."""

    version: int
    keys: tuple[Key, ...]

    def public_key(self, key_id: str, *, purpose: str, now_us: int) -> Ed25519PublicKey:
        """Return a key that may sign for `purpose` now; raises `SignatureError` otherwise."""
        key = self.find(key_id)
        if key.revoked:
            raise SignatureError("revoked-key", f"key {key_id} is revoked")
        if purpose not in key.purposes:
            raise SignatureError("wrong-purpose", f"key {key_id} may sign {key.purposes}, not {purpose}")
        if key.not_after_us is not None and now_us > key.not_after_us:
            raise SignatureError("expired-key", f"key {key_id} has expired")
        return key.load()

    def find(self, key_id: str) -> Key:
        """Return the entry of a key; raises `SignatureError` when there is none."""
        for key in self.keys:
            if key.id == key_id:
                return key
        raise SignatureError("unknown-key", f"expected a key of the keyring, got {key_id!r}")

    def with_key(self, key: Key) -> "Keyring":
        """Return the next version, with one key more; raises `SignatureError` when its id is taken."""
        if any(other.id == key.id for other in self.keys):
            raise SignatureError("bad-keyring", f"expected a new key id, got {key.id!r} again")
        key.load()
        return Keyring(version=self.version + 1, keys=(*self.keys, key))

    def without_trust_in(self, key_id: str) -> "Keyring":
        """Return the next version, with one key revoked; a revoked key stays listed so that its id is never reused."""
        self.find(key_id)
        keys = tuple(msgspec.structs.replace(key, revoked=key.revoked or key.id == key_id) for key in self.keys)
        return Keyring(version=self.version + 1, keys=keys)

    def signed_text(self, root: Ed25519PrivateKey) -> str:
        """Return the keyring file: canonical JSON, a newline, and the root key's signature over it in base64."""
        body = msgspec.json.encode(self, order="sorted")
        return f"{body.decode()}\n{base64.b64encode(root.sign(body)).decode()}\n"

    @classmethod
    def parse(cls, text: str, root: Ed25519PublicKey) -> "Keyring":
        """Read a keyring file; raises `SignatureError` when the root key did not sign it or it is not a keyring."""
        if len(text) > TEXT_LIMIT:
            raise SignatureError("bad-keyring", f"expected at most {TEXT_LIMIT} characters, got {len(text)}")
        body, _, rest = text.partition("\n")
        try:
            signed = body.encode()
            root.verify(base64.b64decode(rest.strip(), validate=True), signed)
            keyring = msgspec.json.decode(signed, type=cls)
        except (InvalidSignature, ValueError, RecursionError) as error:
            raise SignatureError("bad-keyring", "expected a keyring signed by the pinned root key") from error
        if keyring.version < 1 or len({key.id for key in keyring.keys}) < len(keyring.keys):
            raise SignatureError("bad-keyring", "expected a version from 1 on and every key id once")
        for key in keyring.keys:
            key.load()
        return keyring

    @classmethod
    def load(cls, path: Path, root: Ed25519PublicKey) -> "Keyring":
        """Read a keyring from a file."""
        return cls.parse(path.read_text(), root)


@dataclass(slots=True, kw_only=True)
class Trust:
    """The keyring in force and the pinned root key by which a newer one may replace it."""

    root: Ed25519PublicKey
    keyring: Keyring

    def adopt(self, text: str) -> bool:
        """Take over a signed keyring when its version is higher; returns whether it did.

        Raises `SignatureError` when the root key did not sign it. An equal or lower version is ignored: a replayed old
        keyring must not bring a revoked key back.
        """
        offered = Keyring.parse(text, self.root)
        if offered.version <= self.keyring.version:
            return False
        self.keyring = offered
        return True

"""The keyring: which public key may sign what, in a file with an increasing version, signed by a root key."""

import base64
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .errors import SignatureError


class Key(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One public key (base64 of 32 bytes) with the purposes it may sign for."""

    id: str
    subject: str
    purposes: tuple[str, ...]
    public: str
    not_after_us: int | None = None
    revoked: bool = False


class Keyring(msgspec.Struct, frozen=True, kw_only=True):
    """Every key of one loop. Readers adopt a keyring only when its version is higher and the root key signed it."""

    version: int
    keys: tuple[Key, ...]

    def public_key(self, key_id: str, *, purpose: str, now_us: int) -> Ed25519PublicKey:
        """Return a key that may sign for `purpose` now; raises `SignatureError` otherwise."""
        for key in self.keys:
            if key.id != key_id:
                continue
            if key.revoked:
                raise SignatureError("revoked-key", f"key {key_id} is revoked")
            if purpose not in key.purposes:
                raise SignatureError("wrong-purpose", f"key {key_id} may sign {key.purposes}, not {purpose}")
            if key.not_after_us is not None and now_us > key.not_after_us:
                raise SignatureError("expired-key", f"key {key_id} has expired")
            return Ed25519PublicKey.from_public_bytes(base64.b64decode(key.public))
        raise SignatureError("unknown-key", f"expected a key of the keyring, got {key_id!r}")

    def signed_text(self, root: Ed25519PrivateKey) -> str:
        """Return the keyring file: canonical JSON, a newline, and the root key's signature over it in base64."""
        body = msgspec.json.encode(self, order="sorted")
        return f"{body.decode()}\n{base64.b64encode(root.sign(body)).decode()}\n"

    @classmethod
    def parse(cls, text: str, root: Ed25519PublicKey) -> "Keyring":
        """Read a keyring file; raises `SignatureError` when the root key did not sign it."""
        body, _, rest = text.partition("\n")
        try:
            root.verify(base64.b64decode(rest.strip()), body.encode())
        except (InvalidSignature, ValueError) as error:
            raise SignatureError("bad-keyring", "expected a keyring signed by the pinned root key") from error
        return msgspec.json.decode(body.encode(), type=cls)

    @classmethod
    def load(cls, path: Path, root: Ed25519PublicKey) -> "Keyring":
        """Read a keyring from a file."""
        return cls.parse(path.read_text(), root)

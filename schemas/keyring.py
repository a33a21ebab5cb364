"""The keyring: which public key may sign what, in a file with an increasing version, signed by a root key."""

import base64
import binascii
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .errors import SignatureError
from .sshsig import SshPublicKey, SshSignature

TEXT_LIMIT = 262_144
"""Largest keyring text (characters): it must fit into one record of `control`."""
Role = Literal["approver", "operator"]
PURPOSES_OF_ROLE: dict[Role, tuple[str, ...]] = {"approver": ("approvals",), "operator": ("control", "proposals")}
"""What a person may sign."""
PERSONAL = ("approvals", "proposals")
"""What nobody but a person may sign."""
NAMESPACES = {
    "approvals": "flyball-approval-v1",
    "control": "flyball-control-v1",
    "proposals": "flyball-proposal-v1",
}
"""The SSHSIG namespace of each purpose: a person's signature for one is none for another, nor for anything else."""
LOOP = "loop"
"""Who proposes where no person does: nobody may be called that."""
_SUBJECT = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")


class Key(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One public key and what it may sign. It is a machine's or a person's, never both.

    A machine's: `purposes`, and `public` is base64 of 32 bytes (Ed25519). A person's: `roles`, `public` is a line of an
    SSH `.pub` file, and `id` its fingerprint; `subject` is the person, who may have several keys.
    """

    id: str
    subject: str
    purposes: tuple[str, ...] = ()
    public: str
    not_after_us: int | None = None
    revoked: bool = False
    roles: tuple[Role, ...] = ()

    @property
    def is_persons(self) -> bool:
        """Whether it is a person's SSH key."""
        return bool(self.roles)

    def may_sign(self) -> tuple[str, ...]:
        """Return every purpose that the key serves. A machine's key never approves or proposes, whatever it says."""
        machines = tuple(purpose for purpose in self.purposes if purpose not in PERSONAL)
        return (*machines, *(purpose for role in self.roles for purpose in PURPOSES_OF_ROLE[role]))

    def check(self) -> None:
        """Raise `SignatureError` when the entry is not what a keyring may hold."""
        if not self.is_persons:
            self._machines()
        elif self.purposes:
            raise SignatureError("bad-keyring", f"expected purposes or roles as key {self.id}, got both")
        elif self.id != SshPublicKey.parse(self.public).fingerprint():
            raise SignatureError("bad-keyring", f"expected the fingerprint of the key as its id, got {self.id!r}")
        elif self.subject == LOOP or not _SUBJECT.fullmatch(self.subject):
            raise SignatureError(
                "bad-keyring", f"expected a name of lower-case letters and digits, got {self.subject!r}"
            )

    def verify(self, signature: bytes, message: bytes, *, purpose: str) -> None:
        """Raise `SignatureError` unless this key signed these bytes for this purpose."""
        if self.is_persons:
            found = SshSignature.decode(signature)
            if found.public != SshPublicKey.parse(self.public):
                raise SignatureError("bad-signature", f"expected a signature by {self.id}, got one by another key")
            found.check(message, namespace=NAMESPACES[purpose])
            return
        try:
            self._machines().verify(signature, message)
        except InvalidSignature as error:
            raise SignatureError("bad-signature", f"signature by {self.id!r} does not fit the message") from error

    def _machines(self) -> Ed25519PublicKey:
        try:
            return Ed25519PublicKey.from_public_bytes(base64.b64decode(self.public, validate=True))
        except (ValueError, binascii.Error) as error:
            raise SignatureError("bad-keyring", f"expected base64 of 32 bytes as key {self.id}") from error


class Keyring(msgspec.Struct, frozen=True, kw_only=True):
    """Every key of one loop. Readers adopt a keyring only when its version is higher and the root key signed it."""

    version: int
    keys: tuple[Key, ...]

    def trusted(self, key_id: str, *, purpose: str, now_us: int) -> Key:
        """Return a key that may sign for `purpose` now; raises `SignatureError` otherwise."""
        key = self.entitled(key_id, purpose=purpose)
        if key.revoked:
            raise SignatureError("revoked-key", f"key {key_id} is revoked")
        if key.not_after_us is not None and now_us > key.not_after_us:
            raise SignatureError("expired-key", f"key {key_id} has expired")
        return key

    def entitled(self, key_id: str, *, purpose: str) -> Key:
        """Return a key that may sign for `purpose`, or might before it was withdrawn; raises `SignatureError`."""
        key = self.find(key_id)
        if purpose not in key.may_sign():
            raise SignatureError("wrong-purpose", f"key {key_id} may sign {key.may_sign()}, not {purpose}")
        return key

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
        key.check()
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
        body, _, rest = text.partition("\n")
        try:
            root.verify(base64.b64decode(rest.strip(), validate=True), body.encode())
        except (InvalidSignature, ValueError) as error:
            raise SignatureError("bad-keyring", "expected a keyring signed by the pinned root key") from error
        return cls.read(text)

    @classmethod
    def read(cls, text: str) -> "Keyring":
        """Read what a keyring file says, whoever signed it: for those whose reader has checked that."""
        if len(text) > TEXT_LIMIT:
            raise SignatureError("bad-keyring", f"expected at most {TEXT_LIMIT} characters, got {len(text)}")
        try:
            keyring = msgspec.json.decode(text.partition("\n")[0].encode(), type=cls)
        except (ValueError, RecursionError) as error:
            raise SignatureError("bad-keyring", "expected a keyring in JSON") from error
        if keyring.version < 1 or len({key.id for key in keyring.keys}) < len(keyring.keys):
            raise SignatureError("bad-keyring", "expected a version from 1 on and every key id once")
        for key in keyring.keys:
            key.check()
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

"""People with SSH keys of their own, as tests need them: in memory, listed in a folder's keyring."""

import base64
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from schemas.approvals import approval_bytes
from schemas.events import Action, Approval
from schemas.keyfiles import add_person
from schemas.keyring import NAMESPACES, Role
from schemas.signing import Audience, Purpose, Signer
from schemas.sshsig import SshPublicKey, make_signature, packed


class Person:
    """Somebody with one SSH key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._private = Ed25519PrivateKey.generate()
        line = self._private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        self.public = SshPublicKey.parse(line.decode())

    @property
    def id(self) -> str:
        return self.public.fingerprint()

    def join(self, keys: Path, *roles: Role, not_after_us: int | None = None) -> "Person":
        """Be listed in the keyring of a folder."""
        add_person(keys, self.name, self.public, roles=roles, not_after_us=not_after_us)
        return self

    def sign(self, data: bytes, namespace: str) -> bytes:
        def sign(text: bytes) -> bytes:
            return packed(b"ssh-ed25519") + packed(self._private.sign(text))

        return make_signature(data, namespace=namespace, public=self.public, sign=sign)

    def signer(self, purpose: Purpose, audience: Audience) -> Signer:
        """Return what signs whole messages in this person's name."""
        return Signer(key_id=self.id, purpose=purpose, private_key=_For(self, NAMESPACES[purpose]), audience=audience)

    def signed(self, approval: Approval, audience: Audience, *, namespace: str = NAMESPACES["approvals"]) -> Approval:
        """Return an answer with this person's signature."""
        signature = base64.b64encode(self.sign(approval_bytes(approval, audience), namespace)).decode()
        return msgspec.structs.replace(approval, signature=signature)

    def approval(self, action: Action, audience: Audience, **fields: object) -> Approval:
        """Return this person's signed approval of an action."""
        values: dict[str, object] = {
            "id": f"by-{self.name}",
            "time_us": action.issued_us,
            "proposal": action.proposal,
            "proposal_hash": "h",
            "action_hash": action.final().digest(),
            "decision": "approve",
            "person": self.name,
            "not_after_us": action.issued_us + 1,
        }
        return self.signed(msgspec.convert(values | fields, Approval), audience)


class _For:
    """One person's key for one namespace."""

    def __init__(self, person: Person, namespace: str) -> None:
        self._person = person
        self._namespace = namespace

    def sign(self, data: bytes, /) -> bytes:
        return self._person.sign(data, self._namespace)

"""With which SSH key a person signs: one that is named, one that the agent holds, or one of ~/.ssh."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from schemas.errors import SettingsError, SignatureError
from schemas.keyring import NAMESPACES, PURPOSES_OF_ROLE, Key, Keyring
from schemas.sshsig import SshPublicKey, make_signature
from streams.operate.ssh_agent import AgentError, SshAgent
from streams.operate.ssh_files import SshFile

FILES = ("id_ed25519", "id_ecdsa", "id_rsa")
"""Where `ssh` looks, too."""


class SshKey(Protocol):
    """A private SSH key, wherever it is."""

    @property
    def public(self) -> SshPublicKey:
        """The public part."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the signature in SSH's own form."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalKey:
    """A person's private key for one purpose, and what the keyring says of it."""

    entry: Key
    purpose: str
    private: SshKey

    @property
    def person(self) -> str:
        """Whose key it is, as the keyring says."""
        return self.entry.subject

    def sign(self, data: bytes, /) -> bytes:
        """Return an SSHSIG over these bytes."""
        public = self.private.public
        return make_signature(data, namespace=NAMESPACES[self.purpose], public=public, sign=self.private.sign)


def find_personal_key(
    keyring: Keyring,
    *,
    purpose: str,
    now_us: int,
    named: Path | None,
    home: Path,
    environment: Mapping[str, str],
) -> PersonalKey:
    """Return the caller's key that may sign for a purpose now.

    `named` is a private key, or a `.pub` whose private part the agent holds; without it, the agent's keys and those of
    `home/.ssh` are looked through. Raises `SettingsError` with the remedy when there is none, `SignatureError` when the
    named one must not sign, `AgentError` when the agent must answer and does not.
    """
    for private in _at_hand(keyring, home, environment) if named is None else [_named(named, environment)]:
        try:
            entry = keyring.trusted(private.public.fingerprint(), purpose=purpose, now_us=now_us)
        except SignatureError:
            if named is not None:
                raise
        else:
            return PersonalKey(entry=entry, purpose=purpose, private=private)
    role = next(role for role, purposes in PURPOSES_OF_ROLE.items() if purpose in purposes)
    remedy = f"`flyball keys add NAME --ssh-key FILE.pub --role {role}`"
    raise SettingsError([f"no SSH key of yours may sign {purpose}: name one (--key), or have one listed: {remedy}"])


def _named(path: Path, environment: Mapping[str, str]) -> SshKey:
    if path.suffix != ".pub":
        return SshFile.load(path)
    try:
        public = SshPublicKey.parse(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: expected a public SSH key, got {error}"]) from error
    agent = SshAgent.of(environment)
    if agent is None:
        raise SettingsError([f"{path} is a public key, and no agent runs that could sign: `ssh-agent`, then `ssh-add`"])
    for key in agent.held():
        if key.public == public:
            return key
    raise AgentError(f"the SSH agent does not hold {path}; `ssh-add {path.with_suffix('')}`")


def _at_hand(keyring: Keyring, home: Path, environment: Mapping[str, str]) -> Iterator[SshKey]:
    """Yield the keys that a person has here; of files, only those that the keyring lists are opened."""
    agent = SshAgent.of(environment)
    if agent is not None:
        with suppress(AgentError):  # a socket that is left over from a session that ended: files may do
            yield from agent.held()
    listed = {key.id for key in keyring.keys if key.is_persons}
    for name in FILES:
        public = home / ".ssh" / f"{name}.pub"
        try:
            known = SshPublicKey.parse(public.read_text()).fingerprint() in listed
        except (OSError, UnicodeDecodeError, SignatureError):
            continue
        if known:
            yield SshFile.load(public.with_suffix(""))

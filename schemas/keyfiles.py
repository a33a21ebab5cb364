"""The folder of keys beside `loop.toml`: made once, private keys readable by their owner only.

`root.key` signs the keyring and nothing else; keep it off the machines that run the loop. `root.pub` is what everyone
pins. Each `PURPOSE.key` goes only to the process that signs for that purpose. People sign with SSH keys of their own,
which are never here: the keyring holds their public part. Where no file may lie, `FLYBALL_KEY_PURPOSE` (`ROOT` too) in
the environment holds the PEM text instead.
"""

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from .errors import SettingsError
from .ids import derive
from .keyring import Key, Keyring, Role, Trust
from .signing import Audience, Purpose, Signer
from .sshsig import SshPublicKey

ROOT: Literal["root"] = "root"
ROOT_KEY, ROOT_PUBLIC, KEYRING = f"{ROOT}.key", "root.pub", "keyring.json"
NOTHING: Mapping[str, str] = MappingProxyType({})
"""An environment that holds no keys."""
SUBJECTS: dict[Purpose, str] = {
    "actions": "gate",
    "outcomes": "executor",
    "control": "operator",
    "models": "improve",
    "audit": "improve",
}
"""Purpose to who signs for it, by a key of its own. What people alone sign (`PERSONAL`) has no such key."""
PURPOSES: tuple[Purpose, ...] = tuple(SUBJECTS)
_OTHERS = 0o077
"""Permissions of anybody but the owner."""


def create_keys(folder: Path) -> Keyring:
    """Make the root key, one key per purpose and the signed keyring; raises `SettingsError` when keys are there."""
    if (folder / ROOT_KEY).exists() or (folder / ROOT_PUBLIC).exists():
        raise SettingsError([f"expected no keys in {folder}, found a root key; rotate single keys instead"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    root = Ed25519PrivateKey.generate()
    entries = tuple(_make_key(folder, purpose) for purpose in PURPOSES)
    _write_private(folder / ROOT_KEY, root)
    (folder / ROOT_PUBLIC).write_bytes(root.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return _publish(folder, Keyring(version=1, keys=entries), root)


def rotate_key(folder: Path, purpose: Purpose, environment: Mapping[str, str] = NOTHING) -> Keyring:
    """Replace the key of one purpose: the former one is revoked, the keyring's version goes up by two.

    The keyring is written before the key: interrupted in between, a second call mends it.
    """
    path = folder / f"{purpose}.key"
    former = _key_id(purpose, _read_private(path).public_key())
    private = Ed25519PrivateKey.generate()
    entry = describe_key(private.public_key(), purpose=purpose, subject=SUBJECTS[purpose])
    keyring = load_keyring(folder).without_trust_in(former).with_key(entry)
    _publish(folder, keyring, _load_private(folder, ROOT, environment))
    _write_private(path, private)
    return keyring


def add_key(folder: Path, purpose: Purpose, subject: str, environment: Mapping[str, str] = NOTHING) -> Path:
    """Make one more key of a purpose, for a machine of its own; return its file, to be `PURPOSE.key` over there.

    Raises `SettingsError` where the file is there already.
    """
    path = folder / f"{subject}.{purpose}.key"
    if path.exists():
        raise SettingsError([f"expected no {path}: revoke that key, remove the file, then add another one"])
    private = Ed25519PrivateKey.generate()
    keyring = load_keyring(folder).with_key(describe_key(private.public_key(), purpose=purpose, subject=subject))
    _publish(folder, keyring, _load_private(folder, ROOT, environment))
    _write_private(path, private)
    return path


def add_person(
    folder: Path,
    subject: str,
    public: SshPublicKey,
    *,
    roles: Sequence[Role],
    not_after_us: int | None = None,
    environment: Mapping[str, str] = NOTHING,
) -> Keyring:
    """Let a person's SSH key count in some roles; raises `SignatureError` when the key is listed already."""
    entry = Key(
        id=public.fingerprint(), subject=subject, public=public.line(), not_after_us=not_after_us, roles=tuple(roles)
    )
    return _publish(folder, load_keyring(folder).with_key(entry), _load_private(folder, ROOT, environment))


def revoke_key(folder: Path, name: str, environment: Mapping[str, str] = NOTHING) -> Keyring:
    """Withdraw the trust in one key, or in all keys of a person; raises `SignatureError` when there is no such one."""
    keyring = load_keyring(folder)
    ids = [key.id for key in keyring.keys if key.id == name or (key.is_persons and key.subject == name)]
    for key_id in ids or [name]:
        keyring = keyring.without_trust_in(key_id)
    return _publish(folder, keyring, _load_private(folder, ROOT, environment))


def load_root(folder: Path) -> Ed25519PublicKey:
    """Return the pinned root key; raises `SettingsError` when there is none."""
    path = folder / ROOT_PUBLIC
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(
            [f"{path}: expected a public key in PEM, got {error}; `flyball init` makes keys"]
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise SettingsError([f"{path}: expected an Ed25519 key"])
    return key


def load_keyring(folder: Path) -> Keyring:
    """Return the keyring of the folder, checked against its root key; raises `SettingsError` or `SignatureError`."""
    root = load_root(folder)
    try:
        return Keyring.load(folder / KEYRING, root)
    except OSError as error:
        raise SettingsError([f"{folder / KEYRING}: expected a keyring, got {error}"]) from error


def load_trust(folder: Path) -> Trust:
    """Return the pinned root key and the keyring of the folder, as readers of signed topics want them."""
    return Trust(root=load_root(folder), keyring=load_keyring(folder))


def keyring_text(folder: Path) -> str:
    """Return the signed keyring as it goes to `control` (kind `keyring`)."""
    load_keyring(folder)
    return (folder / KEYRING).read_text()


def load_signer(folder: Path, purpose: Purpose, audience: Audience, environment: Mapping[str, str] = NOTHING) -> Signer:
    """Return the signer of one purpose; raises `SettingsError` when its key is missing or others can read it."""
    key = _load_private(folder, purpose, environment)
    return Signer(key_id=_key_id(purpose, key.public_key()), purpose=purpose, private_key=key, audience=audience)


def has_key(folder: Path, purpose: Purpose, environment: Mapping[str, str] = NOTHING) -> bool:
    """Return whether there is a private key of a purpose here."""
    return key_variable(purpose) in environment or (folder / f"{purpose}.key").exists()


def key_variable(purpose: Purpose | Literal["root"]) -> str:
    """Return what the environment calls the key of a purpose."""
    return f"FLYBALL_KEY_{purpose.upper()}"


def _key_id(purpose: Purpose, public: Ed25519PublicKey) -> str:
    return f"{purpose}-{derive(public.public_bytes_raw().hex())[:12]}"


def _make_key(folder: Path, purpose: Purpose) -> Key:
    private = Ed25519PrivateKey.generate()
    _write_private(folder / f"{purpose}.key", private)
    return describe_key(private.public_key(), purpose=purpose, subject=SUBJECTS[purpose])


def describe_key(public: Ed25519PublicKey, *, purpose: Purpose, subject: str) -> Key:
    """Return the keyring entry of a public key."""
    text = base64.b64encode(public.public_bytes_raw()).decode()
    return Key(id=_key_id(purpose, public), subject=subject, purposes=(purpose,), public=text)


def _publish(folder: Path, keyring: Keyring, root: Ed25519PrivateKey) -> Keyring:
    _replace(folder / KEYRING, keyring.signed_text(root).encode(), mode=0o644)
    return keyring


def _write_private(path: Path, key: Ed25519PrivateKey) -> None:
    _replace(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)


def _replace(path: Path, data: bytes, *, mode: int) -> None:
    """Write a whole file or nothing, never readable by more than `mode` says, not even for a moment."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _load_private(
    folder: Path, purpose: Purpose | Literal["root"], environment: Mapping[str, str]
) -> Ed25519PrivateKey:
    """Return a private key, of the environment where that has it; the error never says what was there instead."""
    name = key_variable(purpose)
    if name in environment:
        return _private_key(environment[name].encode(), name)
    return _read_private(folder / f"{purpose}.key")


def _read_private(path: Path) -> Ed25519PrivateKey:
    try:
        refuse_if_open(path)
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError([f"{path}: expected a private key in PEM, got {error}"]) from error
    return _private_key(data, str(path))


def refuse_if_open(path: Path) -> None:
    """Raise `SettingsError` when a private key is one's own and others may read it, as OpenSSH does.

    One that is mounted belongs to somebody else, who sees to its permissions.
    """
    stat = path.stat()
    if stat.st_mode & _OTHERS and stat.st_uid == os.getuid():
        raise SettingsError([f"{path}: expected a private key that only its owner can read; `chmod 600 {path}`"])


def _private_key(data: bytes, where: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingsError([f"{where}: expected a private key in PEM, without a passphrase"]) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError([f"{where}: expected an Ed25519 key"])
    return key

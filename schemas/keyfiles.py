"""The folder of keys beside `loop.toml`: made once, private keys readable by their owner only.

`root.key` signs the keyring and nothing else; keep it off the machines that run the loop. `root.pub` is what everyone
pins. Each `PURPOSE.key` goes only to the process that signs for that purpose.
"""

import base64
import os
from pathlib import Path
from typing import get_args

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
from .keyring import Key, Keyring, Trust
from .signing import Audience, Purpose, Signer

ROOT_KEY, ROOT_PUBLIC, KEYRING = "root.key", "root.pub", "keyring.json"
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
_SUBJECTS: dict[Purpose, str] = {
    "actions": "gate",
    "outcomes": "executor",
    "control": "operator",
    "approvals": "operator",
    "proposals": "operator",
    "models": "improve",
    "audit": "improve",
}


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


def rotate_key(folder: Path, purpose: Purpose) -> Keyring:
    """Replace the key of one purpose: the former one is revoked, the keyring's version goes up by two.

    The keyring is written before the key: interrupted in between, a second call mends it.
    """
    path = folder / f"{purpose}.key"
    former = _key_id(purpose, _read_private(path).public_key())
    private = Ed25519PrivateKey.generate()
    entry = describe_key(private.public_key(), purpose=purpose, subject=_SUBJECTS[purpose])
    keyring = load_keyring(folder).without_trust_in(former).with_key(entry)
    _publish(folder, keyring, _read_private(folder / ROOT_KEY))
    _write_private(path, private)
    return keyring


def revoke_key(folder: Path, key_id: str) -> Keyring:
    """Withdraw the trust in one key; raises `SignatureError` when the keyring has no such key."""
    return _publish(folder, load_keyring(folder).without_trust_in(key_id), _read_private(folder / ROOT_KEY))


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


def load_signer(folder: Path, purpose: Purpose, audience: Audience) -> Signer:
    """Return the signer of one purpose; raises `SettingsError` when its key is missing."""
    key = _read_private(folder / f"{purpose}.key")
    return Signer(key_id=_key_id(purpose, key.public_key()), purpose=purpose, private_key=key, audience=audience)


def _key_id(purpose: Purpose, public: Ed25519PublicKey) -> str:
    return f"{purpose}-{derive(public.public_bytes_raw().hex())[:12]}"


def _make_key(folder: Path, purpose: Purpose) -> Key:
    private = Ed25519PrivateKey.generate()
    _write_private(folder / f"{purpose}.key", private)
    return describe_key(private.public_key(), purpose=purpose, subject=_SUBJECTS[purpose])


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


def _read_private(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError([f"{path}: expected a private key in PEM, got {error}"]) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError([f"{path}: expected an Ed25519 key"])
    return key

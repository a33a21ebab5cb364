"""A person's private SSH key in a file, as `ssh-keygen` writes it."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from schemas.errors import SettingsError
from schemas.keyfiles import refuse_if_open
from schemas.sshsig import ALGORITHMS, SshPublicKey, packed

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class SshFile:
    """One private key, read into memory; nothing that is printed shows it."""

    public: SshPublicKey
    _private: PrivateKey

    def __repr__(self) -> str:
        return f"SshFile({self.public.fingerprint()})"

    @classmethod
    def load(cls, path: Path) -> "SshFile":
        """Read a private key; raises `SettingsError` when others can read it, or it is none that can sign here.

        Raises `SignatureError` for kinds of keys that count nowhere.
        """
        try:
            refuse_if_open(path)
            data = path.read_bytes()
        except OSError as error:
            raise SettingsError([f"{path}: expected an SSH key, got {error}"]) from error
        try:
            private = load_ssh_private_key(data, password=None)
        except TypeError:
            raise SettingsError(
                [f"{path} is protected by a passphrase: `ssh-add {path}`, and the agent signs"]
            ) from None
        except (ValueError, UnsupportedAlgorithm):
            raise SettingsError([f"{path}: expected a private key as `ssh-keygen` writes it"]) from None
        if not isinstance(private, PrivateKey):
            raise SettingsError([f"{path}: expected a key of kind {', '.join(ALGORITHMS)}"])
        line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        return cls(SshPublicKey.parse(line.decode()), private)

    def sign(self, data: bytes) -> bytes:
        """Return the signature in SSH's own form: algorithm, then what it gives."""
        algorithm = ALGORITHMS[self.public.kind][0].encode()
        return packed(algorithm) + packed(_signature(self._private, data))


def _signature(private: PrivateKey, data: bytes) -> bytes:
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return private.sign(data)
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(data, padding.PKCS1v15(), hashes.SHA512())
    r, s = decode_dss_signature(private.sign(data, ec.ECDSA(hashes.SHA256())))
    return packed(_mpint(r)) + packed(_mpint(s))


def _mpint(number: int) -> bytes:
    """Return a positive number in RFC 4251's form: shortest, with a sign bit of 0."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")

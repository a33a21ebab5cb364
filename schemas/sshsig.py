"""SSHSIG: signatures by SSH keys over any bytes (OpenSSH's PROTOCOL.sshsig), made and checked without OpenSSH.

What the key signs is a text of its own that begins with a magic word and holds a namespace and a hash of the message:
a signature made to log in somewhere, or for another purpose, is never one of these.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from .errors import SignatureError

MAGIC = b"SSHSIG"
VERSION = 1
HASH = "sha512"
"""With what the message is hashed that is signed here; a signer may also have used SHA-256."""
BLOB_LIMIT = 8_192
"""Largest public key and largest signature (bytes) that is looked at."""
RSA_BITS_LEAST, RSA_BITS_MOST = 2_048, 8_192
ALGORITHMS: dict[str, tuple[str, ...]] = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
"""Kind of key to the signature algorithms that are accepted of it, the preferred one first."""
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_LINE = re.compile(r"(?P<kind>[a-z0-9-]+) +(?P<blob>[A-Za-z0-9+/]+={0,2})(?: .*)?")
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


def packed(data: bytes) -> bytes:
    """Return an SSH string: the length in four bytes, then the bytes (RFC 4251)."""
    return len(data).to_bytes(4, "big") + data


class Unpacker:
    """Reads SSH's wire format from front to back; raises `SignatureError` where the bytes end too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        found = self._data[self._at : self._at + count]
        if len(found) < count:
            raise SignatureError("bad-signature", f"expected {count} more bytes, got {len(found)}")
        self._at += count
        return found

    def number(self) -> int:
        """Return the next four bytes as a number."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """Return the next string."""
        return self.take(self.number())

    def end(self) -> None:
        """Raise `SignatureError` when anything is left."""
        if self._at < len(self._data):
            raise SignatureError("bad-signature", f"expected the end, got {len(self._data) - self._at} more bytes")


@dataclass(frozen=True, slots=True)
class SshPublicKey:
    """A public SSH key as its wire bytes, which begin with its kind."""

    blob: bytes

    @classmethod
    def parse(cls, line: str) -> "SshPublicKey":
        """Read a line of a `.pub` file; raises `SignatureError` when it is no key that may be used here."""
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise SignatureError("bad-key", f'expected a line such as "ssh-ed25519 AAAA...", got {line[:40]!r}')
        try:
            key = cls(base64.b64decode(match["blob"], validate=True))
            kind = key.kind
        except (ValueError, binascii.Error, SignatureError) as error:
            raise SignatureError("bad-key", f"expected a whole key in base64 after {match['kind']!r}") from error
        if kind != match["kind"]:
            raise SignatureError("bad-key", f"expected a key of kind {match['kind']!r}, its bytes say {kind!r}")
        key.load()
        return key

    @property
    def kind(self) -> str:
        """What kind of key it is, such as `ssh-ed25519`."""
        return Unpacker(self.blob).string().decode("ascii", "replace")

    def line(self) -> str:
        """Return the key as `.pub` files have it, without a comment."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    def fingerprint(self) -> str:
        """Return what `ssh-keygen -l` calls the key: its SHA-256, in base64 without padding."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def load(self) -> PublicKey:
        """Return the key itself; raises `SignatureError` for kinds and sizes that do not count here."""
        if self.kind not in ALGORITHMS or len(self.blob) > BLOB_LIMIT:
            raise SignatureError("bad-key", f"expected a key of kind {', '.join(ALGORITHMS)}, got {self.kind!r}")
        try:
            key = load_ssh_public_key(self.line().encode())
        except (ValueError, IndexError, NotImplementedError, UnsupportedAlgorithm) as error:  # a compressed point, none
            raise SignatureError("bad-key", f"expected a key of kind {self.kind}, got other bytes") from error
        if isinstance(key, rsa.RSAPublicKey) and not RSA_BITS_LEAST <= key.key_size <= RSA_BITS_MOST:
            raise SignatureError("bad-key", f"expected RSA from {RSA_BITS_LEAST} bits on, got {key.key_size}")
        if not isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise SignatureError("bad-key", f"expected a key of kind {self.kind}, got another")
        return key


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSignature:
    """One signature with the key that made it. `signature` is SSH's own form: algorithm, then what that gives."""

    public: SshPublicKey
    namespace: str
    hash_name: str
    signature: bytes

    @classmethod
    def decode(cls, blob: bytes) -> "SshSignature":
        """Read a signature's bytes; raises `SignatureError`. Whether the key counts is the caller's to know."""
        if len(blob) > BLOB_LIMIT:
            raise SignatureError("bad-signature", f"expected at most {BLOB_LIMIT} bytes, got {len(blob)}")
        fields = Unpacker(blob)
        if fields.take(len(MAGIC)) != MAGIC or fields.number() != VERSION:
            raise SignatureError("bad-signature", "expected an SSH signature of version 1")
        public, namespace, _reserved, hash_name, signature = (fields.string() for _ in range(5))
        fields.end()
        return cls(
            public=SshPublicKey(public),
            namespace=namespace.decode("utf-8", "replace"),
            hash_name=hash_name.decode("ascii", "replace"),
            signature=signature,
        )

    def encode(self) -> bytes:
        """Return the bytes, as between the lines of an armoured signature."""
        head = MAGIC + VERSION.to_bytes(4, "big") + packed(self.public.blob)
        return head + b"".join(
            packed(part) for part in (self.namespace.encode(), b"", self.hash_name.encode(), self.signature)
        )

    def check(self, message: bytes, *, namespace: str) -> None:
        """Raise `SignatureError` unless the key signed these bytes for this namespace."""
        if self.namespace != namespace:
            raise SignatureError("wrong-purpose", f"expected a signature for {namespace}, got {self.namespace[:40]!r}")
        if self.hash_name not in _HASHES:
            raise SignatureError("bad-signature", f"expected sha256 or sha512, got {self.hash_name[:40]!r}")
        fields = Unpacker(self.signature)
        algorithm, value = fields.string().decode("ascii", "replace"), fields.string()
        fields.end()
        if algorithm not in ALGORITHMS.get(self.public.kind, ()):
            raise SignatureError(
                "bad-signature", f"{algorithm[:40]!r} is no signature of a key {self.public.kind[:40]!r}"
            )
        try:
            _check(self.public.load(), algorithm, value, _signed(message, namespace, self.hash_name))
        except (InvalidSignature, ValueError) as error:
            who = self.public.fingerprint()
            raise SignatureError("bad-signature", f"signature by {who} does not fit the message") from error


def make_signature(message: bytes, *, namespace: str, public: SshPublicKey, sign: Callable[[bytes], bytes]) -> bytes:
    """Return an encoded signature. `sign` is the private key's, of a file or of an agent; it gives SSH's own form."""
    signature = sign(_signed(message, namespace, HASH))
    return SshSignature(public=public, namespace=namespace, hash_name=HASH, signature=signature).encode()


def _signed(message: bytes, namespace: str, hash_name: str) -> bytes:
    """Return what the key itself signs."""
    digest = _HASHES[hash_name](message).digest()
    return MAGIC + b"".join(packed(part) for part in (namespace.encode(), b"", hash_name.encode(), digest))


def _check(key: PublicKey, algorithm: str, value: bytes, data: bytes) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(value, data)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        fields = Unpacker(value)
        r, s = _positive(fields.string()), _positive(fields.string())
        fields.end()
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    else:
        digest = hashes.SHA512() if algorithm == "rsa-sha2-512" else hashes.SHA256()
        key.verify(value, data, padding.PKCS1v15(), digest)


def _positive(number: bytes) -> int:
    """Return a positive `mpint`, written in the one way that RFC 4251 allows."""
    if not number or number[0] & 0x80 or (number[0] == 0 and not (len(number) > 1 and number[1] & 0x80)):
        raise SignatureError("bad-signature", "expected two positive numbers in their shortest form")
    return int.from_bytes(number, "big")

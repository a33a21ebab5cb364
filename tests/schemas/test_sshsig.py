"""SSH signatures: OpenSSH believes ours, we believe OpenSSH's, and nothing else."""

import base64
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SignatureError
from schemas.sshsig import SshPublicKey, SshSignature, Unpacker, make_signature, packed
from streams.operate.ssh_files import SshFile

NAMESPACE = "flyball-approval-v1"
MESSAGE = b"restart web-1\n"
KINDS = [("ed25519", []), ("ecdsa", ["-b", "256"]), ("rsa", ["-b", "2048"])]
EVERY_KIND = pytest.mark.parametrize("kind", [kind for kind, _ in KINDS])
WITH_OPENSSH = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with one private key per kind, as `ssh-keygen` makes them."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen")
    path = tmp_path_factory.mktemp("ssh")
    for kind, arguments in KINDS:
        keygen("-q", "-t", kind, *arguments, "-N", "", "-C", "ada@desk", "-f", str(path / kind))
    return path


def keygen(*arguments: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["ssh-keygen", *arguments], input=given, capture_output=True, check=True)


def armoured(blob: bytes) -> str:
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def bare(text: str) -> bytes:
    return base64.b64decode("".join(text.splitlines()[1:-1]))


def ours(path: Path, message: bytes = MESSAGE, namespace: str = NAMESPACE) -> bytes:
    key = SshFile.load(path)
    return make_signature(message, namespace=namespace, public=key.public, sign=key.sign)


@EVERY_KIND
def test_openssh_believes_what_we_sign(folder: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "signature").write_text(armoured(ours(folder / kind)))
    (tmp_path / "signers").write_text(f"ada {(folder / f'{kind}.pub').read_text()}")
    arguments = ("-n", NAMESPACE, "-s", str(tmp_path / "signature"), "-I", "ada", "-f", str(tmp_path / "signers"))
    assert b"Good" in keygen("-Y", "verify", *arguments, given=MESSAGE).stdout


@EVERY_KIND
@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
def test_we_believe_what_openssh_signs(folder: Path, kind: str, hash_name: str) -> None:
    options = ("-n", NAMESPACE, "-f", str(folder / kind), "-O", f"hashalg={hash_name}")
    signature = SshSignature.decode(bare(keygen("-Y", "sign", *options, given=MESSAGE).stdout.decode()))
    assert signature.public == SshPublicKey.parse((folder / f"{kind}.pub").read_text())
    signature.check(MESSAGE, namespace=NAMESPACE)
    assert SshSignature.decode(signature.encode()) == signature


@EVERY_KIND
def test_a_fingerprint_is_what_openssh_calls_the_key(folder: Path, kind: str) -> None:
    said = keygen("-l", "-f", str(folder / f"{kind}.pub")).stdout.decode().split()[1]
    assert SshPublicKey.parse((folder / f"{kind}.pub").read_text()).fingerprint() == said


@EVERY_KIND
def test_another_message_namespace_or_key_is_refused(folder: Path, kind: str) -> None:
    blob = ours(folder / kind)
    signature = SshSignature.decode(blob)
    with pytest.raises(SignatureError, match="bad-signature"):
        signature.check(MESSAGE + b"x", namespace=NAMESPACE)
    with pytest.raises(SignatureError, match="wrong-purpose"):
        signature.check(MESSAGE, namespace="git")
    renamed = SshSignature.decode(ours(folder / kind, namespace="git").replace(packed(b"git"), packed(b"gif")))
    with pytest.raises(SignatureError, match="bad-signature"):
        renamed.check(MESSAGE, namespace="gif")
    keygen("-q", "-t", "ed25519", "-N", "", "-f", str(folder / f"other-{kind}"))
    other = SshPublicKey.parse((folder / f"other-{kind}.pub").read_text())
    with pytest.raises(SignatureError, match="bad-signature"):
        SshSignature(public=other, namespace=NAMESPACE, hash_name="sha512", signature=signature.signature).check(
            MESSAGE, namespace=NAMESPACE
        )


@EVERY_KIND
def test_a_login_signature_is_none_of_ours(folder: Path, kind: str) -> None:
    """A key that signs the message itself, as SSH does at login, has not signed it for a namespace."""
    key = SshFile.load(folder / kind)
    plain = SshSignature(public=key.public, namespace=NAMESPACE, hash_name="sha512", signature=key.sign(MESSAGE))
    with pytest.raises(SignatureError, match="bad-signature"):
        plain.check(MESSAGE, namespace=NAMESPACE)


def test_old_rsa_signatures_over_sha_1_are_refused(folder: Path) -> None:
    signature = SshSignature.decode(ours(folder / "rsa"))
    fields = Unpacker(signature.signature)
    fields.string()
    old = SshSignature(
        public=signature.public,
        namespace=NAMESPACE,
        hash_name="sha512",
        signature=packed(b"ssh-rsa") + packed(fields.string()),
    )
    with pytest.raises(SignatureError, match="is no signature of a key"):
        old.check(MESSAGE, namespace=NAMESPACE)


Change = Callable[[bytes], bytes]
CHANGES: dict[str, Change] = {
    "cut": lambda blob: blob[:-1],
    "longer": lambda blob: blob + b"\x00",
    "empty": lambda _: b"",
    "huge": lambda blob: blob + b"\x00" * 10_000,
    "another version": lambda blob: blob.replace(b"SSHSIG\x00\x00\x00\x01", b"SSHSIG\x00\x00\x00\x02"),
    "another magic": lambda blob: blob.replace(b"SSHSIG", b"SSHSIX"),
    "another hash": lambda blob: blob.replace(b"sha512", b"sha384"),
    "another kind": lambda blob: blob.replace(b"ssh-ed25519", b"ssh-ed25518"),
    "a length too long": lambda blob: blob.replace(packed(b"sha512"), b"\xff\xff\xff\xff" + b"sha512"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_damaged_signatures_are_refused(folder: Path, change: Change) -> None:
    blob = change(ours(folder / "ed25519"))
    with pytest.raises(SignatureError):
        SshSignature.decode(blob).check(MESSAGE, namespace=NAMESPACE)


@settings(max_examples=300)
@given(data=st.data())
def test_no_bytes_raise_anything_but_a_signature_error(data: st.DataObject) -> None:
    blob = bytearray(WELL_FORMED)
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    if bytes(blob) != WELL_FORMED:
        with pytest.raises(SignatureError):
            SshSignature.decode(bytes(blob)).check(MESSAGE, namespace=NAMESPACE)


def _well_formed() -> bytes:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = SshPublicKey.parse(private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())
    return make_signature(
        MESSAGE,
        namespace=NAMESPACE,
        public=public,
        sign=lambda data: packed(b"ssh-ed25519") + packed(private.sign(data)),
    )


WELL_FORMED = _well_formed()


def _line(key: object) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()  # type: ignore[attr-defined, no-any-return]


def _on_p256(point: bytes) -> str:
    parts = (b"ecdsa-sha2-nistp256", b"nistp256", point)
    return f"ecdsa-sha2-nistp256 {base64.b64encode(b''.join(map(packed, parts))).decode()}"


POINT = ec.derive_private_key(7, ec.SECP256R1()).public_key()


@pytest.mark.parametrize(
    ("line", "remark"),
    [
        ("", "expected a line"),
        ("ssh-ed25519", "expected a line"),
        ("ssh-ed25519 !!!!", "expected a line"),
        ("ssh-ed25519 AAAA", "expected a whole key"),
        ("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAdXkcKFSRHUYmGNYwPWRUFLKHTC0y4i3Zwk2zz4NCZ2", "its bytes say"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAA==", "other bytes"),
        (_on_p256(POINT.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)), "other bytes"),
        (_on_p256(POINT.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[:-1]), "other bytes"),
        (_on_p256(b"\x04" + bytes(64)), "other bytes"),
        (_on_p256(b"\x04"), "other bytes"),
        (_on_p256(b""), "other bytes"),
        (_line(ec.generate_private_key(ec.SECP384R1())), "expected a key of kind"),
        (_line(rsa.generate_private_key(65_537, 1_024)), "expected RSA from 2048 bits on, got 1024"),  # noqa: S505  # that is the point
    ],
)
def test_lines_that_are_no_key_to_sign_with_are_refused(line: str, remark: str) -> None:
    with pytest.raises(SignatureError, match=remark):
        SshPublicKey.parse(line)

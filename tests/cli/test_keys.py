"""`flyball keys` as a person types it, without Kafka; and that nothing it says holds a secret."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from schemas.keyfiles import load_keyring, load_signer
from schemas.signing import Audience
from tests.schemas.people import Person

NOBODY_KNOWS = "is not published: no local Kafka runs"


class Keys:
    """A fresh loop's folder, and everything that commands said in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.secrets: set[str] = set()
        self.run("init", ".")

    def run(self, *arguments: str, expect: int = 0, **environment: str) -> str:
        result = subprocess.run(
            [sys.executable, "-m", "streams.cli", *arguments],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "PYTHONPATH": str(Path(__file__).parents[2])}
            | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == expect, (arguments, result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
        self.said.append(result.stdout + result.stderr)
        self._remember()
        return result.stdout + result.stderr

    def _remember(self) -> None:
        """Note every private key that ever lay in the folder, in every form in which it could be told."""
        for path in (self.folder / "keys").glob("*.key"):
            pem = path.read_bytes()
            with suppress(ValueError):  # one that a test broke on purpose
                raw = load_pem_private_key(pem, password=None).private_bytes_raw()  # type: ignore[union-attr]
                self.secrets |= {base64.b64encode(raw).decode().rstrip("="), raw.hex(), pem.decode().splitlines()[1]}

    def secrets_told(self) -> list[str]:
        return [text for text in self.said for secret in self.secrets if secret in text]


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    """Give a folder of keys; whatever was done with it, no secret was printed."""
    made = Keys(tmp_path)
    yield made
    assert len(made.secrets) >= 3 * 6
    assert made.secrets_told() == []
    for path in (tmp_path / "keys").glob("*.key"):
        assert path.stat().st_mode & 0o077 == 0


def test_people_are_listed_with_their_roles_and_revoked_by_name(keys: Keys) -> None:
    ada = Person("ada")
    (keys.folder / "ada.pub").write_text(f"{ada.public.line()} ada@desk\n")
    said = keys.run("keys", "add", "ada", "--ssh-key", "ada.pub", "--role", "approver", "--role", "operator")
    assert f"ada ({ada.id}) is approver and operator" in said
    assert NOBODY_KNOWS in said
    (entry,) = [key for key in load_keyring(keys.folder / "keys").keys if key.subject == "ada"]
    assert (entry.id, entry.roles, entry.may_sign()) == (
        ada.id,
        ("approver", "operator"),
        ("approvals", "control", "proposals"),
    )
    assert "approver, operator" in keys.run("keys", "list")
    again = keys.run("keys", "add", "bob", "--ssh-key", "ada.pub", "--role", "approver", expect=1)
    assert "expected a new key id" in again
    assert NOBODY_KNOWS in keys.run("keys", "revoke", "ada", expect=6)
    listed = {key["id"]: key for key in json.loads(keys.run("keys", "list", "--json"))["keys"]}
    assert listed[ada.id]["revoked"] is True
    assert "unknown-key" in keys.run("keys", "revoke", "nobody", expect=1)


def test_a_person_needs_a_public_key_and_a_role_and_a_machine_a_purpose(keys: Keys) -> None:
    (keys.folder / "x.pub").write_text("dear diary\n")
    assert "bad-key" in keys.run("keys", "add", "ada", "--ssh-key", "x.pub", "--role", "approver", expect=1)
    assert "expected --ssh-key and --role" in keys.run("keys", "add", "ada", "--ssh-key", "x.pub", expect=2)
    assert "expected --ssh-key and --role" in keys.run("keys", "add", "ada", expect=2)
    (keys.folder / "ada.pub").write_text(Person("ada").public.line())
    for name in ("loop", "Ada"):
        said = keys.run("keys", "add", name, "--ssh-key", "ada.pub", "--role", "approver", expect=1)
        assert "expected a name" in said


def test_keys_are_made_for_more_machines_and_replaced(keys: Keys) -> None:
    folder = keys.folder / "keys"
    assert "move it to web-9, as outcomes.key" in keys.run("keys", "add", "web-9", "--purpose", "outcomes")
    (folder / "web-9.outcomes.key").rename(folder / "outcomes.key")
    signer = load_signer(folder, "outcomes", Audience(cluster="c", loop="l"))
    assert load_keyring(folder).trusted(signer.key_id, purpose="outcomes", now_us=0).subject == "web-9"
    version = load_keyring(folder).version
    assert NOBODY_KNOWS in keys.run("keys", "rotate", "outcomes", expect=6)
    assert load_keyring(folder).version > version
    assert load_keyring(folder).find(signer.key_id).revoked


def test_a_private_key_comes_from_the_environment_where_no_file_lies(keys: Keys) -> None:
    root = keys.folder / "keys" / "root.key"
    pem = root.read_text()
    root.unlink()
    assert "root.key: expected a private key" in keys.run("keys", "add", "x", "--purpose", "outcomes", expect=2)
    assert "made" in keys.run("keys", "add", "x", "--purpose", "outcomes", FLYBALL_KEY_ROOT=pem)


def test_what_is_no_key_is_refused_without_being_shown(keys: Keys) -> None:
    root = keys.folder / "keys" / "root.key"
    body = root.read_text().splitlines()[1]
    broken = f"-----BEGIN PRIVATE KEY-----\n{body[:-8]}\n-----END PRIVATE KEY-----\n"
    keys.secrets.add(body[:-8])
    said = keys.run("keys", "add", "x", "--purpose", "outcomes", expect=2, FLYBALL_KEY_ROOT=broken)
    assert "FLYBALL_KEY_ROOT: expected a private key in PEM" in said
    root.chmod(0o644)
    assert "chmod 600" in keys.run("keys", "add", "x", "--purpose", "outcomes", expect=2)
    root.write_text(broken)
    root.chmod(0o600)
    assert "expected a private key in PEM" in keys.run("keys", "add", "x", "--purpose", "outcomes", expect=2)
    root.unlink()

"""With which key a person signs: a file, a real agent, and what is refused."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.errors import SettingsError, SignatureError
from schemas.keyfiles import add_person, create_keys, load_keyring
from schemas.keyring import Keyring
from schemas.sshsig import SshPublicKey, SshSignature
from streams.operate.personal_key import PersonalKey, find_personal_key
from streams.operate.ssh_agent import AgentError, SshAgent
from streams.operate.ssh_files import SshFile
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="needs OpenSSH")
NOW = 1_700_000_000_000_000
KINDS = {"ed25519": [], "ecdsa": ["-b", "256"], "rsa": ["-b", "2048"]}


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> SshPublicKey:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *KINDS[kind], "-N", passphrase, "-f", str(path)], check=True)
    return SshPublicKey.parse(path.with_name(f"{path.name}.pub").read_text())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".ssh").mkdir(mode=0o700)
    return tmp_path


@pytest.fixture
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Give the environment of a real, empty SSH agent."""
    path = tmp_path_factory.mktemp("agent") / "socket"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    while not path.exists():
        assert process.poll() is None
    try:
        yield {"SSH_AUTH_SOCK": str(path)}
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def keyring_of(home: Path, *keys: SshPublicKey) -> Keyring:
    create_keys(home / "keys")
    for number, public in enumerate(keys):
        add_person(home / "keys", f"person-{number}", public, roles=("approver",))
    return load_keyring(home / "keys")


def found(
    keyring: Keyring, home: Path, environment: dict[str, str] | None = None, named: Path | None = None
) -> PersonalKey:
    return find_personal_key(
        keyring, purpose="approvals", now_us=NOW, named=named, home=home, environment=environment or {}
    )


def signs(key: PersonalKey) -> bool:
    """Return whether what it signs is believed; raises otherwise."""
    SshSignature.decode(key.sign(b"yes")).check(b"yes", namespace="flyball-approval-v1")
    key.entry.verify(key.sign(b"yes"), b"yes", purpose="approvals")
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_signs_with_the_key_that_the_keyring_lists(home: Path, agent: dict[str, str], kind: str) -> None:
    make_key(home / "stranger")
    public = make_key(home / "mine", kind, passphrase="")
    subprocess.run(["ssh-add", "-q", str(home / "stranger"), str(home / "mine")], env=os.environ | agent, check=True)
    (home / "mine").unlink()
    keyring = keyring_of(home, public)
    key = found(keyring, home, agent)
    assert (key.person, key.private.public) == ("person-0", public)
    assert signs(key)
    assert signs(found(keyring, home, agent, named=home / "mine.pub"))


def test_a_listed_file_of_home_is_used_where_no_agent_runs(home: Path) -> None:
    make_key(home / ".ssh" / "id_rsa", "rsa")
    public = make_key(home / ".ssh" / "id_ed25519")
    keyring = keyring_of(home, public)
    assert signs(found(keyring, home))
    assert signs(found(keyring, home, {"SSH_AUTH_SOCK": str(home / "left-over")}))
    assert signs(found(keyring, home, named=home / ".ssh" / "id_ed25519"))
    with pytest.raises(SignatureError, match="unknown-key"):
        found(keyring, home, named=home / ".ssh" / "id_rsa")


def test_without_a_listed_key_the_remedy_is_told(home: Path) -> None:
    make_key(home / ".ssh" / "id_ed25519")
    with pytest.raises(SettingsError, match=r"flyball keys add NAME --ssh-key FILE\.pub --role approver"):
        found(keyring_of(home), home)


def test_a_key_that_others_can_read_is_refused(home: Path) -> None:
    public = make_key(home / "mine")
    (home / "mine").chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        found(keyring_of(home, public), home, named=home / "mine")


def test_a_key_with_a_passphrase_is_the_agents(home: Path) -> None:
    make_key(home / "mine", passphrase="secret")  # noqa: S106  # of a key made here
    with pytest.raises(SettingsError, match="ssh-add"):
        SshFile.load(home / "mine")


def test_what_is_no_private_key_is_refused_without_showing_it(home: Path) -> None:
    for name, text in (("text", "dear diary"), ("pem", "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END")):
        (home / name).write_text(text)
        (home / name).chmod(0o600)
        with pytest.raises(SettingsError, match="as `ssh-keygen` writes it") as caught:
            SshFile.load(home / name)
        assert "c2VjcmV0" not in str(caught.value)
    with pytest.raises(SettingsError, match="expected an SSH key"):
        SshFile.load(home / "nowhere")


def test_a_key_in_memory_is_not_shown(home: Path) -> None:
    public = make_key(home / "mine")
    assert repr(SshFile.load(home / "mine")) == f"SshFile({public.fingerprint()})"


def test_an_agent_that_lacks_the_key_or_does_not_answer_is_an_error(home: Path, agent: dict[str, str]) -> None:
    public = make_key(home / "mine")
    keyring = keyring_of(home, public)
    with pytest.raises(AgentError, match="does not hold"):
        found(keyring, home, agent, named=home / "mine.pub")
    with pytest.raises(AgentError, match="refused"):
        SshAgent(path=Path(agent["SSH_AUTH_SOCK"])).sign(public, b"x")
    with pytest.raises(AgentError, match="does not answer"):
        found(keyring, home, {"SSH_AUTH_SOCK": str(home / "nobody")}, named=home / "mine.pub")
    with pytest.raises(SettingsError, match="no agent runs"):
        found(keyring, home, named=home / "mine.pub")


@pytest.mark.parametrize(
    ("answer", "remark"),
    [
        (b"", "hung up"),
        (b"\x00\x00\x00\x00", "at most"),
        (b"\xff\xff\xff\xff", "at most"),
        (b"\x00\x00\x00\x01\x05", "refused"),
        (b"\x00\x00\x00\x05\x0c\x00\x00\x00\x09", "other bytes"),
        (b"\x00\x00\x00\x06\x0c\x00\x00\x00\x00\x00", "other bytes"),
    ],
)
def test_an_agent_that_talks_nonsense_is_an_error(tmp_path: Path, answer: bytes, remark: str) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def talk() -> None:
            line, _ = server.accept()
            with line:
                line.recv(100)
                line.sendall(answer)

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(AgentError, match=remark):
            SshAgent(path=path).held()
        thread.join()

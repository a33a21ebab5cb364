"""A person's SSH agent: which keys it holds, and signing with one (the IETF's draft-ietf-sshm-ssh-agent)."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import FlyballError, SignatureError
from schemas.sshsig import SshPublicKey, Unpacker, packed

SOCKET = "SSH_AUTH_SOCK"
_ANSWER_S = 60.0
"""An agent may ask its person first."""
_ANSWER_BYTES = 262_144
_LIST, _LISTED = 11, 12
_SIGN, _SIGNED = 13, 14
_RSA_SHA2_512 = 4


class AgentError(FlyballError):
    """The agent does not answer, or does not sign: start it, add the key, or name a key file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAgent:
    """The agent that listens on a socket of this machine."""

    path: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "SshAgent | None":
        """Return the agent that the environment names, if it does."""
        path = environment.get(SOCKET)
        return cls(path=Path(path)) if path else None

    def held(self) -> list["AgentKey"]:
        """Return the keys that it holds, in its order; raises `AgentError`."""
        fields = self._ask(bytes([_LIST]), _LISTED)
        try:
            found = [(SshPublicKey(fields.string()), fields.string())[0] for _ in range(fields.number())]
            fields.end()
        except SignatureError as error:
            raise AgentError(f"{self.path}: expected a list of keys from the agent, got other bytes") from error
        return [AgentKey(agent=self, public=public) for public in found]

    def sign(self, public: SshPublicKey, data: bytes) -> bytes:
        """Return the signature in SSH's own form; raises `AgentError` when the agent refuses."""
        flags = _RSA_SHA2_512 if public.kind == "ssh-rsa" else 0
        question = bytes([_SIGN]) + packed(public.blob) + packed(data) + flags.to_bytes(4, "big")
        fields = self._ask(question, _SIGNED)
        try:
            signature = fields.string()
            fields.end()
        except SignatureError as error:
            raise AgentError(f"{self.path}: expected a signature from the agent, got other bytes") from error
        return signature

    def _ask(self, question: bytes, wanted: int) -> Unpacker:
        """Send one message and return what its answer holds."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(_ANSWER_S)
                line.connect(str(self.path))
                line.sendall(packed(question))
                size = int.from_bytes(_received(line, 4), "big")
                if not 1 <= size <= _ANSWER_BYTES:
                    raise AgentError(f"{self.path}: expected an answer of at most {_ANSWER_BYTES} bytes, got {size}")
                answer = _received(line, size)
        except OSError as error:
            raise AgentError(f"{self.path}: the SSH agent does not answer: {error}") from error
        if answer[0] != wanted:
            raise AgentError(f"{self.path}: the SSH agent refused; `ssh-add -l` shows which keys it holds")
        return Unpacker(answer[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentKey:
    """A key that an agent holds and signs with; the private part never leaves it."""

    agent: SshAgent
    public: SshPublicKey

    def sign(self, data: bytes) -> bytes:
        """Return the signature in SSH's own form; raises `AgentError`."""
        return self.agent.sign(self.public, data)


def _received(line: socket.socket, count: int) -> bytes:
    """Read so many bytes; raises `OSError` when the other side hangs up before."""
    data = b""
    while len(data) < count:
        part = line.recv(count - len(data))
        if not part:
            raise OSError("it hung up")
        data += part
    return data

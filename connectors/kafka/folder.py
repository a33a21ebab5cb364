"""The data folder of a cluster on this machine: who holds it, and what it remembers between runs."""

import base64
import fcntl
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from schemas.errors import BrokerError

LOCK_S = 12.0
"""Longer than a broker whose owner died takes to end."""


class ClusterState(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a cluster the same one at its next start. Ports are one per broker."""

    cluster_id: str
    ports: list[int]
    controller_ports: list[int]

    @property
    def brokers(self) -> int:
        """How many brokers the cluster has."""
        return len(self.ports)


class DataFolder:
    """Held by one running cluster at a time, its guardians included: they share the lock."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._state_file = self.path / "cluster.json"
        self._lock: IO[str] | None = None

    @property
    def descriptors(self) -> Sequence[int]:
        """The open lock, for the processes that must hold it too."""
        return () if self._lock is None else (self._lock.fileno(),)

    def hold(self, *, patience_s: float = LOCK_S) -> None:
        """Take the folder; waits for the brokers of an owner that died. Raises `BrokerError` when it stays in use."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = (self.path / "lock").open("w")
        deadline = time.monotonic() + patience_s
        while not self._try_lock(self._lock):
            if time.monotonic() > deadline:
                raise BrokerError(f"{self.path} is in use by another cluster; stop that one or choose another folder")
            time.sleep(0.1)

    def let_go(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def recall(self) -> ClusterState | None:
        """Return what the folder holds, or None when it is new."""
        try:
            return msgspec.json.decode(self._state_file.read_bytes(), type=ClusterState)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise BrokerError(f"expected a cluster's state in {self._state_file}, got: {error}; remove it") from error

    def remember(self, state: ClusterState) -> None:
        """Write it, whole or not at all."""
        partial = self._state_file.with_suffix(f".{os.getpid()}")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(state)))
        partial.replace(self._state_file)

    @staticmethod
    def _try_lock(lock: IO[str]) -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def new_cluster_id() -> str:
    """Return a random Kafka cluster id: 16 bytes in URL-safe base64, not beginning with a dash."""
    while True:
        name = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if not name.startswith("-"):
            return name

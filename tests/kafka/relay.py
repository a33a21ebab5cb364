"""A relay between one process and its broker: it sees every Kafka request pass, and strikes the process at one of them.

The seam is the network. The process is told the relay's address and nothing else; of what the broker answers only the
addresses of brokers are changed (its own port for the relay's), so that every connection goes through here.
"""

import contextlib
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import psutil

from connectors.kafka.ports import LOOPBACK
from schemas.connection import KafkaConnection
from tests.patience import PATIENCE_S

PRODUCE, METADATA, FIND_COORDINATOR, ADD_PARTITIONS, END_TXN = 0, 3, 10, 24, 26
"""Kinds of requests, as Kafka numbers them (kafka.apache.org/protocol#protocol_api_keys)."""
_ADDRESSES = (METADATA, FIND_COORDINATOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request of one kind that holds some words and lacks others: names are never compressed, short values seldom."""

    kind: int
    words: tuple[str, ...]
    without: tuple[str, ...] = ()

    def is_like(self, kind: int, frame: bytes) -> bool:
        """Return whether a frame is such a request."""
        if kind != self.kind or any(word.encode() in frame for word in self.without):
            return False
        return all(word.encode() in frame for word in self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A moment in the work of a process: it has sent these requests, one after the other.

    The last one has not reached the broker, or (`answered`) the broker has done it and the process does not know.
    """

    name: str
    requests: tuple[Request, ...]
    answered: bool = False


class Target(Protocol):
    """A process to strike; `tests.kafka.processes.WorkerProcess` is one."""

    @property
    def name(self) -> str: ...
    @property
    def pid(self) -> int: ...


@dataclass(slots=True, kw_only=True)
class Trap:
    """Strikes the first process that comes to the point, once: SIGKILL, or SIGSTOP until `thaw`."""

    point: Point
    blow: signal.Signals
    sprung: threading.Event = field(default_factory=threading.Event)
    victim: str = ""
    """Who was struck, and when; known once it has `sprung`."""
    struck_us: int = 0
    _pid: int = 0
    _thawed: threading.Event = field(default_factory=threading.Event)
    _reached: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sees(self, target: Target, kind: int, frame: bytes) -> bool:
        """Take note of a request; returns whether it is the one to strike at."""
        with self._lock:
            reached = self._reached.get(target.name, 0)
            if self.victim or not self.point.requests[reached].is_like(kind, frame):
                return False
            self._reached[target.name] = reached + 1
            if reached + 1 < len(self.point.requests):
                return False
            self.victim = target.name
            return True

    def strike(self, target: Target) -> bool:
        """Let the blow fall; returns whether the connection goes on (that of a frozen process waits for its thaw)."""
        self._pid = target.pid
        self.struck_us = time.time_ns() // 1000
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, self.blow)
        if self.blow == signal.SIGSTOP:
            _await_frozen(self._pid)
        self.sprung.set()
        if self.blow == signal.SIGSTOP and not self.point.answered:
            self._thawed.wait()
        return self.blow == signal.SIGSTOP

    def thaw(self) -> None:
        """Let a frozen process go on, and what it had sent with it."""
        if self.blow == signal.SIGSTOP and self.sprung.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGCONT)
        self._thawed.set()


class Relay:
    """Listens for one process and passes on what it and the broker say. Use as a context."""

    def __init__(self, broker: KafkaConnection) -> None:
        self._broker = (LOOPBACK, int(broker.bootstrap.rpartition(":")[2]))
        self._server = socket.create_server((LOOPBACK, 0))
        self._open: list[socket.socket] = []
        self.target: Target | None = None
        """Whose requests these are."""
        self.trap: Trap | None = None
        port = self._server.getsockname()[1]
        self.bootstrap = f"{LOOPBACK}:{port}"
        self._old, self._new = (LOOPBACK.encode() + struct.pack(">i", one) for one in (self._broker[1], port))

    def __enter__(self) -> "Relay":
        threading.Thread(target=self._accept, name=f"relay-{self.bootstrap}", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._server, *self._open):
            _shut(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:  # closed
                return
            self._open.append(client)
            broker = socket.create_connection(self._broker)
            self._open.append(broker)
            link = _Link(relay=self, client=client, broker=broker)
            for work in (link.carry_requests, link.carry_answers):
                threading.Thread(target=work, name=f"relay-{self.bootstrap}", daemon=True).start()

    def notice(self, kind: int, frame: bytes) -> Trap | None:
        """Return the trap that this request springs, if one does."""
        trap, target = self.trap, self.target
        return trap if trap is not None and target is not None and trap.sees(target, kind, frame) else None

    def strikes(self, trap: Trap) -> bool:
        """Strike; returns whether the connection goes on."""
        assert self.target is not None
        return trap.strike(self.target)

    def wait_for_blow(self) -> None:
        """Hold answers up that come between a request whose answer springs a trap and the blow: what the process must
        not know yet another connection could tell it.
        """
        trap, target = self.trap, self.target
        if trap is not None and target is not None and trap.point.answered and trap.victim == target.name:
            trap.sprung.wait(PATIENCE_S)

    def readdressed(self, frame: bytes) -> bytes:
        """Return an answer with the relay's port in the place of the broker's: both are as long."""
        return frame.replace(self._old, self._new)


@dataclass(slots=True, kw_only=True)
class _Link:
    """One connection of the process and the one to the broker that belongs to it."""

    relay: Relay
    client: socket.socket
    broker: socket.socket
    _asked: dict[int, tuple[int, Trap | None]] = field(default_factory=dict)
    """By correlation id: what was asked, and the trap that its answer springs."""

    def carry_requests(self) -> None:
        with self._both_end():
            for frame in _frames(self.client):
                kind, correlation = struct.unpack_from(">hxxi", frame)
                trap = self.relay.notice(kind, frame)
                answered = trap is not None and trap.point.answered
                self._asked[correlation] = (kind, trap if answered else None)
                if trap is not None and not answered and not self.relay.strikes(trap):
                    return
                _send(self.broker, frame)

    def carry_answers(self) -> None:
        with self._both_end():
            for frame in _frames(self.broker):
                kind, trap = self._asked.pop(struct.unpack_from(">i", frame)[0])
                if trap is None:
                    self.relay.wait_for_blow()
                elif not self.relay.strikes(trap):
                    return
                _send(self.client, self.relay.readdressed(frame) if kind in _ADDRESSES else frame)

    @contextlib.contextmanager
    def _both_end(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            pass  # one side is gone: so is the other
        finally:
            for one in (self.client, self.broker):
                _shut(one)


@contextlib.contextmanager
def armed(relays: Sequence[Relay], point: Point, blow: signal.Signals) -> Iterator[Trap]:
    """Set one trap for all processes behind some relays; a frozen one goes on at the end at the latest."""
    trap = Trap(point=point, blow=blow)
    for relay in relays:
        relay.trap = trap
    try:
        yield trap
    finally:
        for relay in relays:
            relay.trap = None
        trap.thaw()


def _frames(stream: socket.socket) -> Iterator[bytes]:
    """Yield what comes, without the length before each; ends where the stream does."""
    with stream.makefile("rb") as file:
        while len(head := file.read(4)) == 4:
            (length,) = struct.unpack(">i", head)
            frame = file.read(length)
            if len(frame) < length:
                return
            yield frame


def _send(stream: socket.socket, frame: bytes) -> None:
    stream.sendall(struct.pack(">i", len(frame)) + frame)


def _shut(stream: socket.socket) -> None:
    with contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)
    stream.close()


def _await_frozen(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline, f"{pid} does not freeze"
        time.sleep(0.001)

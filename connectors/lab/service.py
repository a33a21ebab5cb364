"""One service of the lab: a small HTTP server, and the faults it can be ordered to have.

Run as `python -S -m connectors.lab.service FOLDER SEED BOOT_SECONDS` with the standard library only, so that a dozen of
them are cheap. It prints its port when it is ready, takes orders as lines on standard input, and ends when that closes:
so it never outlives the world that started it, however that ends.
"""

import fcntl
import os
import random
import resource
import select
import selectors
import signal
import socket
import sys
import time
from collections import deque
from pathlib import Path

WORK_S = 0.020
WORK_SPREAD_S = 0.004
MISS_S = 0.012
WRITE_S = (0.001, 0.015)
SLOW_WRITE_S = 0.065
CACHE_KEYS = 8
QUEUE_MOST = 11
IDLE_S = 0.1
LEAK_BYTES = 1 << 20
LEAK_TOTAL = 28 << 20
SCRATCH_BYTES = 2 << 20
DESCRIPTORS_MOST = 96
LEAKED_PER_S = 8
LOST_PER_S = 28
JOURNAL_BYTES = 1 << 16


class Service:
    """Answers one request after another; faults change how it does so, not what it reports."""

    def __init__(self, *, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)  # noqa: S311  # varies the load, protects nothing
        self._cache: dict[int, bytes] = {}
        self._hung = False
        self._poisoned = False
        self._slow_write_s = 0.0
        self._leaking_since_s: float | None = None
        self._leak: list[bytearray] = []
        self._losing_since_s: float | None = None
        self._lost_descriptors: list[int] = []
        self._segments: deque[int] = deque()
        self._page = b""
        self._journal = os.open(folder / "journal", os.O_CREAT | os.O_WRONLY, 0o600)
        self._lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        self._reserve = os.open(os.devnull, os.O_RDONLY)
        self._orders = b""
        self._waiting: deque[socket.socket] = deque()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._read_orders)

    def port(self) -> int:
        """Return the port it listens on."""
        return int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """Serve until standard input closes."""
        while True:
            for key, _ in self._selector.select(0 if self._waiting else IDLE_S):
                key.data()
            self._worsen()
            if self._waiting:
                self._answer(self._waiting.popleft())

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:
                self._turn_away()
                return
            if len(self._waiting) < QUEUE_MOST:
                self._waiting.append(connection)
            else:
                _reply(connection, 503, 0.0)

    def _turn_away(self) -> None:
        """Answer 503 with the reserved descriptor: none other is left."""
        os.close(self._reserve)
        try:
            connection, _ = self._listener.accept()
            _reply(connection, 503, 0.0)
        except OSError:
            pass  # the client has gone; the descriptor is taken back either way
        finally:
            self._reserve = os.open(os.devnull, os.O_RDONLY)

    def _answer(self, connection: socket.socket) -> None:
        try:
            self._work()
            _reply(connection, 200, self._write())
        except (MemoryError, OSError, KeyError):
            _reply(connection, 500, 0.0)

    def _work(self) -> None:
        bytearray(SCRATCH_BYTES)  # untouched pages: costs address space, which a leak has eaten, and no memory
        key = self._random.randrange(CACHE_KEYS)
        if key not in self._cache:
            time.sleep(MISS_S)
            self._cache[key] = bytes(1024)
        if self._poisoned:
            raise KeyError(key)  # the entry is not what it should be: fails at once
        self._page = b"x" * self._random.randrange(200_000, 600_000)
        self._turn_segment()
        time.sleep(max(0.0, self._random.gauss(WORK_S, WORK_SPREAD_S)))

    def _turn_segment(self) -> None:
        """Hold three to five segments of the journal open, as a store does."""
        if len(self._segments) < 5:
            self._segments.append(os.open(self._folder / "journal", os.O_RDONLY))
        if len(self._segments) > self._random.choice((3, 4, 4, 5)):
            os.close(self._segments.popleft())

    def _write(self) -> float:
        """Write one line under the lock; return how long the write alone took, in seconds."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        started_s = time.monotonic()
        time.sleep(self._slow_write_s or self._random.uniform(*WRITE_S))
        if os.lseek(self._journal, 0, os.SEEK_CUR) > JOURNAL_BYTES:
            os.lseek(self._journal, 0, os.SEEK_SET)
        os.write(self._journal, b"served one request\n")
        taken_s = time.monotonic() - started_s
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        return taken_s

    def _worsen(self) -> None:
        """Let leaks grow, at a pace that does not depend on the load."""
        if self._leaking_since_s is not None:
            self._leak_memory(LEAKED_PER_S * (time.monotonic() - self._leaking_since_s))
        if self._losing_since_s is not None:
            self._lose_descriptors(LOST_PER_S * (time.monotonic() - self._losing_since_s))

    def _leak_memory(self, due: float) -> None:
        try:
            while len(self._leak) < min(due, LEAK_TOTAL / LEAK_BYTES):
                self._leak.append(bytearray(b"x") * LEAK_BYTES)
        except MemoryError:
            self._leak.pop()  # leaves room for the interpreter itself, not for the next request

    def _lose_descriptors(self, due: float) -> None:
        try:
            while len(self._lost_descriptors) < due:
                self._lost_descriptors.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            return  # all gone; what a request gives back is lost next time

    def _read_orders(self) -> None:
        received = os.read(sys.stdin.fileno(), 4096)
        if not received:
            os._exit(0)
        *lines, self._orders = (self._orders + received).split(b"\n")
        for line in lines:
            self._obey(line.decode())

    def _obey(self, order: str) -> None:
        if self._hung and order != "heal":
            return
        orders = {
            "leak": self._start_leak,
            "hang": self._hang,
            "crash": _crash,
            "poison": self._poison,
            "descriptors": self._start_losing,
            "disk": self._slow_down,
            "recycle_cache": self._recycle_cache,
            "reopen": self._reopen,
            "heal": self._heal,
        }
        orders[order]()

    def _start_leak(self) -> None:
        self._leaking_since_s = time.monotonic()

    def _hang(self) -> None:
        """Deadlock: nothing is answered and no order obeyed until `heal`, or the end."""
        self._hung = True
        while self._hung:
            select.select([sys.stdin], [], [])
            self._read_orders()

    def _poison(self) -> None:
        self._poisoned = True

    def _start_losing(self) -> None:
        self._losing_since_s = time.monotonic()

    def _slow_down(self) -> None:
        self._slow_write_s = SLOW_WRITE_S

    def _recycle_cache(self) -> None:
        self._poisoned = False
        self._cache.clear()

    def _reopen(self) -> None:
        """Close every file and open the journal anew, elsewhere on the disk."""
        self._losing_since_s = None
        for descriptor in (*self._lost_descriptors, *self._segments, self._journal):
            os.close(descriptor)
        self._lost_descriptors.clear()
        self._segments.clear()
        self._slow_write_s = 0.0
        self._journal = os.open(self._folder / "journal", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)

    def _heal(self) -> None:
        self._recycle_cache()
        self._reopen()
        self._hung = False
        self._leaking_since_s = None
        self._leak.clear()


def _reply(connection: socket.socket, status: int, disk_s: float) -> None:
    connection.settimeout(IDLE_S)
    head = f"HTTP/1.1 {status} -\r\nContent-Length: 0\r\nConnection: close\r\nDisk-Us: {int(disk_s * 1e6)}\r\n\r\n"
    try:
        connection.recv(1024)
        connection.sendall(head.encode())
    except OSError:
        pass  # the client gave up waiting
    finally:
        connection.close()


def _crash() -> None:
    os._exit(70)


def _limit_resources() -> None:
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = size + LEAK_TOTAL - (2 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS_MOST, DESCRIPTORS_MOST))


def main() -> None:
    """Boot for as long as told, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the world's to handle
    folder, seed, boot_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    if select.select([sys.stdin], [], [], boot_s)[0]:
        return  # the world has gone, or does not want this service any more
    service = Service(folder=folder, seed=seed)
    _limit_resources()
    print(service.port(), flush=True)  # noqa: T201  # the world reads it
    service.serve()


if __name__ == "__main__":
    main()

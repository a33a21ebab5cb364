"""The load on one service: requests on a seeded schedule, and a tally of how each went."""

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass

_REQUEST = b"GET /work HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n"
_JITTER = 0.1


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the requests that ended since the last sample."""

    requests: int = 0
    answered: int = 0
    good: int = 0
    failed: int = 0
    latency_s: float = 0.0
    disk_s: float = 0.0
    disk_writes: int = 0


class Load:
    """Open-loop load on one service. Requests beyond the shed rate are turned away before they reach it."""

    def __init__(
        self, *, address: Callable[[], int | None], rate_hz: float, timeout_s: float, good_s: float, seed: int
    ) -> None:
        self.rate_hz = rate_hz
        self.shed_above_hz: float | None = None
        self._address = address
        self._timeout_s = timeout_s
        self._good_s = good_s
        self._random = random.Random(seed)  # noqa: S311  # a schedule, not a key
        self._tally = Tally()
        self._in_flight: set[asyncio.Task[None]] = set()

    def take_tally(self) -> Tally:
        """Return the tally and begin a new one."""
        tally, self._tally = self._tally, Tally()
        return tally

    async def run(self) -> None:
        """Send requests until cancelled; a late one does not delay the next."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._random.random() / self.rate_hz
        while True:
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            task = loop.create_task(self._request())
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)
            rate_hz = min(self.rate_hz, self.shed_above_hz or self.rate_hz)
            due_s = max(due_s, loop.time() - 1.0) + self._random.uniform(1 - _JITTER, 1 + _JITTER) / rate_hz

    async def _request(self) -> None:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        try:
            async with asyncio.timeout(self._timeout_s):
                status, disk_s = await self._exchange(loop)
        except (OSError, TimeoutError, ValueError):
            status, disk_s = 0, 0.0
        self._count(status=status, disk_s=disk_s, latency_s=loop.time() - started_s)

    async def _exchange(self, loop: asyncio.AbstractEventLoop) -> tuple[int, float]:
        port = self._address()
        if port is None:
            raise ConnectionRefusedError("the service is not up")
        with contextlib.closing(socket.socket()) as connection:
            connection.setblocking(False)
            await loop.sock_connect(connection, ("127.0.0.1", port))
            await loop.sock_sendall(connection, _REQUEST)
            return _parse(await loop.sock_recv(connection, 1024))

    def _count(self, *, status: int, disk_s: float, latency_s: float) -> None:
        tally = self._tally
        tally.requests += 1
        tally.latency_s += latency_s
        tally.answered += status != 0
        tally.failed += status != 200
        tally.good += status == 200 and latency_s <= self._good_s
        if status == 200:
            tally.disk_s += disk_s
            tally.disk_writes += 1


def _parse(reply: bytes) -> tuple[int, float]:
    """Return status and seconds of disk work; raises `ValueError` for what is no reply of a service."""
    head = reply.decode("latin-1").split("\r\n")
    fields = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
    if not head[0].startswith("HTTP/1.1 "):
        raise ValueError(f"expected an HTTP reply, got {head[0]!r}")
    return int(head[0].split(" ")[1]), int(fields.get("Disk-Us", "0")) / 1e6

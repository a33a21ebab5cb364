"""The lab's control endpoint: how an executor on this machine asks for an action.

One JSON line to a loopback port, one JSON line back. Port and token stand in a file that only this user can read.
"""

import asyncio
import hmac
import os
import secrets
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

_KEPT = 10_000
_READ_S = 5.0
_LINE_BYTES = 65_536


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """What the control file says."""

    port: int
    token: str


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An action for one service. `id` makes it idempotent: an id asked for again gets the first reply."""

    token: str
    id: str
    entity: str
    action: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. `refused`: nothing was done."""

    state: str
    detail: str


Act = Callable[[str, str], Awaitable[tuple[bool, str]]]
"""Called with action and entity; returns whether it worked and what was done; raises `KeyError` for an unknown one."""


class ControlEndpoint:
    """Listens on loopback; a request without the token is refused."""

    def __init__(self, *, act: Act, file: Path) -> None:
        self._act = act
        self._file = file
        self._token = secrets.token_hex(16)
        self._replies: OrderedDict[str, asyncio.Future[Reply]] = OrderedDict()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen, and write the control file."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_LINE_BYTES)
        port = self._server.sockets[0].getsockname()[1]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(Address(port=port, token=self._token)))
        fresh.replace(self._file)

    def stop(self) -> None:
        """Stop listening and remove the control file."""
        if self._server is not None:
            self._server.close()
        self._file.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_READ_S):
                line = await reader.readline()
            writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
            await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # the client has gone, is too slow, or sent more than a line: it gets no answer
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Reply:
        try:
            request = msgspec.json.decode(line, type=Request)
        except msgspec.DecodeError as error:
            return Reply(state="refused", detail=f"expected a request, got {error}")
        if not hmac.compare_digest(request.token.encode(), self._token.encode()):
            return Reply(state="refused", detail="the token is wrong: read the control file again")
        if request.id not in self._replies:
            self._replies[request.id] = asyncio.ensure_future(self._do(request))
            if len(self._replies) > _KEPT:
                self._replies.popitem(last=False)
        return await asyncio.shield(self._replies[request.id])

    async def _do(self, request: Request) -> Reply:
        try:
            worked, detail = await self._act(request.action, request.entity)
        except KeyError as error:
            return Reply(state="refused", detail=f"the lab has no {error.args[0]}")
        except TimeoutError:
            return Reply(state="failed", detail="the service did not come up in time")
        return Reply(state="succeeded" if worked else "failed", detail=detail)


def ask(file: Path, *, id: str, entity: str, action: str, timeout_s: float) -> Reply:  # noqa: A002  # the wire's name
    """Ask the lab for an action and wait for its end.

    Raises `OSError` when the lab cannot be reached or does not answer in time, `msgspec.DecodeError` when the lab ends
    before it answers.
    """
    address = msgspec.json.decode(file.read_bytes(), type=Address)
    request = Request(token=address.token, id=id, entity=entity, action=action)
    with socket.create_connection(("127.0.0.1", address.port), timeout=timeout_s) as connection:
        connection.sendall(msgspec.json.encode(request) + b"\n")
        with connection.makefile("rb") as file_of_replies:
            return msgspec.json.decode(file_of_replies.readline(), type=Reply)

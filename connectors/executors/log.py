"""An executor that only says what it was asked to do: for trying a loop out, and for wiring it to a program."""

import threading
from typing import IO

import msgspec

from connectors.executors.handler import Result
from schemas.events import Action


class LogHandler:
    """Writes each action as one JSON line. Not idempotent: a line is an effect."""

    idempotent = False

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def run(self, action: Action, *, timeout_s: float) -> Result:  # noqa: ARG002  # a line takes no time
        with self._lock:
            self._stream.write(msgspec.json.encode(action).decode() + "\n")
            self._stream.flush()
        return Result(state="succeeded", detail="written")

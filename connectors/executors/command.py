"""Actions as commands: a program with arguments, never a shell, and nothing of it left when its time is over."""

import contextlib
import os
import re
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping

from connectors.executors.argv import SAFE_VALUE, ValueNotAllowedError, fill
from connectors.executors.handler import Result
from schemas.events import Action

OUTPUT_KEPT = 2_000
"""Characters of the end of a command's output that go into the outcome."""
_READ_BYTES, _LAST_READS = 4096, 16
"""When a process has ended, as much of its pipe is read as a pipe holds (64 kB): others may fill it up for ever."""
_LOOK_EVERY_S = 0.05


class CommandHandler:
    """Runs one program per action, in a session of its own, with the variables it is given and no others.

    Exit code 0 is `succeeded`, one of `refused_codes` `refused`, any other `failed`. Ended by a signal, or killed with
    every process of its group because its time was over: `unknown`.
    """

    def __init__(
        self,
        argv: tuple[str, ...],
        *,
        environment: Mapping[str, str],
        values: re.Pattern[str] = SAFE_VALUE,
        refused_codes: tuple[int, ...] = (),
        idempotent: bool = False,
        folder: str = "/",
    ) -> None:
        self._argv = argv
        self._values = values
        self._environment = dict(environment)
        self._refused_codes = refused_codes
        self._idempotent = idempotent
        self._folder = folder
        self._lock = threading.Lock()
        self._running: set[int] = set()
        self._closed = False

    @property
    def idempotent(self) -> bool:
        return self._idempotent

    def run(self, action: Action, *, timeout_s: float) -> Result:
        until_s = time.monotonic() + timeout_s
        try:
            argv = fill(self._argv, action, values=self._values)
        except ValueNotAllowedError as error:
            return Result(state="refused", detail=str(error), begun=False)
        with self._lock:
            if self._closed:
                return Result(state="refused", detail="the executor is stopping", begun=False)
            try:
                process = self._start(argv)
            except OSError as error:
                return Result(state="failed", detail=f"not started: {error}", retry="never", begun=False)
            self._running.add(process.pid)
        try:
            output, in_time = self._watch(process, until_s)
        finally:
            self._end(process)
        return self._judge(process.returncode, output, f"killed after {timeout_s:g} s" if not in_time else "")

    def close(self) -> None:
        """Kill what still runs: nothing that was started here goes on unwatched."""
        with self._lock:
            self._closed = True
            for pid in self._running:
                _kill_group(pid)

    def _start(self, argv: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _watch(self, process: subprocess.Popen[bytes], until_s: float) -> tuple[str, bool]:
        """Read the output until the process ends or its time is over; return the output's end, and whether it ended.

        A child of it may hold the pipe open, and write, for ever: the process's end counts, not that of its output.
        """
        assert process.stdout is not None  # noqa: S101  # as `_start` made it
        descriptor = process.stdout.fileno()
        os.set_blocking(descriptor, False)
        kept, reads_left = b"", _LAST_READS
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while reads_left:
                ended = self._ended(process)
                left_s = until_s - time.monotonic()
                if not ended and left_s <= 0:
                    break
                if selector.select(0 if ended else min(left_s, _LOOK_EVERY_S)):
                    data = os.read(descriptor, _READ_BYTES)
                    kept = _last(kept, data)
                    if not data:
                        break
                elif ended:
                    break
                reads_left -= ended
        return _readable(kept), self._wait(process, until_s)

    def _wait(self, process: subprocess.Popen[bytes], until_s: float) -> bool:
        """Wait for a process that closed its output; return whether it ended in time."""
        pause_s = 0.001
        while not (ended := self._ended(process)) and (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, pause_s))
            pause_s = min(2 * pause_s, _LOOK_EVERY_S)
        return ended

    def _ended(self, process: subprocess.Popen[bytes]) -> bool:
        """Reap a process that has ended. From then on its id may be another's: nobody must kill by it any more."""
        with self._lock:
            if process.poll() is not None:
                self._running.discard(process.pid)
            return process.returncode is not None

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Kill it and its group, unless it ended by itself."""
        with self._lock:
            if process.pid in self._running:
                _kill_group(process.pid)
                process.wait()
                self._running.discard(process.pid)
        if process.stdout is not None:
            process.stdout.close()

    def _judge(self, code: int, output: str, killed: str) -> Result:
        tail = f": {output}" if output else ""
        if killed:
            return Result(state="unknown", detail=f"{killed}{tail}")
        if code < 0:
            return Result(state="unknown", detail=f"ended by signal {-code}{tail}")
        if code == 0:
            return Result(state="succeeded", detail=output)
        if code in self._refused_codes:
            return Result(state="refused", detail=f"exit code {code}{tail}")
        return Result(state="failed", detail=f"exit code {code}{tail}")


def _last(kept: bytes, data: bytes) -> bytes:
    """Return the end of an output, as much as can become `OUTPUT_KEPT` characters (of at most 4 bytes)."""
    return (kept + data)[-4 * OUTPUT_KEPT :]


def _readable(output: bytes) -> str:
    """Return the end of an output as text that a terminal can show safely."""
    text = output.decode("utf-8", "replace").strip()[-OUTPUT_KEPT:]
    return "".join(one if one.isprintable() or one in "\n\t" else " " for one in text)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)

"""The supervisor: keeps the processes of a loop running, and leaves none behind."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streams.runtime import exits

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 10.0
_REFUSED_WAIT_S = 30.0
"""Where a person must decide first, trying again quickly helps nobody."""
_STEADY_S = 30.0
"""A process that ran this long has earned a quick restart again."""
_STOP_S = 8.0
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One process to keep running. `log` takes its stdout and stderr; without it they are the supervisor's own."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None
    log: Path | None = None


@dataclass(slots=True)
class _Running:
    child: Child
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    start_at: float = 0.0
    wait_s: float = _FIRST_WAIT_S
    restarts: int = 0
    done: bool = False


@dataclass(slots=True)
class Supervisor:
    """Starts children, starts the dead again with bounded backoff, and stops all of them within 10 s.

    A child that ends with exit code 0 is done. Children die with the supervisor, whatever kills it (`tether`).
    `told` gets one line per event. Use `run` (blocks until SIGTERM or SIGINT) or `start` and `stop`.
    """

    children: Sequence[Child]
    told: Callable[[str], None]
    _running: list[_Running] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _keeper: threading.Thread | None = None
    _clean: bool = True

    def start(self) -> None:
        """Start every child and keep them running from a thread of its own.

        Linux ties a child to the thread that started it, so this thread starts all of them and outlives them.
        """
        self._running = [_Running(child) for child in self.children]
        self._keeper = threading.Thread(target=self._keep, name="supervisor")
        self._keeper.start()

    def run(self) -> int:
        """Start every child, wait for a stop signal (or until all are done), stop them; 0 when all was clean."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        self.start()
        while not self._stopping.wait(0.2):
            if all(running.done for running in self._running):
                break
        return 0 if self.stop() else 1

    def stop(self) -> bool:
        """Stop every child and wait for it; returns whether each ended by itself in time."""
        self._stopping.set()
        if self._keeper is not None:
            self._keeper.join()
        return self._clean

    def restarts(self) -> dict[str, int]:
        """Return how often each child had to be started again."""
        return {running.child.name: running.restarts for running in self._running}

    def pids(self) -> dict[str, int]:
        """Return the process ids of the children that live."""
        return {
            running.child.name: running.process.pid
            for running in self._running
            if running.process is not None and _is_alive(running)
        }

    def _keep(self) -> None:
        for running in self._running:
            self._launch(running)
        while not self._stopping.wait(_LOOK_S):
            for running in self._running:
                if not running.done:
                    self._look_after(running)
        self._clean = self._stop_all()

    def _stop_all(self) -> bool:
        alive = [running for running in self._running if _is_alive(running)]
        for running in alive:
            _signal(running, signal.SIGTERM)
            _signal(running, signal.SIGCONT)
        deadline = time.monotonic() + _STOP_S
        ended = [self._await_end(running, deadline) for running in alive]
        return all(ended)

    def _look_after(self, running: _Running) -> None:
        now = time.monotonic()
        if running.process is None:
            if now >= running.start_at:
                running.restarts += 1
                self._launch(running)
            return
        code = running.process.poll()
        if code is None:
            return
        running.process = None
        if code == exits.CLEAN:
            running.done = True
            self.told(f"{running.child.name} is done")
            return
        if now - running.started_at > _STEADY_S:
            running.wait_s = _FIRST_WAIT_S
        wait_s = _REFUSED_WAIT_S if code == exits.RECOVERY_REFUSED else running.wait_s
        running.start_at, running.wait_s = now + wait_s, min(2 * running.wait_s, _LONGEST_WAIT_S)
        self.told(f"{running.child.name} ended ({_reason(code)}); starting it again in {wait_s:.1f} s")

    def _launch(self, running: _Running) -> None:
        child = running.child
        command = [sys.executable, "-m", "streams.runtime.tether", str(os.getpid()), *child.command]
        environment = {**os.environ, **(child.environment or {})}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a restart must not compile every module again
        with contextlib.ExitStack() as stack:
            log = None if child.log is None else stack.enter_context(child.log.open("ab"))
            running.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        running.started_at = time.monotonic()

    def _await_end(self, running: _Running, deadline: float) -> bool:
        process = running.process
        if process is None:
            return True
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.told(f"{running.child.name} did not stop within {_STOP_S:.0f} s and was killed")
            return False
        return True


def _is_alive(running: _Running) -> bool:
    return running.process is not None and running.process.poll() is None


def _signal(running: _Running, number: signal.Signals) -> None:
    if running.process is not None:
        with contextlib.suppress(ProcessLookupError):
            running.process.send_signal(number)


def _reason(code: int) -> str:
    names = {
        exits.CRASHED: "crashed",
        exits.FENCED: "another instance owns its work",
        exits.RECOVERY_REFUSED: "recovery refused, see its log",
        exits.HUNG: "hung",
    }
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return names.get(code, f"exit code {code}")

"""A supervisor: starts processes, starts dead ones again, and ends them all with itself."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from connectors.kafka import guardian

STOP_S = 9.0
"""All processes get this long to end by themselves, together; then they are killed."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 10.0
STABLE_S = 30.0
"""Who ran for so long begins with the shortest wait again."""
POLL_S = 0.1
FINISHED, WRONG_SETTINGS, FENCED, REFUSED = 0, 2, 3, 4
"""Exit codes with a meaning: done; another instance owns the work (so wait long); 2 and 4 need a person (so never)."""


class _Supervised:
    """One process under its guardian, which ends it when this process is gone in whatever way."""

    def __init__(self, name: str, command: Sequence[str], log: IO[bytes], told: Callable[[str], None]) -> None:
        self.name = name
        self._told = told
        self._command = list(command)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._wait_s = FIRST_WAIT_S
        self._due_s = 0.0
        self._started_s = 0.0
        self.done = False
        self.starts = 0

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__, str(STOP_S), *self._command],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._started_s = time.monotonic()
        self.starts += 1

    def tend(self) -> None:
        """Start it again when it died and its time has come; leave it when it ended by itself or gave up."""
        if self._process is None or self.done:
            return
        code = self._process.poll()
        if code is None:
            return
        self._close_pipe()
        now_s = time.monotonic()
        if code in (FINISHED, WRONG_SETTINGS, REFUSED):
            self.done = True
            self._told(f"{self.name} ended ({_reason(code)})")
        elif self._due_s == 0.0:
            self._wait_s = FIRST_WAIT_S if now_s - self._started_s > STABLE_S else self._wait_s
            wait_s = LONGEST_WAIT_S if code == FENCED else self._wait_s
            self._due_s = now_s + wait_s
            self._told(f"{self.name} ended ({_reason(code)}); starting it again in {wait_s:.1f} s")
        elif now_s >= self._due_s:
            self._wait_s, self._due_s = min(2 * self._wait_s, LONGEST_WAIT_S), 0.0
            self.start()

    def begin_stop(self) -> None:
        """Close the guardian's pipe: it ends the process, politely first."""
        self.done = True
        self._close_pipe()

    def finish_stop(self, timeout_s: float) -> None:
        """Wait for the end; kill the guardian, and with it the process, when it does not come."""
        if self._process is None:
            return
        try:
            self._process.wait(max(timeout_s, 0.1))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()


class Supervisor:
    """Runs named commands until `stop`; output goes to one log file per name in `logs`.

    A process that ends with 0 has done its work; one that needs a person (2, 4) is not started again; every other end
    is answered by a restart, after 0.2 s at first and at most 10 s. `told` gets one line per end.
    """

    def __init__(
        self, commands: Mapping[str, Sequence[str]], *, logs: Path, told: Callable[[str], None] = lambda _: None
    ) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._told = told
        self._files: list[IO[bytes]] = []
        self._lock = threading.Lock()
        self._processes: dict[str, _Supervised] = {}
        self._stopping = threading.Event()
        self._tender = threading.Thread(target=self._tend, name="supervisor", daemon=True)
        self._commands = dict(commands)

    @property
    def restarts(self) -> int:
        """How often a dead process was started again."""
        with self._lock:
            return sum(max(process.starts - 1, 0) for process in self._processes.values())

    def start(self) -> None:
        """Start every command."""
        for name, command in self._commands.items():
            self.add(name, command)
        self._tender.start()

    def add(self, name: str, command: Sequence[str]) -> None:
        """Start one more process; raises `ValueError` when the name is taken."""
        with self._lock:
            if name in self._processes:
                raise ValueError(f"expected a new name, {name!r} is running")
            log = (self._logs / f"{name}.log").open("ab")
            self._files.append(log)
            process = _Supervised(name, command, log, self._told)
            self._processes[name] = process
            process.start()

    def given_up(self) -> dict[str, int]:
        """Return the processes that ended and are not started again, with their exit codes."""
        with self._lock:
            found = {name: process.exit_code() for name, process in self._processes.items() if process.done}
        return {name: code for name, code in found.items() if code}

    def stop(self) -> None:
        """End all processes within about 10 s: politely, together, then by force."""
        self._stopping.set()
        if self._tender.is_alive():
            self._tender.join()
        deadline = time.monotonic() + STOP_S + 0.5
        for process in self._processes.values():
            process.begin_stop()
        for process in self._processes.values():
            process.finish_stop(deadline - time.monotonic())
        for file in self._files:
            file.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _tend(self) -> None:
        while not self._stopping.wait(POLL_S):
            with self._lock:
                for process in self._processes.values():
                    process.tend()


def _reason(code: int) -> str:
    """Say an exit code; a guardian passes on that of a process killed by signal N as 256 - N."""
    names = {
        FINISHED: "done",
        WRONG_SETTINGS: "its settings are wrong, see its log",
        FENCED: "another instance owns its work",
        REFUSED: "it needs a person, see its log",
        256 - signal.SIGKILL: "killed",
        256 - signal.SIGTERM: "terminated",
    }
    return names.get(code, f"exit code {code}")

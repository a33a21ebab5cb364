"""A process that the lab started, and the only way in which the lab touches a process."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import psutil

_ROOT = Path(__file__).resolve().parents[2]
_STOP_S = 2.0


class Child:
    """One process of a module of the lab. It ends when its standard input closes: also when this process is killed."""

    def __init__(self, *, module: str, arguments: tuple[str, ...], errors: IO[bytes]) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-S", "-m", module, *arguments),
            env={"PYTHONPATH": str(_ROOT), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        self._facts = psutil.Process(self._process.pid)
        self._created_s = self._facts.create_time()
        self._port: int | None = None
        if self._process.stdout is None or self._process.stdin is None:
            raise RuntimeError("expected pipes to the child, got none")  # subprocess made them just above
        self._output, self._input = self._process.stdout, self._process.stdin
        os.set_blocking(self._output.fileno(), False)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Return whether it runs; reaps it when it does not."""
        return self._process.poll() is None

    def port(self) -> int | None:
        """Return the port it listens on; None while it boots, or when it has gone."""
        if not self.alive():
            return None
        if self._port is None:
            with contextlib.suppress(BlockingIOError):
                self._port = int(os.read(self._output.fileno(), 16) or b"0") or None
        return self._port

    def order(self, order: str) -> None:
        """Tell it something; a process that boots or has gone does not hear it."""
        if self.port() is None:
            return
        with contextlib.suppress(BrokenPipeError):
            os.write(self._input.fileno(), order.encode() + b"\n")

    def usage(self) -> tuple[float, float, int]:
        """Return CPU seconds used so far, resident memory in MB, open descriptors; zeros when it has gone."""
        if not self.alive():
            return 0.0, 0.0, 0
        try:
            return self._cpu_s(), self._facts.memory_info().rss / 1e6, self._facts.num_fds()
        except psutil.Error:
            return 0.0, 0.0, 0

    def stop(self) -> None:
        """Kill it, if it is still the process that was started, and reap it."""
        if self.alive() and self._is_ours():
            self._process.send_signal(signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):
            self._input.close()
        self._output.close()
        self._process.wait(_STOP_S)

    def _is_ours(self) -> bool:
        try:
            return bool(psutil.Process(self._process.pid).create_time() == self._created_s)
        except psutil.NoSuchProcess:
            return False

    def _cpu_s(self) -> float:
        """Return CPU seconds from the scheduler, in ns; psutil knows 10 ms ticks only, too coarse for half a second."""
        try:
            return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9
        except (OSError, IndexError):
            times = self._facts.cpu_times()
            return float(times.user + times.system)

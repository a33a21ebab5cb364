"""Real worker processes to be killed, and a feeder that keeps telemetry coming meanwhile."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from schemas.connection import KafkaConnection
from schemas.kafka import make_producer
from tests.kafka.subject import Sample, Subject
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True, kw_only=True)
class WorkerProcess:
    """One worker that is started again whenever it ends, as a supervisor would, until `finish`."""

    name: str
    command: list[str]
    log: Path
    exits: list[int] = field(default_factory=list)
    _process: "subprocess.Popen[bytes] | None" = None
    _wanted: bool = True
    _keeper: threading.Thread | None = None

    @property
    def pid(self) -> int:
        """The process that works now, or worked last."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process and whoever starts it again."""
        self._launch()
        self._keeper = threading.Thread(target=self._keep, name=self.name, daemon=True)
        self._keeper.start()

    def hit(self, number: signal.Signals) -> float:
        """Send a signal and return the time (s since the epoch) just before."""
        assert self._process is not None
        moment = time.time()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)
        return moment

    def told(self, words: str) -> int:
        """Return how often its log says something, all its lives together."""
        return self.log.read_text().count(words)

    def finish(self) -> None:
        """Stop cleanly and for good; a process that does not end is a failure of the test."""
        self._wanted = False
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self.exits.append(self._process.wait(PATIENCE_S))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self.exits.append(99)

    def _launch(self) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        with self.log.open("ab") as log:  # compiling every module again at every start would be what is measured
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=ROOT, env=environment)

    def _keep(self) -> None:
        while self._wanted:
            assert self._process is not None
            code = self._process.poll()
            if code is None:
                time.sleep(0.05)
            elif self._wanted:
                self.exits.append(code)
                self._launch()


def subject_process(subject: Subject, folder: Path) -> WorkerProcess:
    """Return a worker process for the small role."""
    told = msgspec.json.encode(subject).decode()
    return WorkerProcess(
        name=f"{subject.loop}-{subject.instance}",
        command=[sys.executable, "-m", "tests.kafka.subject", told],
        log=folder / f"{subject.instance}.log",
    )


class Feeder:
    """Writes seeded samples at an even rate until all are acknowledged."""

    def __init__(self, connection: KafkaConnection, *, loop: str, seed: int, count: int, per_s: float) -> None:
        self._topic = f"{loop}.telemetry"
        self._producer = make_producer(connection, linger_ms=10, message_timeout_ms=120_000)
        self._random = random.Random(seed)
        self._count = count
        self._per_s = per_s
        self.failed = 0
        self._thread = threading.Thread(target=self._run, name=f"feed-{loop}", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def join(self) -> None:
        """Wait until everything is written."""
        self._thread.join(180)
        assert not self._thread.is_alive()
        assert self.failed == 0

    def _run(self) -> None:
        began = time.monotonic()
        for number in range(self._count):
            host = f"h{self._random.randrange(40)}"
            draw = self._random.random
            values = {"cpu": draw(), "latency": draw() * 20, "memory": draw() * 5}
            sample = Sample(entity=host, time=number, values=values)
            self._producer.produce(self._topic, key=host, value=msgspec.json.encode(sample), on_delivery=self._told)
            if number % 50 == 0:
                self._producer.poll(0)
                time.sleep(max(0.0, began + number / self._per_s - time.monotonic()))
        self._producer.flush(120)

    def _told(self, error: object, _: object) -> None:
        self.failed += error is not None

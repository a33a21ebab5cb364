"""A worker under steady load must not grow. Ten minutes, so it runs on `make soak` only."""

import os
import re
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from connectors.kafka.launcher import LocalKafka
from connectors.kafka.ports import free_ports
from connectors.processes.supervisor import Supervisor
from schemas.connection import KafkaConnection
from schemas.kafka import make_producer
from schemas.keyfiles import create_keys
from streams.cli.options import orders_of, reader_of
from streams.operate.cluster import activate_if_new, prepare_topics
from streams.operate.loop_place import LoopPlace
from streams.operate.processes import flyball_command
from tests.patience import PATIENCE_S

ENTITIES = 200
BURST = ENTITIES
BACKLOG = 500 * BURST
"""How far a sender that goes as fast as it can may be ahead of the worker."""
SAMPLE_S = 2.0
SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
SLOPE_LIMIT = 0.01
"""Share of the mean per minute, over the last four fifths of the run."""


class Stream:
    """Writes telemetry of steady entities at a rate, or as fast as `taken` follows, until it is told to stop."""

    def __init__(self, connection: KafkaConnection, loop: str, *, taken: Callable[[], float]) -> None:
        self._producer = make_producer(connection, linger_ms=20, queue_buffering_max_messages=100_000)
        self._topic = f"{loop}.telemetry"
        self._taken = taken
        self._samples = rendered_samples()
        self.rate: float | None = None
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Stream":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        due = 0.0
        while not self._stop.is_set():
            self._send_burst()
            if self.rate is not None:
                due = (due or time.monotonic()) + BURST / self.rate  # who was late makes up for it
                time.sleep(max(0.0, due - time.monotonic()))
            elif self.sent % BACKLOG == 0:
                self._await_taken()
        self._producer.flush(PATIENCE_S)

    def _send_burst(self) -> None:
        now = b"%d" % (time.time_ns() // 1000)  # one time for all: an entity has one row in a burst
        for number in range(self.sent, self.sent + BURST):
            entity, head, tail = self._samples[number % len(self._samples)]
            try:
                self._producer.produce(self._topic, value=head + now + tail, key=entity)
            except BufferError:
                self._producer.flush(5)
                self._producer.produce(self._topic, value=head + now + tail, key=entity)
        self.sent += BURST
        self._producer.poll(0)

    def _await_taken(self) -> None:
        """Flat out means as fast as the worker folds, beside the sender: not how fast it works a backlog off."""
        while not self._stop.is_set() and self.sent - self._taken() > BACKLOG:
            time.sleep(0.05)


def rendered_samples() -> list[tuple[bytes, bytes, bytes]]:
    """Return (entity, JSON before the time, JSON behind it), entity after entity."""
    noise = np.random.default_rng(7).normal(size=(ENTITIES * 50, 3)).tolist()
    found = []
    for number, (cpu, memory, latency) in enumerate(noise):
        entity = b"host-%03d" % (number % ENTITIES)
        values = b'"cpu":%.3f,"memory_mb":%.2f,"latency_ms":%.2f' % (0.5 + 0.02 * cpu, 512 + memory, 20 + latency)
        found.append((entity, b'{"entity":"%b","time":' % entity, b',"values":{%b}}' % values))
    return found


def folded(port: int) -> float:
    """Return how many telemetry records the worker has folded."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as reply:
        found = re.search(r'flyball_inputs_total\{topic="telemetry"\} (\S+)', reply.read().decode())
    return float(found[1]) if found else 0.0


def await_worker(port: int) -> None:
    """Wait until the worker answers and folds."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE_S).close()
        except OSError:
            assert time.monotonic() < deadline, f"expected the worker to be ready within {PATIENCE_S} s"
            time.sleep(0.2)
        else:
            return


def per_second(read: Callable[[], float], *, during_s: float) -> float:
    """Return how much a counter grows in a second."""
    before, at = read(), time.monotonic()
    time.sleep(during_s)
    return (read() - before) / (time.monotonic() - at)


def worker_memory_mb() -> float:
    """Return the resident memory of the detect worker under this process."""
    for process in psutil.Process().children(recursive=True):
        if "streams.cli" in process.cmdline() and "guardian" not in " ".join(process.cmdline()):
            return float(process.memory_info().rss / 1e6)
    raise AssertionError("expected a worker, found none")


def measured(during_s: float, read: Callable[[], float]) -> list[tuple[float, float]]:
    """Return (s, value) samples."""
    began = time.monotonic()
    rows = []
    while (elapsed := time.monotonic() - began) < during_s:
        rows.append((elapsed, read()))
        time.sleep(SAMPLE_S)
    return rows


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_memory_stays_level_at_four_fifths_of_the_rate_the_worker_can_take(
    broker: LocalKafka, tmp_path: Path, loop_name: str
) -> None:
    config = tmp_path / "loop.toml"
    config.write_text(
        f'[loop]\nname = "{loop_name}"\n[kafka]\nbootstrap = "{broker.bootstrap}"\n'
        '[telemetry]\npartitions = 4\n[retention]\ntelemetry = "2m"\n[actions.restart]\n'
    )
    place = LoopPlace.open(config)
    (port,) = free_ports(1)
    create_keys(place.keys)
    prepare_topics(place, place.connection())
    activate_if_new(place, orders_of(place), reader_of(place))
    command = flyball_command(
        "run", "-c", str(config), "--role", "detect", "--instance", "d", "--health-port", str(port)
    )
    with Supervisor({"detect": command}, logs=tmp_path) as supervisor:
        await_worker(port)
        with Stream(place.connection(), loop_name, taken=lambda: folded(port)) as stream:
            time.sleep(10)
            rate = per_second(lambda: folded(port), during_s=20)
            stream.rate = 0.8 * rate
            before, sent, at = folded(port), stream.sent, time.monotonic()
            rows = np.array(measured(SECONDS, worker_memory_mb))
            during_s = time.monotonic() - at
            kept, asked = (folded(port) - before) / during_s, (stream.sent - sent) / during_s
        assert supervisor.restarts == 0
    late = rows[rows[:, 0] > SECONDS / 5]
    slope_per_minute = np.polyfit(late[:, 0] / 60, late[:, 1], 1)[0] / late[:, 1].mean()
    low, high = late[:, 1].min(), late[:, 1].max()
    print(f"flat out {rate:,.0f} events/s; then {kept:,.0f} folded of {asked:,.0f} sent a second")
    minutes = [rows[(rows[:, 0] >= 60 * m) & (rows[:, 0] < 60 * (m + 1)), 1].mean() for m in range(int(SECONDS // 60))]
    print("MB minute by minute: " + " ".join(f"{value:.0f}" for value in minutes))
    print(f"{low:.1f} to {high:.1f} MB, slope {slope_per_minute:+.3%} a minute")
    assert asked > 0.95 * 0.8 * rate  # the sender keeps its pace
    assert kept > 0.95 * asked  # a worker that stands still does not grow either
    assert slope_per_minute < SLOPE_LIMIT

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

ENTITIES = 200
BURST = 500
SAMPLE_S = 2.0
SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
SLOPE_LIMIT = 0.01
"""Share of the mean per minute, over the last four fifths of the run."""


class Stream:
    """Writes telemetry of steady entities, as fast as it can or at a rate, until it is told to stop."""

    def __init__(self, connection: KafkaConnection, loop: str) -> None:
        self._producer = make_producer(connection, linger_ms=20, queue_buffering_max_messages=20_000)
        self._topic = f"{loop}.telemetry"
        self.rate: float | None = None
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Stream":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        noise = np.random.default_rng(7).normal(size=4096)
        while not self._stop.is_set():
            began = time.monotonic()
            now_us = time.time_ns() // 1000
            for number in range(self.sent, self.sent + BURST):
                entity = f"host-{number % ENTITIES:03d}"
                value = b'{"entity":"%b","time":%d,"values":{"cpu":%.3f,"memory_mb":%.2f,"latency_ms":%.2f}}' % (
                    entity.encode(),
                    now_us + number % BURST,
                    0.5 + 0.02 * noise[number % 4096],
                    512 + noise[(3 * number) % 4096],
                    20 + noise[(7 * number) % 4096],
                )
                while True:
                    try:
                        self._producer.produce(self._topic, value=value, key=entity)
                        break
                    except BufferError:
                        self._producer.poll(0.01)
            self.sent += BURST
            self._producer.poll(0)
            if self.rate is not None:
                time.sleep(max(0.0, began + BURST / self.rate - time.monotonic()))
        self._producer.flush(60)


def folded(port: int) -> float:
    """Return how many telemetry records the worker has folded."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
        found = re.search(r'flyball_inputs_total\{topic="telemetry"\} (\S+)', reply.read().decode())
    return float(found[1]) if found else 0.0


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
    with Supervisor({"detect": command}, logs=tmp_path) as supervisor, Stream(place.connection(), loop_name) as stream:
        time.sleep(15)
        before, at = folded(port), time.monotonic()
        time.sleep(20)
        rate = (folded(port) - before) / (time.monotonic() - at)
        stream.rate = 0.8 * rate
        before, sent = folded(port), stream.sent
        rows = np.array(measured(SECONDS, worker_memory_mb))
        kept, asked = (folded(port) - before) / SECONDS, (stream.sent - sent) / SECONDS
        assert supervisor.restarts == 0
    late = rows[rows[:, 0] > SECONDS / 5]
    slope_per_minute = np.polyfit(late[:, 0] / 60, late[:, 1], 1)[0] / late[:, 1].mean()
    low, high = late[:, 1].min(), late[:, 1].max()
    print(f"flat out {rate:,.0f} events/s; then {kept:,.0f} folded of {asked:,.0f} sent a second")
    print(f"{low:.1f} to {high:.1f} MB, slope {slope_per_minute:+.3%} a minute")
    assert kept > 0.9 * asked  # a worker that stands still does not grow either
    assert slope_per_minute < SLOPE_LIMIT

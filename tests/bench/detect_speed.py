"""How many events per second detect takes in: windows, scores, episodes, journal and transactions, beside peers.

`python -m tests.bench.detect_speed [--json OUT] [--seeds RUNS] [--without-kafka]`. On a real Kafka (one topic of four
partitions, lz4), one process per system, pinned to one core, median of interleaved runs: case `json` (one 170-byte
event per message, beside stock Faust, Quix Streams and Bytewax with river per event) and `arrow` (messages of 1,000
events). 400 entities send 4 metrics every second; windows are a minute long, and 10 s in the cases `-10s`. A peer's
cost does not depend on a window, ours does.

Without Kafka, on the step interface and per CPU second: the cost per event by number of entities, for a window of a
minute, of 10 s and of every sample; the bytes of state per entity; the times of a snapshot and a restore.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec

from connectors.kafka.admin import delete_topics
from connectors.kafka.launcher import LocalKafka
from schemas.connection import KafkaConnection
from schemas.raw import Message
from tests.bench.detect_load import Load
from tests.bench.detect_steps import without_kafka
from tests.bench.rows import Row, median_rows, print_table, write_rows
from tests.bench.transport import PARTITIONS, fill

NAME = "detect_speed"
ENTITIES, METRICS = 400, 4
FRAME_ROWS = 1_000
WINDOW_S, SHORT_WINDOW_S = 60, 10
EVENTS = {"json": 600_000, "arrow": 6_000_000}
PEER_EVENTS = {"faust": 40_000, "quix": 120_000, "bytewax": 150_000}
CHILD_S = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One measurement: `count` events of one system."""

    form: str
    system: str
    window_s: int
    count: int

    @property
    def case(self) -> str:
        """How the measurement is called in the table."""
        return self.form if self.window_s == WINDOW_S else f"{self.form}-{self.window_s}s"


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="accepted for uniformity: this benchmark makes its own data")
    parser.add_argument("--train", type=Path, help="accepted for uniformity")
    parser.add_argument("--seeds", type=int, default=3, help="interleaved runs")
    parser.add_argument("--without-kafka", action="store_true", help="only what needs no broker")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = median_rows(list(chain.from_iterable(without_kafka() for _ in range(arguments.seeds))))
    if not arguments.without_kafka:
        with tempfile.TemporaryDirectory(prefix="flyball-bench-") as folder, LocalKafka(data=Path(folder)) as kafka:
            kafka.start()
            rows += median_rows(list(_measure(kafka.connection, arguments.seeds)))
        rows += list(_ratios(rows))
    print_table(rows)
    write_rows(arguments.json, rows)


def _measure(connection: KafkaConnection, runs: int) -> Iterator[Row]:
    for form in EVENTS:
        fill(connection, f"bench-{form}", _messages(form))
    ours = [
        Run(form=form, system="flyball", window_s=window_s, count=int(0.95 * events))
        for form, events in EVENTS.items()
        for window_s in (WINDOW_S, SHORT_WINDOW_S)
    ]
    peers = [Run(form="json", system=system, window_s=WINDOW_S, count=count) for system, count in PEER_EVENTS.items()]
    for number in range(runs):
        for run in (*ours, *peers):
            yield from _rows(connection, run, number)


def _rows(connection: KafkaConnection, run: Run, number: int) -> Iterator[Row]:
    loop = f"bench-{run.form}"
    own = run.system == "flyball"
    if own:  # a worker goes on where its journal ends: every run of ours gets a loop of its own
        loop = f"{loop}-{run.window_s}-{number}"
        fill(connection, loop, _messages(run.form))
    command = [sys.executable, "-m", "tests.bench.detect_consumers", run.system, connection.bootstrap, loop]
    command += [str(run.count), str(run.window_s)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=CHILD_S, check=True)
    told = msgspec.json.decode(done.stdout.splitlines()[-1], type=dict[str, float])
    print(f"run {number + 1}: {run.case} {run.system} {told['events'] / told['seconds']:,.0f}/s", file=sys.stderr)
    for metric, per in (("events_per_s", "seconds"), ("events_per_cpu_s", "cpu_seconds")):
        value = told["events"] / told[per]
        yield Row(benchmark=NAME, case=run.case, system=run.system, metric=metric, value=value, unit="events/s")
    if own:
        delete_topics(connection, loop)


def _ratios(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield how many times as fast we are, by the clock and by CPU time; whatever the window, a peer is the same."""
    values = {(row.case, row.system, row.metric): row.value for row in rows}
    for (case, system, metric), value in values.items():
        if case == "json" and system in PEER_EVENTS:
            for ours in ("json", f"json-{SHORT_WINDOW_S}s"):
                ratio = values[ours, "flyball", metric] / value
                name = metric.replace("events", "times_the_events")
                yield Row(benchmark=NAME, case=ours, system=system, metric=name, value=ratio, unit="x")


def _messages(form: str) -> Iterator[Message]:
    """Yield the telemetry of all partitions, interleaved as producers would."""
    ticks = EVENTS[form] // ENTITIES
    start_us = time.time_ns() // 1_000 - ticks * 1_000_000
    loads = [
        Load(partition=partition, entities=ENTITIES // PARTITIONS, metrics=METRICS, start_us=start_us)
        for partition in range(PARTITIONS)
    ]
    written = [load.json(ticks) if form == "json" else load.arrow(ticks, rows=FRAME_ROWS) for load in loads]
    return chain.from_iterable(zip(*written, strict=True))


if __name__ == "__main__":
    main()

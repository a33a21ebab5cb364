"""How many events per second reach a decoder: our worker (journal and transactions included) beside its peers.

One topic of four partitions on a real Kafka, lz4, one process per system, median of interleaved runs. Case `json`: one
170-byte event per message. Case `arrow`: our worker reads Arrow messages of 1,000 events; stock Faust stands beside it
as it is used (one event per message: the run of case `json`), and, as `faust-arrow`, reading the same Arrow messages.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
from confluent_kafka import Producer

from connectors.kafka.admin import apply_topics, delete_topics
from connectors.kafka.launcher import LocalKafka
from schemas import wire
from schemas.arrow import TIME_TYPE, to_stream
from schemas.connection import KafkaConnection
from schemas.events import Telemetry, TelemetryFrame
from schemas.kafka import make_producer
from schemas.raw import Message
from tests.bench.rows import Row, median_rows, print_table, write_rows

NAME = "transport"
PARTITIONS = 4
ENTITIES = 400
FRAME_ROWS = 1_000
METRICS = ("cpu", "errors", "latency_ms", "memory")
JSON_EVENTS, ARROW_EVENTS = 400_000, 8_000_000
COUNTS = {"flyball": 380_000, "faust": 60_000, "quix": 200_000, "bytewax": 300_000, "confluent": 380_000}
CHILD_S = 120


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="accepted for uniformity: this benchmark makes its own data")
    parser.add_argument("--train", type=Path, help="accepted for uniformity")
    parser.add_argument("--seeds", type=int, default=3, help="interleaved runs")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flyball-bench-") as folder, LocalKafka(data=Path(folder)) as kafka:
        kafka.start()
        rows = median_rows(list(_measure(kafka.connection, arguments.seeds)))
    rows += list(_ratios(rows))
    print_table(rows)
    write_rows(arguments.json, rows)


def _measure(connection: KafkaConnection, runs: int) -> Iterator[Row]:
    fill(connection, "bench-json", _json_messages())
    fill(connection, "bench-arrow", _arrow_messages())
    for run in range(runs):
        for system, count in COUNTS.items():
            yield from _rows(connection, Run(case="json", system=system, count=count, number=run))
        for system in ("flyball", "faust-arrow"):
            yield from _rows(connection, Run(case="arrow", system=system, count=int(ARROW_EVENTS * 0.95), number=run))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One measurement: `count` events of one system."""

    case: str
    system: str
    count: int
    number: int


def _rows(connection: KafkaConnection, run: Run) -> Iterator[Row]:
    loop, own = f"bench-{run.case}", run.system == "flyball" and run.number > 0
    if own:  # a worker goes on where its journal ends: every run of ours gets a loop of its own
        loop = f"{loop}-{run.number}"
        fill(connection, loop, _json_messages() if run.case == "json" else _arrow_messages())
    command = [sys.executable, "-m", "tests.bench.consumers", run.system, connection.bootstrap, loop, str(run.count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=CHILD_S, check=True)
    told = msgspec.json.decode(done.stdout.splitlines()[-1], type=dict[str, float])
    print(f"run {run.number + 1}: {run.case} {run.system} {told['events'] / told['seconds']:,.0f}/s", file=sys.stderr)
    for metric, per in (("events_per_s", "seconds"), ("events_per_cpu_s", "cpu_seconds")):
        value = told["events"] / told[per]
        for case in (run.case, "arrow") if run.system == "faust" else (run.case,):
            yield Row(benchmark=NAME, case=case, system=run.system, metric=metric, value=value, unit="events/s")
    if own:
        delete_topics(connection, loop)


def _ratios(rows: list[Row]) -> Iterator[Row]:
    """Yield how many times as fast our worker is."""
    wall = {(row.case, row.system): row.value for row in rows if row.metric == "events_per_s"}
    for (case, system), value in wall.items():
        if system != "flyball":
            ratio = wall[case, "flyball"] / value
            yield Row(
                benchmark=NAME, case=case, system=system, metric="flyball_is_times_as_fast", value=ratio, unit="x"
            )


def fill(connection: KafkaConnection, loop: str, messages: Iterator[Message]) -> None:
    """Create the topics of a loop and write its telemetry."""
    apply_topics(connection, loop, partitions={"telemetry": PARTITIONS})
    producer = make_producer(connection, linger_ms=50, batch_size=1_000_000, queue_buffering_max_messages=500_000)
    for message in messages:
        _produce(producer, f"{loop}.telemetry", message)
    producer.flush(60)


def _produce(producer: Producer, topic: str, message: Message) -> None:
    place = {} if message.partition is None else {"partition": message.partition}
    while True:
        try:
            producer.produce(topic, message.value, message.key, headers=list(message.headers), **place)
        except BufferError:
            producer.poll(0.1)
        else:
            return


def _json_messages() -> Iterator[Message]:
    start_us = time.time_ns() // 1_000 - JSON_EVENTS
    for number in range(JSON_EVENTS):
        entity = f"host-{number % ENTITIES:04d}.r{number % 16:02d}"
        values = {name: (number * (place + 7) % 10_007) / 10_007 for place, name in enumerate(METRICS)}
        sample = Telemetry(entity=entity, time=start_us + number, values=values)
        yield Message(topic="telemetry", key=entity.encode(), value=msgspec.json.encode(sample))


def _arrow_messages() -> Iterator[Message]:
    start_us = time.time_ns() // 1_000 - ARROW_EVENTS
    frames = [_frame(partition, start_us) for partition in range(PARTITIONS)]
    for number in range(ARROW_EVENTS // FRAME_ROWS):
        yield frames[number % PARTITIONS]


def _frame(partition: int, start_us: int) -> Message:
    names = [f"host-{partition}-{row % (ENTITIES // PARTITIONS):04d}" for row in range(FRAME_ROWS)]
    columns = {
        "entity": pa.array(names),
        "time": pa.array([start_us + row for row in range(FRAME_ROWS)], type=TIME_TYPE),
        **{name: pa.array([(row * 31 % 997) / 997 for row in range(FRAME_ROWS)]) for name in METRICS},
    }
    frame = TelemetryFrame(
        id=f"bench-{partition}", time_us=start_us, partition=partition, stream=to_stream(pa.table(columns))
    )
    return wire.encode(frame, loop="bench")


if __name__ == "__main__":
    main()

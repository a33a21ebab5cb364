"""The systems of the transport benchmark, each run in a process of its own until it has decoded `count` events.

What a peer does with each event is an argument, and so are our processors: see `detect_consumers`.

`python -m tests.bench.consumers SYSTEM BOOTSTRAP LOOP COUNT` prints one JSON line: seconds and CPU seconds between the
first decoded events and the last.
"""

# ruff: noqa: PLC0415  # each process imports only the system that it runs

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from schemas.connection import KafkaConnection
from schemas.events import Event, Telemetry
from streams.loop.processor import Input, Now, Processor
from streams.loop.telemetry import TelemetryBatch

SAMPLE = msgspec.json.Decoder(Telemetry)
Each = Callable[[bytes], object]
"""What a peer does with the value of one message."""


MakeProcessors = Callable[[int], Sequence[Processor]]
"""The processors of a partition, before the one that counts."""


def _none(_partition: int) -> Sequence[Processor]:
    return []


class Meter:
    """Counts events, and ends the process with the result when there are enough."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._seen = 0
        self._began: tuple[float, float] | None = None
        self._first = 0
        self._lock = threading.Lock()

    def add(self, events: int) -> None:
        """Count decoded events; the first batch starts the clock and is not counted."""
        with self._lock:
            self._seen += events
            if self._began is None:
                self._began, self._first = (time.perf_counter(), time.process_time()), self._seen
            elif self._seen >= self._count:
                self._end(self._began)

    def _end(self, began: tuple[float, float]) -> NoReturn:
        result = {
            "events": self._seen - self._first,
            "seconds": time.perf_counter() - began[0],
            "cpu_seconds": time.process_time() - began[1],
        }
        os.write(1, b"\n" + msgspec.json.encode(result) + b"\n")  # a line of its own: Faust leaves one half written
        os._exit(0)


class Count:
    """The smallest processor: it looks at every row and says nothing."""

    name = "count"

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._rows = 0

    def on_batch(self, inputs: Sequence[Input], _now: Now) -> list[Event]:
        rows = sum(len(batch) for batch in inputs if isinstance(batch, TelemetryBatch))
        self._rows += rows
        self._meter.add(rows)
        return []

    def on_time(self, _now: Now) -> list[Event]:
        return []

    def next_time(self) -> int | None:
        return None

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._rows)

    def restore(self, snapshot: bytes) -> None:
        self._rows = msgspec.msgpack.decode(snapshot, type=int)


def flyball(bootstrap: str, loop: str, meter: Meter, make_processors: MakeProcessors = _none) -> None:
    """Our worker as it runs in production: decoding, journal, one transaction per step, snapshots."""
    from streams.loop.decode import make_decode
    from streams.loop.role import Role
    from streams.runtime.spec import WorkerSpec
    from streams.runtime.worker import run_worker

    run_worker(
        WorkerSpec(
            loop=loop,
            role="detect",
            connection=KafkaConnection(bootstrap=bootstrap),
            instance=f"bench-{os.getpid()}",
            partitions=4,
            make_role=lambda partition: Role(
                name="detect",
                loop=loop,
                processors=[*make_processors(partition), Count(meter)],
                decode=make_decode(),
            ),
            sign={},
            settings_hash="bench",
            code="bench",
            data=Path(tempfile.mkdtemp(prefix="flyball-bench-")),
        )
    )


def faust(bootstrap: str, loop: str, meter: Meter, each: Each = SAMPLE.decode) -> None:
    """Stock Faust: an agent, one event per message."""
    app, stream_of = _faust_app(bootstrap, loop)

    async def agent(stream: object) -> None:
        async for value in stream:  # type: ignore[attr-defined]
            each(value)
            meter.add(1)

    _run_faust(app, stream_of, agent)


def faust_arrow(bootstrap: str, loop: str, meter: Meter) -> None:
    """Stock Faust reading the same Arrow messages."""
    import pyarrow as pa

    app, stream_of = _faust_app(bootstrap, loop)

    async def agent(stream: object) -> None:
        async for value in stream:  # type: ignore[attr-defined]
            meter.add(pa.ipc.open_stream(value).read_all().num_rows)

    _run_faust(app, stream_of, agent)


def quix(bootstrap: str, loop: str, meter: Meter, each: Each = SAMPLE.decode) -> None:
    """Quix Streams: a data frame over the topic."""
    from quixstreams import Application

    app = Application(
        broker_address=bootstrap,
        consumer_group=_group(),
        auto_offset_reset="earliest",
        auto_create_topics=False,
        loglevel="ERROR",
        state_dir=tempfile.mkdtemp(prefix="bench-quix-"),
    )
    frame = app.dataframe(app.topic(f"{loop}.telemetry", value_deserializer="bytes"))

    def decoded(value: bytes) -> object:
        found = each(value)
        meter.add(1)
        return found

    frame.apply(decoded)
    app.run()


def bytewax(bootstrap: str, loop: str, meter: Meter, each: Each = SAMPLE.decode) -> None:
    """Bytewax: a dataflow from Kafka, one worker."""
    import bytewax.operators as op
    from bytewax.connectors.kafka import operators as kafka
    from bytewax.connectors.stdio import StdOutSink
    from bytewax.dataflow import Dataflow
    from bytewax.testing import run_main

    flow = Dataflow("bench")
    source = kafka.input("in", flow, brokers=[bootstrap], topics=[f"{loop}.telemetry"], batch_size=1000)

    def decoded(message: object) -> None:
        each(message.value)  # type: ignore[attr-defined]
        meter.add(1)

    op.output("out", op.filter_map("decode", source.oks, decoded), StdOutSink())
    run_main(flow)


def confluent(bootstrap: str, loop: str, meter: Meter) -> None:
    """Bare confluent-kafka: consume, decode, nothing else."""
    from confluent_kafka import Consumer

    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": _group(), "auto.offset.reset": "earliest", "log_level": 3}
    )
    consumer.subscribe([f"{loop}.telemetry"])
    while True:
        messages = consumer.consume(1000, 1.0)
        for message in messages:
            SAMPLE.decode(message.value())
        if messages:
            meter.add(len(messages))


def _group() -> str:
    return f"bench-{os.getpid()}"


def _faust_app(bootstrap: str, loop: str) -> tuple[object, object]:
    import faust as library

    app = library.App(
        _group(),
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=tempfile.mkdtemp(prefix="faust-bench-"),
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=4,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    topic = app.topic(
        f"{loop}.telemetry", key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
    return app, topic


def _run_faust(app: object, topic: object, agent: Callable[..., object]) -> None:
    app.agent(topic, name="bench")(agent)  # type: ignore[attr-defined]
    sys.argv = ["bench", "worker", "-l", "error", "--without-web"]
    app.main()  # type: ignore[attr-defined]


SYSTEMS: dict[str, Callable[[str, str, Meter], None]] = {
    "flyball": flyball,
    "faust": faust,
    "faust-arrow": faust_arrow,
    "quix": quix,
    "bytewax": bytewax,
    "confluent": confluent,
}

if __name__ == "__main__":
    system, bootstrap, loop, count = sys.argv[1:5]
    SYSTEMS[system](bootstrap, loop, Meter(int(count)))

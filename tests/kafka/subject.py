"""A small role with a learner in its state, to be killed: its outputs hold the loop time on purpose.

Run as `python -m tests.kafka.subject JSON`, JSON being a `Subject`.
"""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from schemas.connection import KafkaConnection
from schemas.events import Census, Drift, Event
from schemas.ids import Cause, Mint
from schemas.raw import RawBatch
from streams.loop.processor import Input, Now, Record
from streams.loop.role import BadRow, Decode, Role
from streams.loop.telemetry import TelemetryBatch
from streams.runtime.spec import WorkerSpec
from streams.runtime.worker import run_worker

EVERY = 10
"""One output per so many offsets."""
TIMER_US = 700_000
METRICS = ("cpu", "latency", "memory")


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker process is told on its command line."""

    loop: str
    bootstrap: str
    instance: str
    data: str
    partitions: int = 4
    health_port: int | None = None
    code: str = "1"
    replay_limit_s: float = 0.3


class Sample(msgspec.Struct):
    """One telemetry message."""

    entity: str
    time: int
    values: dict[str, float]


class _Line(msgspec.Struct):
    """Least squares by stochastic gradient: every sample moves it, so one that is lost or doubled shows to the bit."""

    weights: dict[str, float] = {}
    intercept: float = 0.0

    def predict(self, features: dict[str, float]) -> float:
        return self.intercept + sum(self.weights.get(name, 0.0) * value for name, value in features.items())

    def learn(self, features: dict[str, float], target: float) -> None:
        error = self.predict(features) - target
        self.intercept -= 0.01 * error
        for name, value in features.items():
            self.weights[name] = self.weights.get(name, 0.0) - 0.01 * error * value


class _State(msgspec.Struct):
    folded: int
    chain: bytes
    line: _Line
    due_us: int | None


_ENCODER = msgspec.msgpack.Encoder(order="sorted")


class Regression:
    """Learns latency from the other metrics, one sample at a time, and hashes every offset it sees into a chain."""

    name = "regression"

    def __init__(self, *, loop: str, partition: int) -> None:
        self._loop = loop
        self._partition = partition
        self._line = _Line()
        self.folded = 0
        self.chain = b""
        self._due_us: int | None = None

    def on_batch(self, inputs: Sequence[Input], now: Now) -> list[Event]:
        mint = Mint(loop=self._loop, processor=self.name)
        events: list[Event] = []
        for batch in inputs:
            if isinstance(batch, Record):
                self.chain = _chained(self.chain, str(batch.cause).encode())
                continue
            for row in range(len(batch)):
                events += self._sample(batch, row, mint, now)
        if self._due_us is None and self.folded:
            self._due_us = now.us + TIMER_US
        return events

    def on_time(self, now: Now) -> list[Event]:
        if self._due_us is None or self._due_us > now.us:
            return []
        cause = Cause(f"timer:{self.name}:census", 0, self._due_us)
        mint = Mint(loop=self._loop, processor=f"{self.name}-{self._partition}")
        self._due_us = now.us + TIMER_US
        census = Census(
            id=mint(cause),
            time_us=now.us,
            causes=(str(cause),),
            partition=self._partition,
            group="",
            live=self.folded,
            abnormal=0,
        )
        return [census]

    def next_time(self) -> int | None:
        return self._due_us

    def snapshot(self) -> bytes:
        return _ENCODER.encode(_State(folded=self.folded, chain=self.chain, line=self._line, due_us=self._due_us))

    def restore(self, snapshot: bytes) -> None:
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self.folded, self.chain, self._line, self._due_us = state.folded, state.chain, state.line, state.due_us

    def fingerprint(self) -> str:
        """Return the state without its timer in one comparable line."""
        return f"{self.folded} {self.chain.hex()} {self._line!r}"

    def _sample(self, batch: TelemetryBatch, row: int, mint: Mint, now: Now) -> list[Event]:
        cpu, latency, memory = (float(value) for value in batch.values[row])
        features = {"cpu": cpu, "memory": memory}
        predicted = self._line.predict(features)
        self._line.learn(features, latency)
        cause = batch.cause(row)
        self.chain = _chained(self.chain, b"%d" % cause.offset)
        self.folded += 1
        if cause.offset % EVERY:
            return []
        return [
            Drift(
                id=mint(cause),
                time_us=now.us,
                causes=(str(cause),),
                subject=batch.entities[row],
                before=predicted,
                after=now.us / 1e6,
            )
        ]


def _chained(chain: bytes, part: bytes) -> bytes:
    return hashlib.blake2b(chain + part, digest_size=8).digest()


def decode_samples(batch: RawBatch, _now: Now) -> tuple[TelemetryBatch | None, list[BadRow]]:
    """Read samples the plain way; what is not one is a bad row."""
    good: list[tuple[int, Sample]] = []
    bad: list[BadRow] = []
    for index, value in enumerate(batch.values):
        try:
            good.append((index, msgspec.json.decode(value or b"", type=Sample)))
        except msgspec.MsgspecError as error:
            bad.append(BadRow(index=index, reason="broken-json", detail=str(error)))
    if not good:
        return None, bad
    telemetry = TelemetryBatch(
        topic=batch.topic,
        partition=batch.partition,
        offsets=np.array([batch.offsets[index] for index, _ in good], dtype=np.int64),
        entities=[sample.entity for _, sample in good],
        time_us=np.array([sample.time for _, sample in good], dtype=np.int64),
        metrics=METRICS,
        values=np.array([[sample.values[name] for name in METRICS] for _, sample in good], dtype=np.float64),
    )
    return telemetry, bad


def _decode_event(*_: object) -> Event:
    return Drift(id=hashlib.blake2b(repr(_[:4]).encode()).hexdigest(), time_us=0, subject="", before=0, after=0)


def make_role(loop: str, partition: int) -> Role:
    """Return a fresh role."""
    return Role(
        name="detect",
        loop=loop,
        processors=[Regression(loop=loop, partition=partition)],
        decode=Decode(event=_decode_event, telemetry=decode_samples),
    )


def spec_of(subject: Subject) -> WorkerSpec:
    """Return what the worker is told."""
    return WorkerSpec(
        loop=subject.loop,
        role="detect",
        connection=KafkaConnection(bootstrap=subject.bootstrap),
        instance=subject.instance,
        partitions=subject.partitions,
        make_role=lambda partition: make_role(subject.loop, partition),
        sign={},
        settings_hash="test",
        code=subject.code,
        data=Path(subject.data),
        health_port=subject.health_port,
        replay_limit_s=subject.replay_limit_s,
    )


if __name__ == "__main__":
    sys.exit(run_worker(spec_of(msgspec.json.decode(sys.argv[1], type=Subject))))

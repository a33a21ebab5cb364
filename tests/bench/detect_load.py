"""The telemetry of the benchmark `detect_speed`: services that sample themselves every second; some of them fail."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from schemas import wire
from schemas.arrow import TIME_TYPE, to_stream
from schemas.events import Telemetry, TelemetryFrame
from schemas.raw import Message

SECOND_US = 1_000_000
METRICS = ("cpu", "errors", "latency_ms", "memory_mb", "queue", "rps", "threads", "wait_ms")
FAULTY = 0.02
"""Share of the entities that fail, each again and again, half a minute at a time."""
FAULT_TICKS, FAULT_PERIOD, FAULT_SIZE = 30, 600, 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`entities` of one partition that send `metrics` numbers every tick from `start_us` on."""

    partition: int
    entities: int
    metrics: int
    start_us: int
    seed: int = 1
    tick_us: int = SECOND_US

    def names(self) -> list[str]:
        """Return the entities."""
        return [f"svc-{self.partition}-{number:05d}.eu" for number in range(self.entities)]

    def values(self, first: int, ticks: int) -> np.ndarray:
        """Return values of shape (ticks, entities, metrics): levels of their own, noise, and faults in two metrics."""
        rng = np.random.default_rng([self.seed, self.partition, first])
        level = np.random.default_rng([self.seed, self.partition]).uniform(20, 200, (self.entities, self.metrics))
        noise = rng.normal(0, 1, (ticks, self.entities, self.metrics))
        number, tick = np.arange(self.entities), first + np.arange(ticks)
        phase = (tick[:, None] + 37 * number) % FAULT_PERIOD
        failing = (number < max(1, FAULTY * self.entities)) & (phase < FAULT_TICKS) & (tick[:, None] > FAULT_PERIOD)
        noise[..., :2] += FAULT_SIZE * failing[..., None]
        rounded: np.ndarray = np.round(level * (1 + 0.05 * noise), 3)
        return rounded

    def json(self, ticks: int) -> Iterator[Message]:
        """Yield one message per event, in the order of time."""
        names = self.names()
        for tick in range(ticks):
            for name, row in zip(names, self.values(tick, 1)[0].tolist(), strict=True):
                sample = Telemetry(
                    entity=name,
                    time=self.start_us + tick * self.tick_us,
                    values=dict(zip(METRICS, row, strict=False)),
                )
                yield Message(
                    topic="telemetry", key=name.encode(), value=msgspec.json.encode(sample), partition=self.partition
                )

    def arrow(self, ticks: int, *, rows: int) -> Iterator[Message]:
        """Yield messages of about `rows` events each: some whole ticks, or a part of one."""
        names = np.array(self.names())
        at_once = max(1, rows // self.entities)
        for first in range(0, ticks, at_once):
            values = self.values(first, min(at_once, ticks - first)).reshape(-1, self.metrics)
            entities = np.tile(names, len(values) // self.entities)
            times = self.start_us + (first + np.arange(len(values)) // self.entities) * self.tick_us
            for start in range(0, len(values), rows):
                part = slice(start, start + rows)
                yield self._frame(f"{first}-{start}", entities[part], times[part], values[part])

    def _frame(self, name: str, entities: np.ndarray, times: np.ndarray, values: np.ndarray) -> Message:
        columns = {"entity": pa.array(entities), "time": pa.array(times, type=TIME_TYPE)}
        columns |= {METRICS[place]: pa.array(values[:, place]) for place in range(self.metrics)}
        frame = TelemetryFrame(
            id=f"load-{self.partition}-{name}",
            time_us=int(times[-1]),
            partition=self.partition,
            stream=to_stream(pa.table(columns)),
        )
        return wire.encode(frame, loop="bench")

"""What a worker counts, for Prometheus."""

import logging

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from streams.loop.processor import LATE_FATES
from streams.loop.step import StepOutput

_LOG = logging.getLogger("flyball.worker")
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """One registry per process; labels are few and bounded."""

    def __init__(self, *, loop: str, role: str) -> None:
        self.registry = CollectorRegistry()
        labels = {"loop": loop, "role": role}
        self._steps = self._counter("flyball_steps", "Committed steps", "partition")
        self._inputs = self._counter("flyball_inputs", "Source offsets folded", "topic")
        self._outputs = self._counter("flyball_outputs", "Events written", "type")
        self._left_out = self._counter(
            "flyball_rows_left_out",
            "Telemetry that came late or twice, or found no room: rows (metric_limit: values)",
            "reason",
        )
        self._late = self._counter(
            "flyball_late_rows",
            "Rows that came late: in a dead letter (letter), or in none as a limit was reached",
            "fate",
        )
        self._fold = Histogram(
            "flyball_fold_seconds", "Folding and encoding a step", buckets=_SECONDS, registry=self.registry
        )
        self._commit = Histogram(
            "flyball_commit_seconds", "Committing a step", buckets=_SECONDS, registry=self.registry
        )
        self._takeover = Histogram(
            "flyball_takeover_seconds", "Taking over a partition", buckets=_SECONDS, registry=self.registry
        )
        self._state = Gauge(
            "flyball_snapshot_bytes", "Size of the last snapshot", ["partition"], registry=self.registry
        )
        self._lag = Gauge("flyball_lag_records", "Records fetched or known but not folded", registry=self.registry)
        self._paused = Gauge(
            "flyball_paused", "1 where a partition folds nothing", ["partition"], registry=self.registry
        )
        info = Gauge("flyball_worker", "The worker", list(labels), registry=self.registry)
        info.labels(**labels).set(1)

    def step(self, partition: int, output: StepOutput, *, fold_s: float) -> None:
        """Count a step."""
        self._steps.labels(str(partition)).inc()
        for part in output.inputs:
            self._inputs.labels(part.topic).inc(part.stop - part.start)
        for event in output.events:
            self._outputs.labels(event.TYPE).inc()
        for reason, rows in output.left_out.items():
            (self._late if reason in LATE_FATES else self._left_out).labels(reason).inc(rows)
        self._fold.observe(fold_s)

    def commit(self, seconds: float) -> None:
        """Note a transaction of one or more steps."""
        self._commit.observe(seconds)

    def snapshot(self, partition: int, *, packed_bytes: int, seconds: float) -> None:
        """Note a snapshot."""
        self._state.labels(str(partition)).set(packed_bytes)
        _LOG.debug("snapshot", extra={"partition": partition, "bytes": packed_bytes, "seconds": round(seconds, 3)})

    def takeover(self, partition: int, *, step: int, replayed: int, seconds: float) -> None:
        """Note a takeover."""
        self._takeover.observe(seconds)
        self._paused.labels(str(partition)).set(0)
        _LOG.info(
            "took over",
            extra={"partition": partition, "step": step, "replayed": replayed, "seconds": round(seconds, 3)},
        )

    def paused(self, partition: int, reason: str) -> None:
        """Note that a partition folds nothing from now on."""
        self._paused.labels(str(partition)).set(1)
        _LOG.error("paused: %s", reason, extra={"partition": partition})

    def lag(self, records: int) -> None:
        """Note how many records wait."""
        self._lag.set(records)

    def exposition(self) -> bytes:
        """Return the text that Prometheus reads."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, label: str) -> Counter:
        return Counter(name, text, [label], registry=self.registry)

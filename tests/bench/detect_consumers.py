"""The systems of the benchmark `detect_speed`, each run in a process of its own, on one core.

`python -m tests.bench.detect_consumers SYSTEM BOOTSTRAP LOOP COUNT WINDOW_S` prints one JSON line: seconds and CPU
seconds between the first events and the last.

Peers do what their manuals show: per event, a running z-score per entity (river's `StandardScaler`) and river's
`HalfSpaceTrees` over the z-scores of all. They keep no windows, episodes, signatures or calibrated thresholds, and
write nothing.
"""

# ruff: noqa: PLC0415  # each process imports only the system that it runs

import os
import sys
from functools import partial

from streams.loop.processor import Processor
from tests.bench import consumers
from tests.bench.consumers import SAMPLE, Meter
from tests.bench.detect_load import METRICS


class RiverPerEvent:
    """A z-score per entity and half-space trees over all of them, event by event."""

    def __init__(self) -> None:
        from river import anomaly, preprocessing

        self._scaler = preprocessing.StandardScaler
        self._scalers: dict[str, preprocessing.StandardScaler] = {}
        self._trees = anomaly.HalfSpaceTrees(seed=1, limits=dict.fromkeys(METRICS, (-4, 4)))

    def __call__(self, value: bytes) -> float:
        sample = SAMPLE.decode(value)
        scaler = self._scalers.get(sample.entity)
        if scaler is None:
            scaler = self._scalers[sample.entity] = self._scaler()
        scaler.learn_one(sample.values)
        z = scaler.transform_one(sample.values)
        score = self._trees.score_one(z)
        self._trees.learn_one(z)
        return float(score)


def detect(partition: int, *, loop: str, window_s: int) -> list[Processor]:
    """Return the real processor with its defaults but for the window."""
    from streams.loop.detect import Detect, DetectSettings

    settings = DetectSettings(window_us=window_s * 1_000_000)
    return [Detect(settings, loop=loop, partition=partition, seed=1)]


def main() -> None:
    """Run one system until it has seen enough."""
    system, bootstrap, loop, count, window_s = sys.argv[1:6]
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    meter = Meter(int(count))
    if system == "flyball":
        consumers.flyball(bootstrap, loop, meter, partial(detect, loop=loop, window_s=int(window_s)))
    else:
        PEERS[system](bootstrap, loop, meter, RiverPerEvent())


PEERS = {"faust": consumers.faust, "quix": consumers.quix, "bytewax": consumers.bytewax}

if __name__ == "__main__":
    main()

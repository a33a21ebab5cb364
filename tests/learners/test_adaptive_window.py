"""ADWIN on our own state: it cuts where river's does."""

import subprocess
import sys

import numpy as np
import pytest
from river.drift import ADWIN

from streams.learners.adaptive_window import AdaptiveWindow


def wandering(seed: int, values: int = 6_000) -> list[float]:
    """Return noise whose level jumps now and then."""
    rng = np.random.default_rng(seed)
    stream = rng.normal(0, [0.1, 0.3, 1.0, 2.0][seed % 4], values)
    for start in rng.integers(0, values, 6):
        stream[start:] += rng.normal(0, 1)
    return stream.tolist()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("clock", [1, 32])
def test_it_cuts_where_that_of_river_does(seed: int, clock: int) -> None:
    river, ours = ADWIN(clock=clock), AdaptiveWindow(clock=clock)
    cuts = 0
    for value in wandering(seed):
        river.update(value)
        ours.update(value)
        assert ours.drift_detected == river.drift_detected
        assert ours.width == river.width
        assert ours.mean == pytest.approx(river.estimation, abs=1e-9)
        cuts += ours.drift_detected
    assert cuts


def test_a_restored_window_continues_alike() -> None:
    living, restored = AdaptiveWindow(clock=4), AdaptiveWindow(clock=4)
    for number, value in enumerate(wandering(2)):
        if number % 97 == 0:
            snapshot = restored.snapshot()
            restored = AdaptiveWindow(clock=4)
            restored.restore(snapshot)
            assert restored.snapshot() == snapshot
        living.update(value)
        restored.update(value)
        assert restored.drift_detected == living.drift_detected
    assert restored.snapshot() == living.snapshot()


def test_the_window_is_kept_in_few_sums() -> None:
    window = AdaptiveWindow()
    for _ in range(100_000):
        window.update(0.5)
    assert window.width == 100_000
    assert len(window.snapshot()) < 2_500


def test_it_loads_neither_scipy_nor_the_data_sets_of_river() -> None:
    shown = "import sys, streams.learners.adaptive_window; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded).isdisjoint({"scipy", "sklearn", "river.datasets", "river.drift", "pandas"})

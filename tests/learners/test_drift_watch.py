"""When a stream is told to have changed: never by chance, soon when it did, ever more rarely when it keeps changing."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from streams.learners.drift_watch import DriftWatch, Shift

Floats = npt.NDArray[np.float64]
VALUES = 200_000
WITHIN = {2.0: 72, 3.0: 60, 5.0: 60, 50.0: 60}
"""Values within which a shift of so many standard deviations is told after 200 values."""


def remembering(rng: np.random.Generator, values: int, share: float) -> Floats:
    """Return values of which each keeps a share of the one before."""
    stream = rng.normal(0, 1, values)
    for place in range(1, values):
        stream[place] += share * stream[place - 1]
    return stream


STATIONARY: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, n: rng.normal(5, 1, n),
    "t3": lambda rng, n: rng.standard_t(3, n),
    "lognormal": lambda rng, n: rng.lognormal(0, 1, n),
    "rare": lambda rng, n: (rng.random(n) < 0.02).astype(float),
    "with memory": lambda rng, n: remembering(rng, n, 0.5),
    "with a long memory": lambda rng, n: remembering(rng, n, 0.9),
}


def told(watch: DriftWatch, values: Floats) -> list[tuple[int, Shift]]:
    """Return the drifts and where they were told."""
    found = []
    for place, value in enumerate(values.tolist()):
        watch.update(value)
        if watch.drift_detected:
            assert watch.shift is not None
            found.append((place, watch.shift))
    return found


@pytest.mark.parametrize("kind", STATIONARY)
def test_what_stays_as_it_is_never_drifts(kind: str) -> None:
    assert told(DriftWatch(), STATIONARY[kind](np.random.default_rng(1), VALUES)) == []


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
@pytest.mark.parametrize("deviations", WITHIN)
def test_a_shift_is_told_once_and_soon_whatever_the_unit(deviations: float, scale: float) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        calm = rng.normal(100, 1, 200)
        watch = DriftWatch()
        assert told(watch, calm * scale) == []
        found = told(watch, rng.normal(100 + deviations, 1, 1_000) * scale)
        assert len(found) == 1
        place, shift = found[0]
        assert place < WITHIN[deviations]
        assert shift.before == pytest.approx(100 * scale, abs=0.5 * scale)
        assert shift.after == pytest.approx((100 + deviations) * scale, abs=1.5 * scale)


@pytest.mark.parametrize("level", [0.0, 0.1, np.log(3_600)])
def test_what_was_constant_drifts_when_it_moves(level: float) -> None:
    watch = DriftWatch()
    assert told(watch, np.full(500, level)) == []
    moved = Shift(before=pytest.approx(level), after=pytest.approx(level + 0.2))
    assert [shift for _, shift in told(watch, np.full(50, level + 0.2))] == [moved]


def test_a_season_is_told_a_few_times_and_then_known() -> None:
    rng = np.random.default_rng(3)
    day = 2_000
    values = 3 * np.sin(np.arange(60 * day) / day * 2 * np.pi) + rng.normal(0, 1, 60 * day)
    places = [place for place, _ in told(DriftWatch(), values)]
    assert len(places) <= 6
    assert max(places) < 10 * day


def test_a_random_walk_has_no_level_to_leave() -> None:
    assert told(DriftWatch(), np.random.default_rng(4).normal(0, 1, 2_000_000).cumsum()) == []


def test_a_restored_watch_continues_alike() -> None:
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.normal(level, 1, 400) for level in (0, 4, 4, -6, 0)])
    living, restored = DriftWatch(), DriftWatch()
    drifts = 0
    for place, value in enumerate(values.tolist()):
        if place % 61 == 0:
            snapshot = restored.snapshot()
            restored = DriftWatch()
            restored.restore(snapshot)
        living.update(value)
        restored.update(value)
        assert restored.shift == living.shift
        drifts += living.drift_detected
    assert restored.snapshot() == living.snapshot()
    assert drifts >= 3

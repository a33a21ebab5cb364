"""Faults that are no unusual values: they come at the wrong phase of a season of 288 windows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PERIOD = 288
WINDOWS = 12_000
FAULT_EVERY = 1_500
FAULT_WINDOWS = 10
PEAK, PEAK_WINDOWS = 6.0, 28
LEAST_OFF = 4.0
"""A value of another phase is a fault where it is off by so many deviations of the noise throughout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contextual:
    """Values (windows, entities), and of each fault its first window, how many it takes, and the entity."""

    values: Floats
    faults: list[tuple[int, int, int]]


def other_phase(entities: int, rng: np.random.Generator) -> Contextual:
    """Return a sine of 3 deviations which is now and then what it is half a period later."""
    shift = rng.random(entities)
    when = np.arange(WINDOWS)[:, None]
    usual, late = (3 * np.sin(2 * np.pi * (when / PERIOD + shift + half)) for half in (0.0, 0.5))
    faults = []
    for start in range(WINDOWS // 2, WINDOWS, FAULT_EVERY):
        during = slice(start, start + FAULT_WINDOWS)
        off = (np.abs(late[during] - usual[during]).min(axis=0) >= LEAST_OFF).nonzero()[0]
        usual[during, off] = late[during, off]
        faults += [(start, FAULT_WINDOWS, entity) for entity in off.tolist()]
    return Contextual(values=100 + usual + rng.normal(size=usual.shape), faults=faults)


def missing_peak(entities: int, rng: np.random.Generator) -> Contextual:
    """Return a level with a peak of 6 deviations each period, which is missing now and then."""
    first = rng.integers(PERIOD, size=entities)
    values = PEAK * ((np.arange(WINDOWS)[:, None] - first) % PERIOD < PEAK_WINDOWS)
    faults = []
    for start in range(WINDOWS // 2, WINDOWS - PERIOD, FAULT_EVERY):
        for entity, place in enumerate((start + (first - start) % PERIOD).tolist()):
            values[place : place + PEAK_WINDOWS, entity] = 0.0
            faults.append((place, PEAK_WINDOWS, entity))
    return Contextual(values=100 + values + rng.normal(size=values.shape), faults=faults)


KINDS: dict[str, Callable[[int, np.random.Generator], Contextual]] = {
    "other phase": other_phase,
    "missing peak": missing_peak,
}

"""Are false alarms as rare as stated? Clean synthetic streams, and faults put into white noise, through real detect.

`python -m tests.bench.alarms [--workers N] [--json OUT]`. Per kind of stream and stated rate (1 per 200, 1,000, 5,000
windows) 100 entities run side by side, one sample a window and second, for 200 expected alarms after a burn-in of 5 /
rate; `rate_ratio` is measured over stated, without the floor on p and with it. Persistent shifts are true changes: what
one raises is counted apart (`shift_raised`: exactly one episode within 50 windows; `shift_most`: the most episodes of
one in 500), and it and 500 windows after it are left out of the rate. `small shifts` are of 6 % of the mean, 60
deviations, by the defaults with windows of a second: more than ever happened, less than the score takes notice of.
`recall` is that of spikes of 6 deviations and of bumps of 3 deviations for 30 windows, and of usual values at the wrong
phase of a season that is no day (`other phase`, `missing peak`), at 1 per 1,000.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.events import Episode
from streams.loop.detect import Detect, DetectSettings
from streams.loop.processor import Now
from streams.loop.telemetry import TelemetryBatch
from tests.bench import contextual
from tests.bench import nab_baselines as peers
from tests.bench.rows import Row, print_table, write_rows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SECOND = 1_000_000
START_US = 1_700_000_000 * SECOND
KINDS = ("white noise", "season", "trend", "t3 tails", "random walk", "shifts")
STATED = (200, 1_000, 5_000)
EXPECTED_ALARMS = 200
ENTITIES = 100
STEP_WINDOWS = 50
SEASON_WINDOWS = 288
SHIFT_EVERY = 2_000
LEFT_OUT = 500
NO_FLOOR = 1.0
RECALL_STATED = 1_000
RECALL_WINDOWS = 12_000
FAULT_EVERY = 1_500
FAULTS = {"spikes": (6.0, 1), "bumps": (3.0, 30)}
"""Deviations, and windows that a fault takes."""
SMALL_SHIFTS = "small shifts"
SMALL_DEVIATION = 0.1
DAY_WINDOWS = 86_400
"""The default rate, of windows of a second."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of stream or fault at one stated rate, with draws of its own: no other case changes its numbers."""

    kind: str
    stated: int

    @property
    def name(self) -> str:
        return f"{self.kind} 1/{self.stated}"

    def rng(self) -> np.random.Generator:
        return np.random.default_rng([*self.kind.encode(), self.stated])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Values (windows, entities) and the windows at which something true begins (the same for all entities)."""

    values: Floats
    changes: Ints


def stream(kind: str, windows: int, rng: np.random.Generator) -> Stream:
    """Return clean values of one kind, noise of deviation 1 for all entities."""
    shape = (windows, ENTITIES)
    noise = rng.normal(size=shape)
    when = np.arange(windows)[:, None]
    changes = np.zeros(0, np.int64)
    match kind:
        case "season":
            noise += 3 * np.sin(2 * np.pi * (when / SEASON_WINDOWS + rng.random(ENTITIES)))
        case "trend":
            noise += 0.001 * when
        case "t3 tails":
            noise = rng.standard_t(3, size=shape)
        case "random walk":
            noise = np.cumsum(noise, axis=0)
        case "shifts":
            changes = np.arange(SHIFT_EVERY, windows, SHIFT_EVERY)
            noise += 6 * _levels(changes, windows, rng)
    return Stream(values=100 + noise, changes=changes)


def faulty(size: float, length: int, rng: np.random.Generator) -> Stream:
    """Return white noise with a fault every so often, for all entities at once."""
    values = 100 + rng.normal(size=(RECALL_WINDOWS, ENTITIES))
    changes = np.arange(RECALL_WINDOWS // 2, RECALL_WINDOWS, FAULT_EVERY)
    for start in changes.tolist():
        values[start : start + length] += size
    return Stream(values=values, changes=changes)


def small_shifts(rng: np.random.Generator) -> Stream:
    """Return little noise about a level that moves by 6 % of 100 now and then."""
    changes = np.arange(SHIFT_EVERY, 3 * SHIFT_EVERY, SHIFT_EVERY)
    windows = 3 * SHIFT_EVERY
    noise = SMALL_DEVIATION * rng.normal(size=(windows, ENTITIES))
    return Stream(values=100 + 6 * _levels(changes, windows, rng) + noise, changes=changes)


def opened(values: Floats, settings: DetectSettings) -> tuple[Ints, Ints]:
    """Return window and entity of every episode that opens."""
    detect = Detect(settings, loop="bench", partition=0, seed=1)
    names = [f"entity-{number:03d}" for number in range(values.shape[1])]
    found: list[tuple[int, int]] = []
    for batch in _batches(values, names):
        for event in detect.on_batch([batch], Now(int(batch.time_us[-1]), START_US)):
            if isinstance(event, Episode) and event.phase == "opened":
                found.append(((event.opened_us - START_US) // SECOND, int(event.entity[-3:])))  # noqa: PERF401  # as an expression it is no clearer
    windows, entities = np.array(found, np.int64).reshape(-1, 2).T
    return windows, entities


def settings_of(stated: int, floor: float | None) -> DetectSettings:
    """Return the defaults with one-sample windows, at a stated rate; a window is a second."""
    changed = {} if floor is None else {"p_floor": floor}
    return DetectSettings(window_us=0, gone_us=10**15, idle_us=10**15, false_alarms=f"1/{stated}s", **changed)


def rows_of(case: Case) -> list[Row]:
    """Return what one case comes to."""
    if case.kind == SMALL_SHIFTS:
        return small_shift_rows(case)
    if case.kind in contextual.KINDS:
        return contextual_rows(case)
    return recall_rows(case) if case.kind in FAULTS else rate_rows(case)


def rate_rows(case: Case) -> list[Row]:
    """Return measured over stated of one kind of stream, and what its true changes raised."""
    rng, stated = case.rng(), case.stated
    burn_in = 5 * stated
    counted_windows = EXPECTED_ALARMS * stated // ENTITIES
    if case.kind == "shifts":
        counted_windows = 2 * max(counted_windows, SHIFT_EVERY)
    windows = burn_in + counted_windows
    clean = stream(case.kind, windows, rng)
    counted = np.arange(windows) >= burn_in
    for change in clean.changes.tolist():
        counted[change : change + LEFT_OUT] = False
    expected = counted.sum() * ENTITIES / stated
    rows = []
    for system, floor in (("flyball", None), ("without floor", NO_FLOOR)):
        at, entities = opened(clean.values, settings_of(stated, floor))
        rows.append(_row(case, system, "rate_ratio", float(counted[at].sum() / expected)))
        if len(clean.changes) and floor is None:
            rows += _shift_rows(case, clean.changes[clean.changes >= burn_in], at, entities)
    times_us = START_US + np.arange(windows) * SECOND
    flags = [peers.random_through_our_alert_layer(times_us, settings_of(stated, None), rng) for _ in range(2)]
    measured = float(np.mean([one[counted].mean() for one in flags]) * stated)
    return [*rows, _row(case, "random score", "rate_ratio", measured)]


def recall_rows(case: Case) -> list[Row]:
    """Return how many faults of one kind raise an episode."""
    size, length = FAULTS[case.kind]
    broken = faulty(size, length, case.rng())
    at, entities = opened(broken.values, settings_of(case.stated, None))
    found = [
        bool(((at >= start) & (at < start + length + 2) & (entities == entity)).any())
        for start in broken.changes.tolist()
        for entity in range(ENTITIES)
    ]
    return [_row(case, "flyball", "recall", float(np.mean(found)), "share")]


def contextual_rows(case: Case) -> list[Row]:
    """Return how many faults of one kind, each of usual values at an unusual phase, raise an episode."""
    broken = contextual.KINDS[case.kind](ENTITIES, case.rng())
    at, entities = opened(broken.values, settings_of(case.stated, None))
    found = [
        bool(((at >= start) & (at < start + length + 2) & (entities == entity)).any())
        for start, length, entity in broken.faults
    ]
    return [_row(case, "flyball", "recall", float(np.mean(found)), "share")]


def small_shift_rows(case: Case) -> list[Row]:
    """Return what small changes that last raise in windows of a second."""
    shifted = small_shifts(case.rng())
    settings = DetectSettings(
        window_us=SECOND, gone_us=10**15, idle_us=10**15, false_alarms=f"1/{case.stated}s", measure_after_us=0
    )
    at, entities = opened(shifted.values, settings)
    return _shift_rows(case, shifted.changes, at, entities)


def cases_of(kinds: Sequence[str], stated: Sequence[int]) -> list[Case]:
    """Return all cases of these kinds, the quick ones first."""
    cases = [Case(kind, RECALL_STATED) for kind in (*FAULTS, *contextual.KINDS) if kind in kinds]
    cases += [Case(SMALL_SHIFTS, DAY_WINDOWS)] if SMALL_SHIFTS in kinds else []
    return cases + [Case(kind, number) for number in stated for kind in KINDS if kind in kinds]


def main() -> None:
    kinds = (*FAULTS, *contextual.KINDS, SMALL_SHIFTS, *KINDS)
    parser = argparse.ArgumentParser(prog="python -m tests.bench.alarms", description=__doc__)
    parser.add_argument("--stated", type=int, action="append", help="default: 200, 1000 and 5000 windows per alarm")
    parser.add_argument("--kind", choices=kinds, action="append", help="default: all")
    parser.add_argument("--workers", type=int, default=1, help="processes; the numbers do not depend on it")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cases = cases_of(arguments.kind or kinds, arguments.stated or STATED)
    rows: list[Row] = []
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        for found in pool.map(rows_of, cases):
            print_table(found)
            sys.stdout.flush()
            rows += found
    write_rows(arguments.json, rows)


def _levels(changes: Ints, windows: int, rng: np.random.Generator) -> Floats:
    """Return a level per window and entity that goes up or down by 1 at every change."""
    levels = np.cumsum(rng.choice([-1.0, 1.0], (len(changes) + 1, ENTITIES)), axis=0)
    return levels[np.searchsorted(changes, np.arange(windows), side="right")]


def _shift_rows(case: Case, changes: Ints, at: Ints, entities: Ints) -> list[Row]:
    raised = [
        (
            int(((at >= change) & (at < change + 50) & mine).sum()),
            int(((at >= change) & (at < change + 500) & mine).sum()),
        )
        for change in changes.tolist()
        for mine in (entities == entity for entity in range(ENTITIES))
    ]
    return [
        _row(case, "flyball", "shift_raised", float(np.mean([soon == 1 for soon, _ in raised])), "share"),
        _row(case, "flyball", "shift_most", max((later for _, later in raised), default=0), "episodes"),
    ]


def _batches(values: Floats, names: list[str]) -> Iterator[TelemetryBatch]:
    for start in range(0, len(values), STEP_WINDOWS):
        part = values[start : start + STEP_WINDOWS]
        yield TelemetryBatch(
            topic="telemetry",
            partition=0,
            offsets=np.arange(part.size) + start * len(names),
            entities=names * len(part),
            time_us=START_US + np.repeat(np.arange(start, start + len(part)), len(names)) * SECOND,
            metrics=("value",),
            values=part.reshape(-1, 1),
        )


def _row(case: Case, system: str, metric: str, value: float, unit: str = "ratio") -> Row:
    return Row(benchmark="alarms", case=case.name, system=system, metric=metric, value=value, unit=unit)


if __name__ == "__main__":
    main()

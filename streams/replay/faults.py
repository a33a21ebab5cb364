"""What goes wrong in a simulated run: kills, zombies, clock steps, duplicates, delays, deafness; all from one seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from streams.replay.worker import KILL_POINTS, Point

Signal = Literal["SIGKILL", "SIGTERM", "SIGSTOP"]
SIGNALS: tuple[Signal, ...] = ("SIGKILL", "SIGKILL", "SIGTERM", "SIGSTOP")
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """End one instance: armed `after_us` into the run, it strikes when the instance next reaches `point`.

    SIGKILL ends it there, SIGSTOP freezes it there (a successor takes over; the zombie wakes after `zombie_us`),
    SIGTERM asks it to stop cleanly. A successor starts `down_us` later.
    """

    after_us: int
    role: str
    partition: int
    point: Point
    signal: Signal = "SIGKILL"
    down_us: int = 2 * _SECOND_US
    zombie_us: int = 8 * _SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep:
    """The wall clock of the machine jumps to `error_us` off the true time, `after_us` into the run."""

    after_us: int
    error_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """The faults of one run. Shares are probabilities per record (`duplicate`) and per source and turn (`delay`)."""

    kills: tuple[Kill, ...] = ()
    clock_steps: tuple[ClockStep, ...] = ()
    deaf: tuple[tuple[int, int], ...] = ()
    """Spans (us into the run) in which no worker hears `control`."""
    duplicate: float = 0.0
    delay: float = 0.0
    executor_kills: tuple[int, ...] = ()
    """Times (us into the run) from which the executor that next claims or starts an action is killed."""
    pauses: tuple[tuple[int, int], ...] = ()
    """Spans (us into the run), one after the other, in which a person has paused the loop."""


NO_FAULTS = FaultPlan()


def seeded_kills(
    draw: random.Random, *, count: int, cells: Sequence[tuple[str, int]], duration_us: int
) -> tuple[Kill, ...]:
    """Return kills spread over the run and the points; every cell is struck in turn, and every signal occurs."""
    struck = draw.sample(cells, len(cells))
    signals = draw.sample(SIGNALS, len(SIGNALS))
    kills = (
        Kill(
            after_us=int(duration_us * draw.uniform(0.05, 0.85)),
            role=struck[number % len(struck)][0],
            partition=struck[number % len(struck)][1],
            point=draw.choice(KILL_POINTS),
            signal=signals[number % len(signals)],
            down_us=draw.randrange(1, 5) * _SECOND_US,
            zombie_us=draw.randrange(6, 15) * _SECOND_US,
        )
        for number in range(count)
    )
    return tuple(sorted(kills, key=lambda kill: kill.after_us))


def seeded_plan(seed: int, *, cells: Sequence[tuple[str, int]], duration_us: int, kills: int = 10) -> FaultPlan:
    """Return the faults of one seed: the same plan for the same arguments, on every machine."""
    draw = random.Random(seed)  # noqa: S311  # a fault plan, no secret
    steps = _seeded_steps(draw, duration_us=duration_us)
    deaf_us = int(duration_us * draw.uniform(0.2, 0.7))
    return FaultPlan(
        kills=seeded_kills(draw, count=kills, cells=cells, duration_us=duration_us),
        clock_steps=steps,
        deaf=((deaf_us, deaf_us + draw.randrange(5, 20) * _SECOND_US),) if draw.random() < 0.3 else (),
        duplicate=draw.choice((0.0, 0.02, 0.1)) if draw.random() < 0.3 else 0.05,
        delay=draw.choice((0.05, 0.2, 0.4)),
        executor_kills=tuple(sorted(int(duration_us * draw.uniform(0.1, 0.8)) for _ in range(draw.randrange(1, 4)))),
        pauses=_seeded_pauses(draw, duration_us=duration_us),
    )


def _seeded_pauses(draw: random.Random, *, duration_us: int) -> tuple[tuple[int, int], ...]:
    """Return one pause, shorter than most episodes of the simulated fleet, in half of all runs."""
    if draw.random() < 0.5:
        return ()
    after_us = int(duration_us * draw.uniform(0.3, 0.7))
    return ((after_us, after_us + draw.randrange(2, 7) * _SECOND_US),)


def _seeded_steps(draw: random.Random, *, duration_us: int) -> tuple[ClockStep, ...]:
    """Return steps forwards and backwards, also further than is tolerated; a time daemon sets each right later."""
    steps: list[ClockStep] = []
    for _ in range(draw.randrange(1, 4)):
        after_us = int(duration_us * draw.random())
        steps.append(ClockStep(after_us=after_us, error_us=draw.randrange(-16, 17) * _SECOND_US // 2))
        steps.append(ClockStep(after_us=after_us + draw.randrange(4, 12) * _SECOND_US, error_us=0))
    return tuple(sorted(steps, key=lambda step: step.after_us))

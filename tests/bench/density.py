"""Whether autonomy is refused where nothing can be learned, for the right reason: `python -m tests.bench.density`.

The fleet of `tests.bench.levels` under the real attribute, policy, gate and account; every pair of pattern and action
begins at `suggest`, `raise = "auto"`, and `act` has to be earned within half an hour.

* `dense`: faults are frequent, are told within seconds, and do not pass by themselves.
* `sparse`: an entity fails every 20 minutes only. `slow`: what came of a decision is known after 40 minutes.
* `noisy`: faults end by chance, after four seconds on average, and no action helps more than another.
* `turning`: dense for an hour, then an entity fails every four hours only.

`untested` is the same gate without the test of density: `act` may take ten years to be earned.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import process_time
from typing import NamedTuple

from msgspec.structs import replace

from schemas.events import LevelChange
from streams.loop.attribute import AttributeSettings
from streams.loop.gate import LevelSettings
from streams.loop.gate.density import LACKS
from streams.worlds.fleet_settings import FleetSettings
from tests.bench.levels_run import ATTRIBUTE, SECOND_US, START_US, LevelsRun
from tests.bench.rows import Row, print_table, write_rows

MINUTE_US = 60 * SECOND_US
LEVELS = LevelSettings(default="suggest", raising="auto", earn_within_us=30 * MINUTE_US)
UNTESTED = replace(LEVELS, earn_within_us=10 * 365 * 86_400 * SECOND_US)
SYSTEMS = {"flyball": LEVELS, "untested": UNTESTED}
_DENSE = FleetSettings(kinds=3, period_us=2 * SECOND_US, calm_periods=10)


class World(NamedTuple):
    """A fleet, how its outcomes are looked for, how long it is run, and what it becomes then, for how much longer."""

    fleet: FleetSettings
    attribute: AttributeSettings = ATTRIBUTE
    minutes: int = 60
    then: FleetSettings | None = None
    more: int = 0


WORLDS = {
    "dense": World(_DENSE),
    "sparse": World(replace(_DENSE, fault_every_us=20 * MINUTE_US, storm_every_us=0), minutes=180),
    "slow": World(
        replace(
            _DENSE,
            entities=60,
            period_us=10 * SECOND_US,
            fault_us=120 * MINUTE_US,
            life_every_us=0,
            storm_every_us=0,
        ),
        attribute=replace(ATTRIBUTE, horizon_us=40 * MINUTE_US),
        minutes=360,
    ),
    "noisy": World(
        replace(
            _DENSE,
            fault_us=4 * SECOND_US,
            by_chance=True,
            fault_every_us=MINUTE_US,
            best=0.3,
            baseline=(0.3, 0.3),
            other=(0.3, 0.3),
        )
    ),
    "turning": World(_DENSE, then=replace(_DENSE, fault_every_us=240 * MINUTE_US, storm_every_us=0), more=360),
}


class Run(NamedTuple):
    """One seed: every change of level, and how many of them before the world turned."""

    changes: list[LevelChange]
    before: int
    seconds: float


def run_seed(seed: int, *, world: World, levels: LevelSettings = LEVELS) -> Run:
    """Run one fleet."""
    began = process_time()
    run = LevelsRun(world.fleet, seed=seed, levels=levels, attribute=world.attribute)
    run.live(world.minutes * MINUTE_US)
    before = len(run.seen.changes)
    if world.then is not None:
        run.fleet.settings = world.then
        run.live(world.more * MINUTE_US)
    return Run(run.seen.changes, before, process_time() - began)


def above(run: Run) -> dict[tuple[str, str], LevelChange]:
    """Return the pairs that ever got above `suggest`, with the last change of each before the world turned."""
    found: dict[tuple[str, str], LevelChange] = {}
    for change in run.changes[: run.before]:
        if change.level in ("approve", "act") or (change.pattern, change.action) in found:
            found[change.pattern, change.action] = change
    return found


def reasons(run: Run) -> Counter[str]:
    """Return how often pairs were told what outcomes lack, but for those of which nothing was known yet."""
    return Counter(change.reason for change in run.changes if change.reason in LACKS and change.reason != "unknown")


def rows_of(case: str, system: str, runs: Sequence[Run], *, world: World) -> list[Row]:
    """Return the rows of one world and system."""
    pairs = len(runs) * world.fleet.kinds * len(world.fleet.actions)
    raised = [above(run) for run in runs]
    acted = [{(one.pattern, one.action) for one in run.changes if one.level == "act"} for run in runs]
    told = sum((reasons(run) for run in runs), Counter[str]())
    found = [
        ("seeds", len(runs), "seeds"),
        ("seeds_above_suggest", sum(bool(one) for one in raised), "seeds"),
        ("pairs_above_suggest", sum(map(len, raised)) / pairs, "share"),
        ("pairs_that_acted", sum(map(len, acted)), "pairs"),
        *((f"told_{name}", told[name], "times") for name in LACKS if told[name]),
    ]
    if world.then is not None:
        for level in ("approve", "act"):
            left = [
                (run, key)
                for run, some in zip(runs, raised, strict=True)
                for key, one in some.items()
                if one.level == level
            ]
            lowered = [one for run, key in left if (one := _lowered(run, key)) is not None]
            turned_us = START_US + world.minutes * MINUTE_US
            after = [(one.time_us - turned_us) / MINUTE_US for one in lowered]
            found += [(f"at_{level}_at_the_turn", len(left), "pairs"), (f"at_{level}_lowered", len(lowered), "pairs")]
            found += [(f"at_{level}_minutes_to_it", median(after), "min")] if after else []
    found.append(("seconds_per_seed", sum(run.seconds for run in runs) / len(runs), "s"))
    return [Row(benchmark="density", case=case, system=system, metric=m, value=v, unit=u) for m, v, u in found]


def _lowered(run: Run, key: tuple[str, str]) -> LevelChange | None:
    after = (one for one in run.changes[run.before :] if (one.pattern, one.action) == key)
    return next((one for one in after if one.level == "suggest" and one.reason in LACKS), None)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.density", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--case", choices=sorted(WORLDS), action="append", help="default: all")
    parser.add_argument("--workers", type=int, default=2, help="processes; the numbers do not depend on it")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[Row] = []
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        for case in arguments.case or WORLDS:
            for system, levels in SYSTEMS.items():
                one = partial(run_seed, world=WORLDS[case], levels=levels)
                rows += rows_of(case, system, list(pool.map(one, seeds)), world=WORLDS[case])
    print_table(rows)
    write_rows(arguments.json, rows)


if __name__ == "__main__":
    main()

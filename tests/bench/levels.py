"""Whether autonomy is earned by what helps, and by that alone, and lost at once by what harms.

`python -m tests.bench.levels --seeds 100 --workers 2 --json out.json`. Per seed a fleet with three kinds of fault runs
under the real attribute, policy, gate and account (`tests.bench.levels_run`); every pair of pattern and action begins
at `suggest`, `raise = "auto"`, and a person approves nine of ten questions, whatever they are. A pair is good where the
action is the best remedy of that kind; wrong where it helps no more than the baseline, or (the baseline itself) than
doing nothing; harmful where it makes the fault worse. `turning`: in the middle of the run every best remedy turns
harmful against its kind. `mean of 10` is the trivial rule, over the same outcomes: trusted as soon as ten rewards of a
pair average more than those of the baseline and of doing nothing; distrusted as soon as the last five do not.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import numpy as np

from schemas.events import NONE, Experience, LevelChange
from streams.worlds.fleet_settings import FleetSettings
from tests.bench.levels_run import COST, POLICY, SECOND_US, START_US, LevelsRun
from tests.bench.rows import Row, print_table, write_rows

Key = tuple[str, str]
"""Pattern and action."""
KINDS, PERIOD_US = 3, 2 * SECOND_US
"""Kinds of fault, and time between samples: a pattern has enough outcomes in a run of two hours."""
WORTH = 0.75
"""About what a remedy that works earns before its cost: below cost / WORTH it helps less than doing nothing."""
LATE_US = 2 * SECOND_US
"""How long an action takes: what was decided so long before the turn felt it already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """What became of one pair: when it first acted by itself (s), and, after the turn, by how many outcomes it was
    lowered; whether it was raised again.
    """

    key: Key
    good: bool
    wrong: bool
    harmful: bool
    acted_s: float | None = None
    outcomes: int = 0
    trusted_at_turn: bool = False
    lowered_after: int | None = None
    raised_again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One seed under one system."""

    pairs: list[Trusted]
    trusted_outcomes: int
    lowered: int
    seconds: float


def run_seed(seed: int, *, minutes: int, turning: bool) -> dict[str, Run]:
    """Run one fleet; judge the gate, and the trivial rule over what the gate let happen."""
    began = perf_counter()
    turn_us = minutes * 30 * SECOND_US if turning else 0
    run = LevelsRun(FleetSettings(kinds=KINDS, period_us=PERIOD_US, calm_periods=10, turn_us=turn_us), seed=seed)
    run.live(minutes * 60 * SECOND_US)
    assert run.seen.audited == len(run.seen.changes), "every change of level is in the audit"
    turn_at_us = START_US + turn_us if turning else None
    seconds = perf_counter() - began
    changes = {"flyball": list(_changes(run.seen.changes)), "mean of 10": list(_means(run.seen.learned))}
    return {name: _judged(run, found, turn_at_us, seconds) for name, found in changes.items()}


def _changes(changes: Sequence[LevelChange]) -> Iterator[tuple[int, Key, bool]]:
    """Yield when a pair began to act by itself, and when it no longer did."""
    for change in changes:
        if (change.level == "act") != (change.was == "act"):
            yield change.time_us, (change.pattern, change.action), change.level == "act"


def _means(learned: Sequence[Experience]) -> Iterator[tuple[int, Key, bool]]:
    """Yield the same for the trivial rule."""
    rewards: dict[Key, list[float]] = defaultdict(list)
    acting: set[Key] = set()
    for one in learned:
        key = (one.pattern, "baseline") if one.arm == "baseline" and one.effective != NONE else None
        for name in (key, (one.pattern, one.effective)):
            if name is not None and one.reward is not None:
                rewards[name].append(one.reward)
        key = one.pattern, one.effective
        others = [NONE] if one.effective == POLICY.baseline else [NONE, "baseline"]
        bar = [float(np.mean(rewards[one.pattern, other])) for other in others if rewards[one.pattern, other]]
        if one.effective == NONE or len(bar) < len(others):
            continue
        if key not in acting and len(rewards[key]) >= 10 and np.mean(rewards[key][-10:]) > max(bar):
            acting.add(key)
            yield one.time_us, key, True
        elif key in acting and np.mean(rewards[key][-5:]) <= max(bar):
            acting.discard(key)
            yield one.time_us, key, False


def _judged(run: LevelsRun, changes: list[tuple[int, Key, bool]], turn_us: int | None, seconds: float) -> Run:
    pairs = [
        _trusted(run, (f"p-{kind}", action), kind, changes, turn_us)
        for kind in range(KINDS)
        for action in run.fleet.settings.actions
    ]
    spans: dict[Key, list[tuple[int, int]]] = defaultdict(list)
    for us, key, acts in changes:
        if acts:
            spans[key].append((us, 1 << 62))
        elif spans[key]:
            spans[key][-1] = (spans[key][-1][0], us)
    before_us = turn_us or 1 << 62
    good = {one.key for one in pairs if one.good}
    trusted = sum(
        (one.pattern, one.effective) in good
        and one.decided_us < before_us
        and any(start <= one.decided_us < stop for start, stop in spans[one.pattern, one.effective])
        for one in run.seen.learned
    )
    lowered = sum(key in good and not acts and us < before_us for us, key, acts in changes)
    return Run(pairs=pairs, trusted_outcomes=trusted, lowered=lowered, seconds=seconds)


def _trusted(run: LevelsRun, key: Key, kind: int, changes: list[tuple[int, Key, bool]], turn_us: int | None) -> Trusted:
    remedies, action = run.fleet.remedies, key[1]
    helps = remedies.probability(kind, action, START_US)
    bar = 0.0 if action == POLICY.baseline else remedies.probability(kind, POLICY.baseline, START_US)
    own = [(us, acts) for us, name, acts in changes if name == key]
    acted = [us for us, acts in own if acts and (turn_us is None or us < turn_us)]
    earned_us = acted[0] if acted else None
    seen = [one for one in run.seen.learned if (one.pattern, one.effective) == key]
    found = Trusted(
        key=key,
        good=action == remedies.best(kind, START_US),
        wrong=helps <= bar or helps * WORTH <= COST,
        harmful=remedies.harms(kind, action, START_US),
        acted_s=None if earned_us is None else (earned_us - START_US) / SECOND_US,
        outcomes=sum(earned_us is not None and one.time_us <= earned_us for one in seen),
    )
    if turn_us is None or not acted:
        return found
    last = [acts for us, acts in own if us < turn_us]
    lowered_us = next((us for us, acts in own if us >= turn_us and not acts), None)
    felt = [one for one in seen if one.decided_us + LATE_US >= turn_us and (lowered_us or 0) >= one.time_us]
    return replace(
        found,
        trusted_at_turn=last[-1],
        lowered_after=None if lowered_us is None else len(felt),
        raised_again=any(acts for us, acts in own if lowered_us is not None and us > lowered_us),
    )


def rows_of(case: str, system: str, runs: Sequence[Run]) -> list[Row]:
    """Return the rows of one case and system."""
    pairs = [one for run in runs for one in run.pairs]
    good = [one for one in pairs if one.good]
    found: list[tuple[str, float, str]] = [("seeds", len(runs), "seeds")]
    for name in ("good", "wrong", "harmful"):
        chosen = [one for one in pairs if getattr(one, name)]
        acted = [one for one in chosen if one.acted_s is not None]
        found += [(f"{name}_pairs", len(chosen), "pairs"), (f"{name}_trusted", _share(acted, chosen), "share")]
    every = [run for run in runs if all(one.acted_s is not None for one in run.pairs if one.good)]
    found.append(("seeds_all_good_trusted", _share(every, runs), "share"))
    climbed = [one for one in good if one.acted_s is not None]
    found += _quantiles("minutes_to_act", [(one.acted_s or 0.0) / 60 for one in climbed], "min")
    found += _quantiles("outcomes_to_act", [one.outcomes for one in climbed], "outcomes")
    found.append(("trusted_outcomes", sum(run.trusted_outcomes for run in runs), "outcomes"))
    found.append(("lowered_by_chance", sum(run.lowered for run in runs), "times"))
    turned = [one for one in good if one.trusted_at_turn]
    if turned:
        lowered = [one for one in turned if one.lowered_after is not None]
        found += [("turned_pairs", len(turned), "pairs"), ("turned_lowered", _share(lowered, turned), "share")]
        found += _quantiles("outcomes_to_lowering", [one.lowered_after or 0 for one in lowered], "outcomes")
        found.append(("raised_again", _share([one for one in turned if one.raised_again], turned), "share"))
    found.append(("seconds_per_seed", float(np.mean([run.seconds for run in runs])), "s"))
    return [Row(benchmark="levels", case=case, system=system, metric=m, value=v, unit=u) for m, v, u in found]


def _share(hit: Sequence[object], chosen: Sequence[object]) -> float:
    return len(hit) / len(chosen) if chosen else float("nan")


def _quantiles(metric: str, values: Sequence[float], unit: str) -> list[tuple[str, float, str]]:
    if not values:
        return []
    return [(f"{metric}_{name}", float(np.quantile(values, q)), unit) for name, q in (("median", 0.5), ("p95", 0.95))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--minutes", type=int, default=120, help="simulated minutes per seed")
    parser.add_argument("--case", choices=("steady", "turning"), action="append", help="default: both")
    parser.add_argument("--workers", type=int, default=2, help="processes; the numbers do not depend on it")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[Row] = []
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        for case in arguments.case or ("steady", "turning"):
            one = partial(run_seed, minutes=arguments.minutes, turning=case == "turning")
            runs = list(pool.map(one, seeds))
            for system in runs[0]:
                rows += rows_of(case, system, [run[system] for run in runs])
    print_table(rows)
    write_rows(arguments.json, rows)


if __name__ == "__main__":
    main()

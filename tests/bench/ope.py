"""Whether estimates of what other policies would have earned are honest: `python -m tests.bench.ope [--seeds N]`.

Each of N simulated logs of 5,000 decisions is looked at again and again from 50 decisions on, and asked for three
policies (`restart` is the baseline) and the difference of two (`gain`). `coverage`: the share of the logs whose
interval holds the truth at all looks that are answered (`unasked`: at all looks; `normal`: by the normal interval).
`half_width`: at 5,000 decisions, over the normal one for that fixed number. `bias`: mean error at 5,000 decisions, and
in standard errors of that mean (`bias_z`). The `wish` are the same estimators, told that what was proposed is what
happened, of the decisions with a reward. `answered`: at 5,000 decisions; `answered_from`: the first look that is
answered, in the median.

Worlds: limits mask, and gate, executors and people intervene (`limits`); nobody does (`free`); they do, and nothing is
held out, so that rare exploration is all there is (`alone`); few entities that are far apart (`apart`); what decides
whether others intervene, and what comes of it, is in no feature (`hidden`), where estimates cannot be quite right; what
does not look best is denied once a budget is spent, and `restart` always (`tried`; `unaware`: as if what looked best
were denied as often).
Denied proposals that are made again, with the arm that the episode has, are events that go the way of `flyball
evaluate` (`attempts`; `repeats`: as if every attempt were a decision of its own). In the end the product runs against
the simulated fleet, and what its log says of two policies stands beside what they earn when they run (`fleet`).
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from streams.learners.empirical_bernstein import design_effect
from streams.learners.off_policy import Estimate, Judged, Log, difference, estimate, judge
from streams.loop.policy.settings import PolicySettings
from tests.bench import ope_world as worlds
from tests.bench.ope_attempts import of_attempts
from tests.bench.ope_fleet import by_the_log_and_run
from tests.bench.ope_world import Contexts, Vector, World
from tests.bench.rows import Row, print_table, write_rows

LOGS, DECISIONS = 500, 5_000
PEEKS = (50, 75, 100, 150, 200, 300, 500, 800, 1_200, 2_000, 3_200, DECISIONS)
NORMAL = 1.96
Target = Callable[[Contexts], Vector]
TARGETS: dict[str, Target] = {
    "none": lambda met: worlds.none(met.eligible),
    "restart": lambda met: worlds.baseline(met.eligible),
    "other": worlds.other,
}
BETTER, WORSE = "other", "restart"
"""Whose difference is estimated too."""
LOOP_ALONE = {"loop": 1.0, "baseline": 0.0, "none": 0.0}
GREEDY = PolicySettings(floor=0.0, gamma=1e6, optimism=0.0, hold_out=LOOP_ALONE)
RARE = PolicySettings(floor=0.008, gamma=1e6, optimism=0.0, hold_out=LOOP_ALONE)
EXPLORE = PolicySettings(floor=0.3)
TRYING = PolicySettings(floor=0.6, hold_out={"loop": 0.9, "baseline": 0.05, "none": 0.05})
WORLDS: dict[str, tuple[World, int]] = {
    "limits": (World(), 1),
    "free": (World(intervenes=False), 5),
    "alone": (World(policy=PolicySettings(hold_out=LOOP_ALONE)), 5),
    "apart": (World(entities=40, spread=0.3), 5),
    "hidden": (World(hidden=True), 5),
    "tried": (World(policy=TRYING, explore_limit=15, risky=(worlds.RESTART,)), 5),
}
"""Each with how many times fewer logs there are of it."""
UNSUPPORTED: dict[str, tuple[World, int]] = {
    "never eligible": (World(blocked=(worlds.THROTTLE,)), DECISIONS),
    "never measured": (World(unseen=(worlds.THROTTLE,)), DECISIONS),
    "never explored": (World(policy=GREEDY), DECISIONS),
    "rarely explored": (World(policy=RARE), DECISIONS),
    "too short": (World(), 60),
    "three entities": (World(policy=EXPLORE, entities=3, spread=0.3), DECISIONS),
}
"""Logs that cannot tell what it would be like to throttle always, and how long they are."""
EXPLORING = World(policy=EXPLORE)
"""Whose logs can tell: the control."""


@dataclass(slots=True)
class Tally:
    """What was found over logs, by policy and system."""

    held: dict[tuple[str, str], list[bool]] = field(default_factory=lambda: defaultdict(list))
    errors: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    ratios: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answered: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    first: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class Truth:
    """What a policy earns where something is left for exploring, and where nothing is."""

    admitted: float
    stopped: float

    def at(self, share: float) -> float:
        """Return what it earns where something was left at this share of the decisions."""
        return share * self.admitted + (1.0 - share) * self.stopped


def look_at(log: Log, targets: dict[str, Vector], truths: dict[str, Truth], met: Contexts, tally: Tally) -> None:
    """Look at one log again and again."""
    held: dict[tuple[str, str], bool] = defaultdict(lambda: True)
    first: dict[str, int] = {}
    for count in PEEKS:
        part = log.take(slice(count))
        true = {name: one.at(float(met.admits[:count].mean())) for name, one in truths.items()}
        seen: dict[str, tuple[Judged, Estimate]] = {}
        for name, target in targets.items():
            judged = judge(part, target[:count])
            found = estimate(part, judged)
            seen[name] = judged, found
            error = standard_error(part, judged)
            inside, enough = found.low <= true[name] <= found.high, judged.support.is_enough
            if enough:
                first.setdefault(name, count)
            held[name, "flyball"] &= inside or not enough
            held[name, "unasked"] &= inside
            held[name, "normal"] &= abs(found.doubly_robust - true[name]) <= NORMAL * error or not enough
            if count == DECISIONS:
                tally.answered[name].append(enough)
                tally.ratios[name].append((found.high - found.low) / 2.0 / (NORMAL * error))
                _errors(name, "flyball", found, true[name], tally)
        better, worse = seen[BETTER][0], seen[WORSE][0]
        _, low, high = difference(part, better, worse)
        inside = low <= true[BETTER] - true[WORSE] <= high
        held["gain", "flyball"] &= inside or not (better.support.is_enough and worse.support.is_enough)
    for key, one in held.items():
        tally.held[key].append(one)
    for name, count in first.items():
        tally.first[name].append(count)


def standard_error(log: Log, judged: Judged) -> float:
    """Return the standard error of doubly robust by entity, for a look at one fixed number of decisions."""
    spread = design_effect(judged.values, log.clusters)
    return float(np.sqrt(spread * judged.values.var() / len(log)))


def wish(log: Log, targets: dict[str, Vector], true: dict[str, float], tally: Tally) -> None:
    """Estimate as if what was proposed had happened, where a reward is known."""
    rows = np.flatnonzero(log.seen)
    part = log.take(rows)
    told = replace(part, happened=part.proposed)
    for name, target in targets.items():
        _errors(name, "wish", estimate(told, judge(told, target[rows])), true[name], tally)


def unaware(log: Log, targets: dict[str, Vector], true: dict[str, float], tally: Tally) -> None:
    """Estimate as if the gate denied what is tried no more often than what looks best."""
    nothing = np.zeros(len(log), dtype=np.bool_)
    logged = log.logged[:, : log.number].copy()
    logged[:, list(log.apart)] += log.logged[:, log.number :]
    told = replace(log, features=log.features[:, :-1], explores=nothing, stopped=nothing, logged=logged, apart=())
    for name, target in targets.items():
        found = estimate(told, judge(told, target))
        _errors(name, "unaware", found, true[name], tally)
        tally.held[name, "unaware"].append(found.low <= true[name] <= found.high)


def covered(case: str, world: World, logs: int) -> Iterator[Row]:
    """Yield what is found over many logs of one world."""
    truths = {name: _truth(world, target) for name, target in TARGETS.items()}
    tally = Tally()
    for seed in range(logs):
        log, met = worlds.simulate(seed, DECISIONS, world)
        plain = {name: target(met) for name, target in TARGETS.items()}
        targets = {name: worlds.ways(target, log) for name, target in plain.items()}
        true = {name: one.at(float(met.admits.mean())) for name, one in truths.items()}
        look_at(log, targets, truths, met, tally)
        wish(log, targets, true, tally)
        if log.apart:
            unaware(log, plain, true, tally)
    for (name, system), ones in tally.held.items():
        yield _row(f"{case} {name}", system, "coverage", float(np.mean(ones)), "share")
    for name, values in tally.ratios.items():
        yield _row(f"{case} {name}", "flyball", "half_width", float(np.mean(values)), "x normal")
        yield _row(f"{case} {name}", "flyball", "answered", float(np.mean(tally.answered[name])), "share of supported")
        yield _row(f"{case} {name}", "flyball", "answered_from", float(np.median(tally.first[name])), "decisions")
    for (name, system), missed in tally.errors.items():
        bias = float(np.mean(missed))
        noise = float(np.std(missed, ddof=1) / np.sqrt(len(missed))) if len(missed) > 1 else float("nan")
        yield _row(f"{case} {name}", system, "bias", bias, "reward")
        yield _row(f"{case} {name}", system, "bias_z", bias / noise, "standard errors")


def refused(logs: int) -> Iterator[Row]:
    """Yield how often what a log cannot tell is refused, and at last that what it can tell is not."""
    for case, (world, count) in {**UNSUPPORTED, "explored (control)": (EXPLORING, DECISIONS)}.items():
        asked = np.eye(worlds.NUMBER)[np.full(count, worlds.THROTTLE)]  # wherever, eligible or not
        told = [judge(worlds.simulate(seed, count, world)[0], asked).support.is_enough for seed in range(logs)]
        yield _row(case, "flyball", "refused", 1.0 - float(np.mean(told)), "share of logs")


REST: dict[str, Callable[[int], Iterator[Row]]] = {
    "unsupported": lambda seeds: refused(max(1, seeds // 10)),
    "attempts": lambda seeds: of_attempts(max(1, seeds // 10)),
    "fleet": lambda _: by_the_log_and_run(),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ope", description=__doc__)
    parser.add_argument("--seeds", type=int, default=LOGS, help="simulated logs with limits; a fifth of it elsewhere")
    parser.add_argument("--case", choices=(*WORLDS, *REST), action="append", help="only this world; repeat")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[Row] = []
    for case in arguments.case or (*WORLDS, *REST):
        if case in WORLDS:
            world, fewer = WORLDS[case]
            found = covered(case, world, max(1, arguments.seeds // fewer))
        else:
            found = REST[case](arguments.seeds)
        told = list(found)
        print_table(told)
        rows += told
    write_rows(arguments.json, rows)


def _truth(world: World, target: Target) -> Truth:
    admitted = worlds.truth(world, target)
    return Truth(admitted, admitted if world.explore_limit is None else worlds.truth(world, target, admits=False))


def _errors(name: str, system: str, found: Estimate, true: float, tally: Tally) -> None:
    for kind, value in (("ips", found.ips), ("snips", found.snips), ("dr", found.doubly_robust)):
        tally.errors[name, kind if system == "flyball" else f"{kind} {system}"].append(value - true)


def _row(case: str, system: str, metric: str, value: float, unit: str) -> Row:
    return Row(benchmark="ope", case=case, system=system, metric=metric, value=value, unit=unit)


if __name__ == "__main__":
    main()

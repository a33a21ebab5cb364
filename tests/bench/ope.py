"""Whether estimates of what other policies would have earned are honest: `python -m tests.bench.ope [--seeds N]`.

Each of N simulated logs (5,000 decisions of 200 entities) is looked at again and again from 50 decisions on.
`coverage`: the share of the logs whose interval holds the truth at all looks that are answered (`unasked`: at all
looks, answered or not; `normal`: by the normal interval). `half_width`: at 5,000 decisions, over the normal one for a
fixed number of decisions. `bias`: mean error over the logs at 5,000 decisions, and in standard errors of that mean
(`bias_z`). The `wish` are the same estimators, told that what was proposed is what happened.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from streams.learners.off_policy import Log, estimate, judge
from streams.loop.policy.settings import PolicySettings
from tests.bench import ope_world as worlds
from tests.bench.ope_world import Contexts, Vector, World
from tests.bench.rows import Row, print_table, write_rows

LOGS, DECISIONS = 500, 5_000
PEEKS = (50, 75, 100, 150, 200, 300, 500, 800, 1_200, 2_000, 3_200, 5_000)
TRUTH_CONTEXTS, TRUTH_PARTS = 100_000, 10
NORMAL = 1.96
Target = Callable[[Contexts], Vector]
TARGETS: dict[str, Target] = {
    "none": lambda met: worlds.none(met.eligible),
    "baseline": lambda met: worlds.baseline(met.eligible),
    "other settings": worlds.other,
}
GREEDY = PolicySettings(floor=0.0, gamma=1e6, optimism=0.0, hold_out={"loop": 1.0, "baseline": 0.0, "none": 0.0})
UNSUPPORTED: dict[str, tuple[World, int, int]] = {
    "never eligible": (World(blocked=(worlds.THROTTLE,)), worlds.THROTTLE, DECISIONS),
    "never measured": (World(unseen=(worlds.THROTTLE,)), worlds.THROTTLE, DECISIONS),
    "never explored": (World(policy=GREEDY), worlds.THROTTLE, DECISIONS),
    "too short": (World(), worlds.THROTTLE, 60),
}
"""What logs cannot tell: the world, the action asked about, and how many decisions there are."""


def truths(world: World) -> dict[str, float]:
    """Return what each target earns, by a million contexts (and as many entities)."""
    rng = np.random.default_rng(987_654_321)
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(TRUTH_PARTS):
        met = worlds.contexts(rng, TRUTH_CONTEXTS, world)
        met = replace(met, leaning=rng.uniform(-worlds.ENTITY_SPREAD, worlds.ENTITY_SPREAD, TRUTH_CONTEXTS))
        for name, target in TARGETS.items():
            found[name].append(worlds.truth(met, target(met), intervenes=world.intervenes))
    return {name: float(np.mean(values)) for name, values in found.items()}


def covered(case: str, world: World, logs: int) -> Iterator[Row]:
    """Yield coverage, width and bias of each target over many logs."""
    true = truths(world)
    held: dict[tuple[str, str], list[bool]] = defaultdict(list)
    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    ratios: dict[str, list[float]] = defaultdict(list)
    answered: list[bool] = []
    for seed in range(logs):
        log, met = worlds.simulate(seed, DECISIONS, world)
        targets = {name: target(met) for name, target in TARGETS.items()}
        looks: dict[tuple[str, str], list[bool]] = defaultdict(list)
        for count in PEEKS:
            part = log.take(slice(count))
            for name, target in targets.items():
                judged = judge(part, target[:count])
                enough = judged.support.is_enough
                if count == DECISIONS:
                    answered.append(enough)
                found = estimate(part, judged)
                miss = abs(found.doubly_robust - true[name])
                looks[name, "flyball"].append(not enough or found.low <= true[name] <= found.high)
                looks[name, "unasked"].append(found.low <= true[name] <= found.high)
                looks[name, "normal"].append(not enough or miss <= NORMAL * found.error)
        for name, target in targets.items():
            judged = judge(log, target)
            found = estimate(log, judged)
            ratios[name].append((found.high - found.low) / 2.0 / (NORMAL * found.error))
            for system, value in (("ips", found.ips), ("snips", found.snips), ("dr", found.doubly_robust)):
                errors[name, system].append(value - true[name])
            wish = wished(log, target)
            errors[name, "snips wish"].append(wish[0] - true[name])
            errors[name, "dr wish"].append(wish[1] - true[name])
        for key, ones in looks.items():
            held[key].append(all(ones))
    for (name, system), ones in held.items():
        yield _row(f"{case}: {name}", system, "coverage", float(np.mean(ones)), "share")
    for name, values in ratios.items():
        yield _row(f"{case}: {name}", "flyball", "half_width", float(np.mean(values)), "x normal")
    for (name, system), missed in errors.items():
        noise = float(np.std(missed, ddof=1) / np.sqrt(len(missed))) if len(missed) > 1 else float("nan")
        yield _row(f"{case}: {name}", system, "bias", float(np.mean(missed)), "reward")
        yield _row(f"{case}: {name}", system, "bias_z", float(np.mean(missed)) / noise, "standard errors")
    yield _row(case, "flyball", "answered", float(np.mean(answered)), "share of supported")


def wished(log: Log, target: Vector) -> tuple[float, float]:
    """Return SNIPS and DR of who takes what was proposed for what happened, where a reward is known."""
    rows = np.flatnonzero(log.seen)
    told = Log(
        features=log.features[rows],
        clusters=log.clusters[rows],
        folds=log.folds[rows],
        proposed=log.proposed[rows],
        happened=log.proposed[rows],
        rewards=log.rewards[rows],
        logged=log.logged[rows],
    )
    found = estimate(told, judge(told, target[rows]))
    return found.snips, found.doubly_robust


def refused(logs: int) -> Iterator[Row]:
    """Yield how often what a log cannot tell is refused."""
    for case, (world, arm, count) in UNSUPPORTED.items():
        told = []
        for seed in range(logs):
            log, _ = worlds.simulate(seed, count, world)
            asked = np.eye(worlds.NUMBER)[np.full(count, arm)]  # wherever, eligible or not
            told.append(judge(log, asked).support.is_enough)
        yield _row(case, "flyball", "refused", 1.0 - float(np.mean(told)), "share of unsupported")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ope", description=__doc__)
    parser.add_argument("--seeds", type=int, default=LOGS, help="simulated logs per case")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = [
        *covered("intervened", World(), arguments.seeds),
        *covered("undisturbed", World(intervenes=False), arguments.seeds),
        *refused(max(1, arguments.seeds // 10)),
    ]
    print_table(rows)
    write_rows(arguments.json, rows)


def _row(case: str, system: str, metric: str, value: float, unit: str) -> Row:
    return Row(benchmark="ope", case=case, system=system, metric=metric, value=value, unit=unit)


if __name__ == "__main__":
    main()

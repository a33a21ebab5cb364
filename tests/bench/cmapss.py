"""When to replace an engine: `python -m tests.bench.cmapss --data DIR [--train DIR] [--json OUT]`.

Every parquet of a folder holds engines that ran until they failed: `unit`, `cycle` and metrics. After each cycle but
the last an engine is let run or replaced; `saving` is the share of the cost per cycle of running all of them until they
fail that is saved, where a replacement in advance costs 1 and a failure `cost 3|5|10` times that.

`10-fold`: learned from nine tenths, the rule chosen among these alone, decided on the rest; the mean over `--seeds`
divisions. `cold start`: one engine after another through the real processors (detect, decide, gate, an executor) with a
`loop.toml`; how an engine that was replaced would have gone on is never heard. `told all` learns every engine to its
failure afterwards, as if it went on on a test bench: the baselines are, too. `trained`: the loop first hears how the
engines of `--train` fail, paused; the baselines are fitted to them. Baselines: replacing at the best age; beyond the
best limit of a drift index; `foresight` replaces one cycle before the failure.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from streams.learners.life_course import LifeCourse
from streams.learners.renewal import LEAST, Renewal, RenewalModelSettings
from tests.bench.cmapss_data import COST, DriftIndex, Ended, Engine, by_age, ended_at, foresight, load_engines, saving
from tests.bench.cmapss_world import run
from tests.bench.rows import Row, print_table, write_rows

FAILURE_COSTS = (5.0, 3.0, 10.0)
FOLDS = 10
LEARNING = FAILURE_COSTS[0]
"""The cost of a failure where engines come one after another."""


class Learner:
    """The product's model over engines: their lives as it saw them, for all divisions and costs alike."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = engines
        model = Renewal()
        self._lives = [self._lived(model, engine) for engine in engines]
        self._fresh = model.snapshot()  # it has met the metrics, and learned nothing

    def trained(self, training: Sequence[int], failure_cost: float) -> Renewal:
        """Return a model that learned how some engines failed, in this order."""
        model = Renewal(RenewalModelSettings(cost=COST, failure_cost=failure_cost))
        model.restore(self._fresh)
        for number in training:
            model.end(self._lives[number], float(self._engines[number].cycles))
        return model

    def foretold(self, model: Renewal, number: int) -> list[float]:
        """Return what is foretold of an engine's remaining life in each cycle."""
        life, engine = model.begin(), self._engines[number]
        outlooks = [model.see(life, values, cycle) for cycle, values in _cycles(engine)]
        return [np.inf if outlook is None else outlook.remaining for outlook in outlooks]

    def _lived(self, model: Renewal, engine: Engine) -> LifeCourse:
        life = model.begin()
        for cycle, values in _cycles(engine):
            if cycle < engine.cycles:
                model.see(life, values, cycle)
        return life


def folded(engines: Sequence[Engine], learner: Learner, seed: int) -> Iterator[tuple[str, float, Ended]]:
    """Yield system, cost of a failure, and the life of every engine as decided by what the other folds taught."""
    order = np.random.default_rng(seed).permutation(len(engines)).tolist()
    for fold in (order[start::FOLDS] for start in range(FOLDS)):
        training = [number for number in order if number not in fold]
        models = {cost: learner.trained(training, cost) for cost in FAILURE_COSTS}
        for number in fold:  # costs change the rule, not what is learned
            foretold = learner.foretold(models[LEARNING], number)
            for cost, model in models.items():
                yield "flyball", cost, _ended(engines[number], foretold, model)
        tested = [engines[number] for number in fold]
        for cost in FAILURE_COSTS:
            for system, lives in baselines([engines[number] for number in training], tested, cost).items():
                yield from ((system, cost, life) for life in lives)


def baselines(training: Sequence[Engine], tested: Sequence[Engine], failure_cost: float) -> dict[str, list[Ended]]:
    """Return how engines end under rules fitted to others."""
    index = DriftIndex(training, failure_cost)
    return {
        "fixed age": by_age(training, tested, failure_cost),
        "drift index": [index.end(engine) for engine in tested],
        "foresight": foresight(tested),
    }


def fold_rows(engines: Sequence[Engine], learner: Learner, seeds: int) -> list[Row]:
    """Return the mean saving over divisions."""
    found: dict[tuple[float, str], list[float]] = {}
    failures: list[int] = []
    for seed in range(seeds):
        lives: dict[tuple[float, str], list[Ended]] = {}
        for system, cost, life in folded(engines, learner, seed):
            lives.setdefault((cost, system), []).append(life)
        for (cost, system), ended in lives.items():
            found.setdefault((cost, system), []).append(saving(engines, ended, cost))
        failures.append(sum(life.is_failed for life in lives[LEARNING, "flyball"]))
    rows = [
        _row(f"10-fold, cost {cost:g}", system, "saving", float(np.mean(found[cost, system])))
        for cost, system in sorted(found, key=lambda key: FAILURE_COSTS.index(key[0]))
    ]
    return [*rows, _row(f"10-fold, cost {LEARNING:g}", "flyball", "failures", float(np.mean(failures)), "engines")]


def told_all(engines: Sequence[Engine], learner: Learner) -> dict[str, list[Ended]]:
    """Return how engines end one after another where each is then told to its failure; the first two run to it."""
    ended: dict[str, list[Ended]] = {}
    for number, engine in enumerate(engines):
        model = learner.trained(range(number), LEARNING)
        lives = {"flyball, told all": [_ended(engine, learner.foretold(model, number), model)]}
        if number < LEAST:
            lives |= {name: [Ended(engine.cycles, is_failed=True)] for name in ("fixed age", "drift index")}
            lives["foresight"] = foresight([engine])
        else:
            lives |= baselines(engines[:number], [engine], LEARNING)
        for system, one in lives.items():
            ended.setdefault(system, []).extend(one)
    return ended


def online_rows(case: str, engines: Sequence[Engine], ended: dict[str, list[Ended]]) -> list[Row]:
    """Return the saving over all engines and the later half, failures, and print the learning curve."""
    rows: list[Row] = []
    half, tenth = len(engines) // 2, max(1, len(engines) // 10)
    for system, lives in ended.items():
        rows.append(_row(case, system, "saving", saving(engines, lives, LEARNING)))
        rows.append(_row(case, system, "saving_later_half", saving(engines[half:], lives[half:], LEARNING)))
        rows.append(_row(case, system, "failures", float(sum(life.is_failed for life in lives)), "engines"))
        parts = [slice(start, start + tenth) for start in range(0, len(engines), tenth)]
        curve = " ".join(f"{saving(engines[part], lives[part], LEARNING):5.2f}" for part in parts)
        print(f"{case}, {system}: saving by {tenth} engines each: {curve}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.cmapss", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", type=Path, help="engines to learn from first")
    parser.add_argument("--seeds", type=int, default=5, help="divisions into folds")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    engines = load_engines(arguments.data)
    learner = Learner(engines)
    rows = fold_rows(engines, learner, arguments.seeds)
    print_table(rows)
    online = online_rows("cold start", engines, {"flyball": run(engines, LEARNING)} | told_all(engines, learner))
    print_table(online)
    rows += online
    if arguments.train:
        training = load_engines(arguments.train)
        ended = {"flyball": run(engines, LEARNING, training=training)} | baselines(training, engines, LEARNING)
        trained = online_rows("trained", engines, ended)
        print_table(trained)
        rows += trained
    write_rows(arguments.json, rows)


def _cycles(engine: Engine) -> Iterator[tuple[float, dict[str, float]]]:
    for cycle, row in enumerate(engine.rows.tolist(), start=1):
        yield float(cycle), dict(zip(engine.metrics, row, strict=True))


def _ended(engine: Engine, foretold: Sequence[float], model: Renewal) -> Ended:
    rule = model.rule
    return ended_at(engine, np.array(foretold) <= (-np.inf if rule is None else rule.level))


def _row(case: str, system: str, metric: str, value: float, unit: str = "fraction") -> Row:
    return Row(benchmark="cmapss", case=case, system=system, metric=metric, value=value, unit=unit)


if __name__ == "__main__":
    main()

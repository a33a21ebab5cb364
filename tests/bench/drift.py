"""How much of what could be earned the bandit earns when the world changes: `python -m tests.bench.drift`.

`share_of_oracle` is (R - R_uniform) / (R_oracle - R_uniform) over the whole run, where the oracle is the same learner,
made anew at every change. `linear`: rewards follow the features, differently for each arm; `plain`: the features mean
nothing. At a change all arms are drawn anew. Beside: the same models with one forgetting factor for all of them, of
which the best one is known only afterwards.
"""

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from streams.learners.reward_settings import RewardModelSettings
from streams.learners.ridge_bank import Ridge
from tests.bench.bandit_play import FLOOR, Floats, Flyball, Game, as_policy, play
from tests.bench.rows import Row, print_table, write_rows

DECISIONS = 4_000
ARMS, FEATURES = 5, 5
CHANGES = (0, 1, 4, 8)
FIXED = (1.0, 0.998, 0.995, 0.99, 0.98, 0.96)
AS_POLICY = as_policy(ARMS)
SETTLED = 100
"""Decisions before the first change and behind the last, at least."""


class World(NamedTuple):
    """A game, the numbers of the decisions at which it changes, and what every arm is expected to earn in every row."""

    game: Game
    at: list[int]
    means: Floats


def world(kind: str, changes: int, seed: int) -> World:
    """Return a world that changes at so many unknown times."""
    rng = np.random.default_rng((seed, changes, len(kind)))
    at = sorted(rng.choice(np.arange(SETTLED, DECISIONS - SETTLED), changes, replace=False).tolist())
    epoch = np.searchsorted(at, np.arange(DECISIONS), side="right")
    rows = rng.standard_normal((DECISIONS, FEATURES))
    if kind == "plain":
        means = rng.random((changes + 1, ARMS))[epoch]
    else:
        slopes = rng.standard_normal((changes + 1, ARMS, FEATURES + 1)) / np.sqrt(FEATURES + 1)
        slanted = np.einsum("nad,nd->na", slopes[epoch], np.column_stack((np.ones(DECISIONS), rows)))
        means = np.clip(0.5 + 0.35 * slanted, 0.0, 1.0)
    rewards = (rng.random((DECISIONS, ARMS)) < means).astype(float)
    return World(Game(rows, rewards, rng.random(DECISIONS)), at, means)


def fixed(forgetting: float) -> RewardModelSettings:
    """Return the policy's models, but that all forget at one rate."""
    penalties = [0.25, 2.5, 25.0]
    return replace(
        AS_POLICY,
        models=tuple(Ridge(penalty=penalty, forgetting=forgetting) for penalty in penalties),
        own_forgetting=(forgetting,) * len(penalties),
    )


SYSTEMS: dict[str, RewardModelSettings] = {"flyball": AS_POLICY} | {f"fixed {rate}": fixed(rate) for rate in FIXED}


def earned(seed: int, *, kind: str, changes: int, systems: Sequence[str]) -> dict[str, float]:
    """Return the mean reward of each system, of the oracle and of the uniform choice."""
    game, at, _ = world(kind, changes, seed)
    makes: dict[str, Callable[[], Flyball]] = {
        name: partial(Flyball, FEATURES, ARMS, settings=SYSTEMS[name]) for name in systems
    }
    found = {name: play(make, game) for name, make in makes.items()}
    return found | {"oracle": play(makes["flyball"], game, at), "uniform": float(game.rewards.mean())}


def rows_of(case: str, runs: Sequence[dict[str, float]]) -> list[Row]:
    """Return the score of every system over all seeds, and what there was to be earned."""
    mean = {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
    to_earn = mean["oracle"] - mean["uniform"]
    rows = [
        _row(case, name, "share_of_oracle", (value - mean["uniform"]) / to_earn, "share")
        for name, value in mean.items()
        if name not in ("oracle", "uniform")
    ]
    return [*rows, _row(case, "oracle", "reward_over_uniform", to_earn, "reward")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.drift", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--kind", choices=("linear", "plain"), action="append", help="default: both")
    parser.add_argument("--changes", type=int, action="append", help="default: 0, 1, 4 and 8")
    parser.add_argument("--no-fixed", action="store_true", help="without the fixed forgetting factors")
    parser.add_argument("--workers", type=int, default=1, help="processes; the numbers do not depend on it")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(f"floor {FLOOR}, {arguments.seeds} seeds, {DECISIONS} decisions each")
    systems = ["flyball"] if arguments.no_fixed else list(SYSTEMS)
    rows: list[Row] = []
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        for kind in arguments.kind or ("linear", "plain"):
            for changes in arguments.changes or CHANGES:
                one = partial(earned, kind=kind, changes=changes, systems=systems)
                rows += rows_of(f"{kind} {changes}", list(pool.map(one, range(arguments.seeds))))
    print_table(rows)
    write_rows(arguments.json, rows)


def _row(case: str, system: str, metric: str, value: float, unit: str) -> Row:
    return Row(benchmark="drift", case=case, system=system, metric=metric, value=value, unit=unit)


if __name__ == "__main__":
    main()

"""Classification sets played as contextual bandits: `python -m tests.bench.bandit --data DIR`.

Every parquet of the folder is a set: features, and the column `label`; an arm earns 1 if it is the label of the row.
`loss` is the share of wrong arms over one pass, by arms drawn from the logged probabilities, the mean over `--seeds`
orders of the rows. All sets see one configuration, the policy's but for floor and prior (see `POLICY`). Beside: linear
Thompson sampling (the better of two widths), Vowpal Wabbit (the best of 36 settings: how it explores, its rate, raw or
standardised features, costs of -1 or 0 or of 0 or 1) and any arm; "standardised" is by the whole set, in hindsight.

`loss` is that of the policy's models and exploration by themselves. Of the first `--loop-seeds` orders
`loss_through_loop` is that of the whole product over the driver of `streams.replay` (see `bandit_loop`), and
`loss_same_draws` that of the models with the draws that it made: what lies between them are the events, the features
that every decision has, and patterns.

`--train`: every system first plays a set of that folder, which is not scored, with the same settings: the one that has
the features of the set to score, and its name if there is one; it must hold other rows. Which one that is is printed,
and where there is none, since nothing is learned from it about other features.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from tests.bench.bandit_data import games, set_like
from tests.bench.bandit_loop import draws_of, played, settings_of
from tests.bench.bandit_play import FLOOR, POLICY, Flyball, Game, LinearThompson, Player, Uniform, play
from tests.bench.bandit_vw import COSTS, EXPLORATIONS, NO_VW, RATES, VowpalWabbit, is_installed
from tests.bench.rows import Row, print_table, write_rows

WIDTHS = (0.1, 0.25)


def standardised(game: Game) -> Game:
    """Return a game whose features have mean 0 and deviation 1."""
    spread = game.rows.std(axis=0)
    return replace(game, rows=(game.rows - game.rows.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0))


def players(game: Game, seed: int, *, with_vw: bool) -> Iterator[tuple[str, str, Callable[[], Player], Game]]:
    """Yield every system, its settings, how it is made, and the game as it sees it."""
    (features, arms), scaled = (game.rows.shape[1], game.rewards.shape[1]), standardised(game)
    yield "flyball", "", partial(Flyball, features, arms), game
    yield "uniform", "", partial(Uniform, arms), game
    for width in WIDTHS:
        yield "lin thompson", f"{width}", partial(LinearThompson, features, arms, seed=seed, width=width), scaled
    if not with_vw:
        return
    for exploration in EXPLORATIONS:
        for rate in RATES:
            for (name, seen), costs in product((("raw", game), ("standardised", scaled)), COSTS):
                make = partial(VowpalWabbit, arms, exploration=exploration, rate=rate, costs=costs)
                yield "vowpal wabbit", f"{exploration} -l {rate} {name} {costs}", make, seen


def through_loop(game: Game) -> dict[str, float]:
    """Return the loss of the whole product in one order, and that of its models with the same draws."""
    ran = played(game)
    drawn = replace(game, draws=draws_of(settings_of(game), len(ran)))
    (features, arms), chosen = (game.rows.shape[1], game.rewards.shape[1]), game.rewards[np.arange(len(ran)), ran]
    return {
        "loss_through_loop": 1.0 - float(chosen[game.unscored :].mean()),
        "loss_same_draws": 1.0 - play(partial(Flyball, features, arms), drawn),
    }


def losses(path: Path, seeds: int, *, with_vw: bool, loop_seeds: int, first: Path | None = None) -> list[Row]:
    """Return the loss of each system on one set after one to learn from `first`: of its best settings."""
    found: dict[tuple[str, str], list[float]] = {}
    looped: dict[str, list[float]] = {}
    arms = 0
    for seed, game in enumerate(games(path, seeds, first)):
        arms = game.rewards.shape[1]
        for system, settings, make, seen in players(game, seed, with_vw=with_vw):
            found.setdefault((system, settings), []).append(1.0 - play(make, seen))
        for metric, loss in through_loop(game).items() if seed < loop_seeds else ():
            looped.setdefault(metric, []).append(loss)
    best: dict[str, tuple[float, str]] = {}
    for (system, settings), values in found.items():
        mean = float(np.mean(values))
        best[system] = min(best.get(system, (mean, settings)), (mean, settings))
    rows = [_row(path.stem, system, "loss", loss, "share") for system, (loss, _) in best.items()]
    rows += [_row(path.stem, "flyball", metric, float(np.mean(values)), "share") for metric, values in looped.items()]
    for system, (_, settings) in best.items():
        if settings:
            print(f"{path.stem}: the best {system} is {settings}")
    return [*rows, _row(path.stem, "flyball", "cost_of_the_floor", FLOOR * (arms - 1) / arms, "share")]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.bandit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a folder of parquet files")
    parser.add_argument("--train", type=Path, help="a folder of parquet files to learn from first")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--no-vw", action="store_true", help="without Vowpal Wabbit, which takes most of the time")
    parser.add_argument("--loop-seeds", type=int, default=1, help="orders that the whole product plays, too")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with_vw = is_installed() and not arguments.no_vw
    if not is_installed():
        print(NO_VW, file=sys.stderr)
    print(f"floor {FLOOR}, gamma {POLICY.gamma:g}, optimism {POLICY.optimism:g}, prior {POLICY.reward_prior:g}")
    rows: list[Row] = []
    for path in sorted(arguments.data.glob("*.parquet")):
        first = _first(path, arguments.train)
        found = losses(path, arguments.seeds, with_vw=with_vw, loop_seeds=arguments.loop_seeds, first=first)
        print_table(found)
        rows += found
    write_rows(arguments.json, rows)


def _first(path: Path, folder: Path | None) -> Path | None:
    """Return the set to learn from first, and say which it is, or that there is none."""
    first = None if folder is None else set_like(path, folder)
    if first is not None:
        print(f"{path.stem}: learned from {first} first")
    elif folder is not None:
        print(f"{path.stem}: nothing is learned first: {folder} has no other rows with its features")
    return first


def _row(case: str, system: str, metric: str, value: float, unit: str) -> Row:
    return Row(benchmark="bandit", case=case, system=system, metric=metric, value=value, unit=unit)


if __name__ == "__main__":
    main()

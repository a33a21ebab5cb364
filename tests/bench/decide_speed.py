"""Decisions with learning per CPU second: `python -m tests.bench.decide_speed`.

Games of 20 features and 8 arms, each decision learned from at once, with the configuration of `bandit` and its
bookkeeping: features by name, probabilities, drawing, and the decision remembered for its outcome. `patterns`: 50 of
them take turns; `reasons`: each says why, as a proposal does. Beside: Vowpal Wabbit's `cb_explore_adf`, in turns with
ours in the same process; `x_vw` is the median over the rounds of how many times as fast ours is.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np

from tests.bench.bandit_play import Flyball, Game, Player, play
from tests.bench.bandit_vw import EXPLORATIONS, NO_VW, RATES, VowpalWabbit, is_installed
from tests.bench.rows import Row, print_table, write_rows

FEATURES, ARMS, PATTERNS = 20, 8, 50
CASE = f"{FEATURES} x {ARMS}"
REASONS = ", reasons"
"""What the name of a player ends with whose every decision says why: the end of its case."""


def game_of(decisions: int) -> Game:
    """Return a game whose arms earn 1 each with a probability of its own, whatever the features."""
    rng = np.random.default_rng(0)
    rewards = (rng.random((decisions, ARMS)) < rng.random(ARMS)).astype(np.float64)
    return Game(rng.standard_normal((decisions, FEATURES)), rewards, rng.random(decisions))


def players(*, with_vw: bool) -> dict[str, Callable[[], Player]]:
    """Return how each player is made."""
    ours = partial(Flyball, FEATURES, ARMS)
    makes: dict[str, Callable[[], Player]] = {"flyball": ours, "flyball, patterns": partial(ours, patterns=PATTERNS)}
    makes |= {f"{name}{REASONS}": partial(make, reasons=True) for name, make in makes.items()}
    if with_vw:
        makes["vowpal wabbit"] = partial(VowpalWabbit, ARMS, exploration=EXPLORATIONS[0], rate=RATES[1], costs="-1/0")
    return makes


def measure(*, decisions: int, rounds: int, with_vw: bool) -> list[Row]:
    """Play the players in turns, and return their rows."""
    game, makes = game_of(decisions), players(with_vw=with_vw)
    seconds: dict[str, list[float]] = {name: [] for name in makes}
    for _ in range(rounds):
        for name, make in makes.items():
            began = process_time()
            play(make, game)
            seconds[name].append(process_time() - began)
    rows = [_row(name, "decisions_per_s", decisions / median(taken), "1/s") for name, taken in seconds.items()]
    peer = seconds.pop("vowpal wabbit", [])
    for name, taken in seconds.items():
        ratios = [theirs / ours for theirs, ours in zip(peer, taken, strict=False)]
        rows += [_row(name, "x_vw", median(ratios), "x")] if ratios else []
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.decide_speed", description=__doc__)
    parser.add_argument("--decisions", type=int, default=4_000, help="of each player in each round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-vw", action="store_true", help="without Vowpal Wabbit")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not is_installed():
        print(NO_VW, file=sys.stderr)
    with_vw = is_installed() and not arguments.no_vw
    rows = measure(decisions=arguments.decisions, rounds=arguments.rounds, with_vw=with_vw)
    print_table(rows)
    write_rows(arguments.json, rows)


def _row(system: str, metric: str, value: float, unit: str) -> Row:
    case = CASE + REASONS if system.endswith(REASONS) else CASE
    system = system.removesuffix(REASONS)
    return Row(benchmark="decide_speed", case=case, system=system, metric=metric, value=value, unit=unit)


if __name__ == "__main__":
    main()

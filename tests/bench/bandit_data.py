"""Labelled sets as games, and which set is to be learned from before another one is scored."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from tests.bench.bandit_play import Floats, Game


def set_like(path: Path, folder: Path) -> Path | None:
    """Return the set of a folder that has the features of another one: that of the same name, else the first; None
    where none has, but for one that holds the same rows.
    """
    table = pl.read_parquet(path)
    alike = [
        other
        for other in sorted(folder.glob("*.parquet"), key=lambda other: (other.name != path.name, other.name))
        if pl.read_parquet_schema(other) == table.schema and not pl.read_parquet(other).equals(table)
    ]
    return alike[0] if alike else None


def games(path: Path, seeds: int, first: Path | None = None) -> Iterator[Game]:
    """Yield the rows of a set in other orders, with their draws; before them those of the set to learn from `first`,
    in other orders too, which are not scored. An arm is a label of either.
    """
    sets = [pl.read_parquet(one) for one in (path, *(() if first is None else (first,)))]
    arms = np.unique(np.concatenate([table["label"].to_numpy() for table in sets]))
    (rows, rewards), *others = [_played(table, arms) for table in sets]
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(rows))
        scored = Game(rows[order], rewards[order], rng.random(len(rows)))
        yield _after(scored, *others[0], np.random.default_rng((seed, 1))) if others else scored


def _played(table: pl.DataFrame, arms: Floats) -> tuple[Floats, Floats]:
    rows = table.drop("label").to_numpy().astype(np.float64)
    return rows, (table["label"].to_numpy()[:, None] == arms).astype(np.float64)


def _after(scored: Game, rows: Floats, rewards: Floats, rng: np.random.Generator) -> Game:
    order = rng.permutation(len(rows))
    return Game(
        np.concatenate((rows[order], scored.rows)),
        np.concatenate((rewards[order], scored.rewards)),
        np.concatenate((rng.random(len(rows)), scored.draws)),
        unscored=len(rows),
    )

"""The bench of labelled sets, with others to learn from first."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl

from tests.bench.bandit_data import games, set_like

ROOT = Path(__file__).parents[2]


def labelled(rows: int, seed: int, features: int = 3) -> pl.DataFrame:
    """Return a set in which the largest feature tells the label."""
    values = np.random.default_rng(seed).standard_normal((rows, features))
    table = pl.DataFrame(values, schema=[f"x{number}" for number in range(features)])
    return table.with_columns(label=pl.Series(values.argmax(axis=1)))


def folder(path: Path, **sets: pl.DataFrame) -> Path:
    path.mkdir()
    for name, table in sets.items():
        table.write_parquet(path / f"{name}.parquet")
    return path


def test_what_is_learned_first_has_the_features_and_if_it_can_the_name(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", a=labelled(20, 1), b=labelled(20, 2), wide=labelled(20, 3, features=4))
    train = folder(tmp_path / "train", a=labelled(20, 4, features=5), b=labelled(20, 5), c=labelled(20, 6))
    found = [set_like(data / f"{name}.parquet", train) for name in ("a", "b", "wide")]
    assert found == [train / "b.parquet", train / "b.parquet", None]
    assert set_like(data / "wide.parquet", data) is None  # its own rows


def test_rows_to_learn_from_come_first_are_not_scored_and_change_none_of_the_others(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", a=labelled(20, 1))
    train = folder(tmp_path / "train", a=labelled(30, 2).filter(pl.col("label") < 2))
    (alone,) = games(data / "a.parquet", 1)
    (after,) = games(data / "a.parquet", 1, train / "a.parquet")
    assert (alone.unscored, after.unscored, len(after.rows)) == (0, len(after.rows) - 20, len(after.draws))
    assert np.array_equal(after.rows[after.unscored :], alone.rows)
    assert np.array_equal(after.rewards[after.unscored :], alone.rewards)
    assert np.array_equal(after.draws[after.unscored :], alone.draws)
    assert np.array_equal(after.rewards.argmax(axis=1), after.rows.argmax(axis=1))
    assert not after.rewards[: after.unscored, 2].any()


def test_the_command_loses_less_after_it_learned_from_others(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", a=labelled(150, 1), wide=labelled(30, 3, features=4))
    train = folder(tmp_path / "train", a=labelled(300, 2))
    losses = {}
    for name, more in (("alone", ()), ("trained", ("--train", str(train)))):
        out = tmp_path / f"{name}.json"
        places = ["--data", str(data), *more, "--json", str(out)]
        command = [sys.executable, "-m", "tests.bench.bandit", "--seeds", "2", "--no-vw", *places]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        rows = json.loads(out.read_text())
        losses[name] = {(row["case"], row["system"], row["metric"]): row["value"] for row in rows}
    assert f"a: learned from {train / 'a.parquet'} first" in said
    assert f"wide: nothing is learned first: {train} has no other rows with its features" in said
    for key in (("a", "flyball", "loss"), ("a", "flyball", "loss_through_loop"), ("a", "lin thompson", "loss")):
        assert losses["trained"][key] < losses["alone"][key] - 0.05
    assert losses["trained"]["wide", "flyball", "loss"] == losses["alone"]["wide", "flyball", "loss"]

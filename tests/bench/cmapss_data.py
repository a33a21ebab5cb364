"""Engines that were run until they failed, and what any rule for ending them in advance would have cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
COST = 1.0
"""Of a replacement in advance."""
BEGINNING, QUICK, NEAR = 10, 8, 9


@dataclass(frozen=True, slots=True)
class Engine:
    """Its metrics in each cycle, shape (cycles, metrics): with the last one it failed."""

    metrics: tuple[str, ...]
    rows: Floats

    @property
    def cycles(self) -> int:
        """How long it ran."""
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Ended:
    """One engine's life as a rule had it."""

    cycles: int
    is_failed: bool


def load_engines(data: Path) -> list[Engine]:
    """Return the engines of every parquet of a folder, by file and number."""
    engines: list[Engine] = []
    for path in sorted(data.glob("*.parquet")):
        table = pl.read_parquet(path)
        metrics = tuple(name for name in table.columns if name not in ("unit", "cycle"))
        for _, rows in sorted(table.group_by("unit", maintain_order=True)):
            engines.append(Engine(metrics, rows.sort("cycle").select(metrics).to_numpy().astype(np.float64)))
    return engines


def ended_at(engine: Engine, due: Sequence[bool] | npt.NDArray[np.bool_]) -> Ended:
    """Return the life of an engine that is replaced after the first of its rows, but the last, at which that is due."""
    first = int(np.argmax(due[: engine.cycles - 1])) if np.any(due[: engine.cycles - 1]) else None
    return Ended(engine.cycles, True) if first is None else Ended(first + 1, False)


def saving(engines: Sequence[Engine], lives: Sequence[Ended], failure_cost: float) -> float:
    """Return the share of the cost per cycle of running every engine until it fails that is saved."""
    cost = sum(failure_cost if life.is_failed else COST for life in lives) / sum(life.cycles for life in lives)
    to_failure = failure_cost * len(engines) / sum(engine.cycles for engine in engines)
    return 1.0 - cost / to_failure


def foresight(engines: Sequence[Engine]) -> list[Ended]:
    """Return the lives of who knows the future: each ends one cycle before it would fail."""
    return [Ended(engine.cycles - 1, False) for engine in engines]


def by_age(training: Sequence[Engine], tested: Sequence[Engine], failure_cost: float) -> list[Ended]:
    """Return the lives of engines that are replaced at the age that was best in training."""
    limit = _best_limit(training, [_ages(one) for one in training], failure_cost)
    return [ended_at(one, _ages(one) >= limit) for one in tested]


class DriftIndex:
    """How far an engine moved from its own beginning, as the mean over metrics in units of their noise, each in the
    direction that it moves in training: replace beyond the index that was best in training.
    """

    def __init__(self, training: Sequence[Engine], failure_cost: float) -> None:
        noise = np.mean([one.rows[:30].std(axis=0) for one in training], axis=0)
        self._scale = np.where(noise > 1e-9, 1.0 / np.maximum(noise, 1e-9), 0.0)
        moved = np.mean([self._moved(one)[-1] for one in training], axis=0)
        self._direction = np.where(np.abs(moved) > 1.0, np.sign(moved), 0.0)
        self._limit = _best_limit(training, [self._index(one) for one in training], failure_cost)

    def end(self, engine: Engine) -> Ended:
        """Return the life of an engine."""
        return ended_at(engine, self._index(engine) >= self._limit)

    def _index(self, engine: Engine) -> Floats:
        index: Floats = self._moved(engine) @ self._direction / max(1.0, float(np.abs(self._direction).sum()))
        return index

    def _moved(self, engine: Engine) -> Floats:
        smooth = np.empty_like(engine.rows)
        smooth[0] = engine.rows[0]
        for row in range(1, engine.cycles):
            smooth[row] = smooth[row - 1] + (engine.rows[row] - smooth[row - 1]) / min(row + 1, QUICK)
        moved: Floats = (smooth - engine.rows[:BEGINNING].mean(axis=0)) * self._scale
        return moved


def _ages(engine: Engine) -> Floats:
    return np.arange(1.0, engine.cycles + 1)


def _best_limit(training: Sequence[Engine], scores: Sequence[Floats], failure_cost: float) -> float:
    """Return the limit of a score at which training lives cost least per cycle."""
    candidates = np.unique(np.quantile(np.concatenate(scores), np.linspace(0.3, 1.0, 200)))
    found: list[float] = []
    for limit in candidates.tolist():
        lives = [ended_at(one, score >= limit) for one, score in zip(training, scores, strict=True)]
        found.append(saving(training, lives, failure_cost))
    near = np.convolve(found, np.full(NEAR, 1.0 / NEAR), mode="valid")  # the best by chance is not the best to come
    return float(candidates[int(np.argmax(near)) + NEAR // 2])

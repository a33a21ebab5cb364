"""Half-space trees on arrays: river's trees and scores, many rows at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from river import base

from streams.learners.padded_trees import draw_trees

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grove:
    """The splits of all trees, shape (trees * nodes,): node k of a tree has children 2k+1 and 2k+2. Read-only."""

    feature: Counts
    threshold: Floats


class _Masses(msgspec.Struct, array_like=True):
    """What a forest learned; its trees derive from the seed and the names of the features."""

    features: list[str]
    counter: int
    first_window: bool
    reference: bytes
    latest: bytes


class HalfSpaceTrees(base.AnomalyDetector):
    """Anomaly scores from the masses of random half-spaces (Tan, Ting, Liu, IJCAI 2011).

    The trees are those that `river.anomaly.HalfSpaceTrees` draws from the same seed, and the scores are equal to the
    last bit. A row is scored against the masses of the last full window of `window_size` learned rows; before the first
    is full every score is 0. An absent feature counts as the middle of `limits` (river follows the heavier child, which
    depends on the order within a window). `features` fixes the columns; without it the first learned row does.
    """

    def __init__(
        self,
        *,
        n_trees: int = 10,
        height: int = 8,
        window_size: int = 250,
        limits: tuple[float, float] = (0.0, 1.0),
        seed: int | None = None,
        features: Sequence[str] | None = None,
    ) -> None:
        self.n_trees = n_trees
        self.height = height
        self.window_size = window_size
        self.limits = limits
        self.seed = seed
        self.features = features
        self._names: tuple[Any, ...] = ()
        self._counter = 0
        self._first_window = True
        self._reference = self._latest = np.zeros((0, 0), np.int64)
        self._walked: tuple[Floats, Counts] = (np.zeros((0, 0)), np.zeros((0, n_trees), np.int64))
        if features:
            self._plant(features)

    @property
    def names(self) -> tuple[Any, ...]:
        """The features, in the order of the columns of `score_many` and `learn_many`."""
        return self._names

    @property
    def until_pivot(self) -> int:
        """How many rows are to be learned before the masses that score are replaced."""
        return self.window_size - self._counter

    def learn_one(self, x: Mapping[Any, float]) -> None:
        if not self._names:
            self._plant(list(x))
        self.learn_many(self._row(x))

    def score_one(self, x: Mapping[Any, float]) -> float:
        return 0.0 if self._first_window else float(self.score_many(self._row(x))[0])

    def score_many(self, rows: Floats) -> Floats:
        """Return the anomaly score in [0, 1] of each row, shape (n, features); learns nothing."""
        if self._first_window:
            return np.zeros(len(rows))
        total = self._totals.take(self._leaves(rows))
        largest = self.n_trees * self.window_size * (2 ** (self.height + 1) - 1)
        scores: Floats = 1 - total.sum(axis=1) / largest
        return scores

    def learn_many(self, rows: Floats) -> None:
        """Learn rows in order, shape (n, features); masses pivot at exactly the rows at which river pivots."""
        start = 0
        while start < len(rows):
            stop = min(len(rows), start + self.until_pivot)
            latest = self._latest.ravel()
            latest += np.bincount(self._leaves(rows[start:stop]).ravel(), minlength=latest.size)
            self._counter += stop - start
            if self._counter == self.window_size:
                self._refer_to(self._latest)
                self._latest = np.zeros_like(self._latest)
                self._counter, self._first_window = 0, False
            start = stop

    def snapshot(self) -> bytes:
        """Return what was learned; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _Masses(
                features=list(self._names),
                counter=self._counter,
                first_window=self._first_window,
                reference=self._reference.tobytes(),
                latest=self._latest.tobytes(),
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace what was learned by what `snapshot` returned in a forest of equal parameters."""
        masses = msgspec.msgpack.decode(snapshot, type=_Masses)
        self._names = ()
        if masses.features:
            self._plant(masses.features)
            shape = self._latest.shape
            self._refer_to(np.frombuffer(masses.reference, np.int64).reshape(shape).copy())
            self._latest = np.frombuffer(masses.latest, np.int64).reshape(shape).copy()
        self._counter, self._first_window = masses.counter, masses.first_window

    def _row(self, x: Mapping[Any, float]) -> Floats:
        middle = (self.limits[0] + self.limits[1]) / 2
        return np.array([[x.get(name, middle) for name in self._names]], dtype=np.float64)

    def _plant(self, features: Sequence[Any]) -> None:
        self._names = tuple(sorted(features))
        size = 2 ** (self.height + 1) - 1
        grove = _drawn(self._names, self.n_trees, self.height, self.limits, self.seed)
        self._feature, self._threshold = grove.feature, grove.threshold
        self._walked = (np.zeros((0, 0)), np.zeros((0, self.n_trees), np.int64))
        self._first_node = np.arange(self.n_trees, dtype=np.int64) * size
        self._next_tree = 1 - self._first_node  # 2 * (node - first) + 1 + first
        leaves = 2**self.height
        # leaves come last among the nodes of a tree
        self._first_leaf = self._first_node + leaves - 1 - np.arange(self.n_trees) * leaves
        self._latest = np.zeros((self.n_trees, leaves), np.int64)
        self._refer_to(np.zeros_like(self._latest))

    def _refer_to(self, masses: Counts) -> None:
        """Score by the masses of these leaves, which are read-only from now on."""
        self._reference = masses
        self._totals = _ends(masses, least=0.1 * self.window_size)

    def _leaves(self, rows: Floats) -> Counts:
        """Return the leaf that each row reaches in each tree, shape (n, trees), as flat indices.

        The last answer is kept: rows are mostly learned right after they were scored.
        """
        if np.array_equal(rows, self._walked[0]):
            return self._walked[1]
        values, first = rows.ravel(), np.arange(len(rows))[:, None] * rows.shape[1]
        node = np.broadcast_to(self._first_node, (len(rows), self.n_trees))
        for _ in range(self.height):
            beyond = values.take(first + self._feature.take(node)) >= self._threshold.take(node)
            node = 2 * node + self._next_tree + beyond
        leaves: Counts = node - self._first_leaf
        self._walked = (rows.copy(), leaves)
        return leaves


def _ends(masses: Counts, *, least: float) -> Counts:
    """Return for each leaf, shape (trees, leaves), what the walk that ends in it adds up: the mass of each node on the
    way times 2 to the power of its depth. `masses` are those of the leaves; a node thinner than `least` ends the walk
    (the paper's size limit).
    """
    levels = [masses]
    while levels[0].shape[1] > 1:
        levels.insert(0, levels[0][:, ::2] + levels[0][:, 1::2])
    total = np.zeros((len(masses), 1), np.int64)
    alive = np.ones((len(masses), 1), bool)
    for depth, mass in enumerate(levels):
        if depth:
            total, alive = total.repeat(2, axis=1), alive.repeat(2, axis=1)
        total += (mass << depth) * alive
        alive &= mass >= least
    return total


def _drawn(names: tuple[Any, ...], n_trees: int, height: int, limits: tuple[float, float], seed: int | None) -> _Grove:
    """Return the trees of a forest. With a seed equal arguments give equal trees, which are drawn once: a restore or a
    replay plants the same forest again.
    """
    draw = _draw.__wrapped__ if seed is None else _draw
    return draw(names, n_trees, height, limits, seed)


@lru_cache(maxsize=64)
def _draw(names: tuple[Any, ...], n_trees: int, height: int, limits: tuple[float, float], seed: int | None) -> _Grove:
    feature, threshold = draw_trees(len(names), n_trees=n_trees, height=height, limits=limits, seed=seed)
    feature.flags.writeable = threshold.flags.writeable = False
    return _Grove(feature=feature.ravel(), threshold=threshold.ravel())

"""How long something will go on: ridge regression of the root of its remaining life, which one sum over rows gives.

The root, since what is hours from its end has to be foretold to the hour, and what is years from it need not be. Ridge
regression (Hoerl and Kennard, Technometrics 1970) on features that are scaled by their own spread, from their means and
comoments: no scale has to settle first, and the rows of one life can be taken out again, so that what is said of it
comes from the others alone (cross-fitting; Stone, "Cross-validatory choice", JRSS B 1974).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from river import base

from streams.learners.moments import Moments

Vector = npt.NDArray[np.float64]
OUTLYING = 8.0
"""What lies more standard deviations off than this counts as this, ..."""
SETTLED = 30
"""... after so many rows."""
_LARGEST = 1e100
_CONSTANT = 1e-9
"""A spread below this share of the mean is rounding, and the feature constant."""


class RemainingLifeState(msgspec.Struct, array_like=True):
    """What was learned, in a snapshot: arrays as bytes of float64."""

    names: list[str]
    first: bytes
    rows: int
    weight: float
    mean: bytes
    spread: bytes


class RemainingLife(base.Regressor):
    """Foretells `y`, of any sign, from named features. `penalty` draws every weight to 0 like so much weight of rows.

    Features get columns in order of their first appearance, `features` at most; later ones are left out. What is absent
    or not finite counts as the mean; a target that is not finite teaches nothing.
    """

    def __init__(self, *, penalty: float = 5.0, features: int = 128) -> None:
        self.penalty = penalty
        self.features = features
        self._columns: dict[str, int] = {}
        self._first: Vector = np.zeros(0)  # what each feature was when it came up, NaN until then
        self._rows = 0
        self._moments = Moments.none(1)  # the target is the first column
        self._weights: Vector | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in the order of the columns of `predict_many` and `learn_many`."""
        return tuple(self._columns)

    @property
    def weight(self) -> float:
        """What all rows together weigh by now."""
        return self._moments.weight

    def row(self, x: Mapping[str, float]) -> Vector:
        """Return the values of known features, NaN where there is none, after giving columns to new ones."""
        new = sorted(x.keys() - self._columns.keys())[: self.features - len(self._columns)]
        if new:
            self._columns |= {name: len(self._columns) + place for place, name in enumerate(new)}
            self._widen(len(self._columns))
        return np.array([x.get(name, np.nan) for name in self._columns], dtype=np.float64)

    def learn_one(self, x: Mapping[Any, float], y: float, w: float = 1.0) -> None:
        """Learn how long it still went on; `w` is what the row weighs."""
        self.learn_many(self.row(x)[None], [y], w)

    def learn_many(self, rows: Vector, ys: Sequence[float] | Vector, w: float = 1.0) -> Vector:
        """Learn rows of the shape (n, features), one after another, each of weight `w`; return them as they were
        learned: with the mean for what was absent, NaN for what had not come up yet, and outliers drawn in.
        """
        learned = self._padded(rows)
        for number, y in enumerate(ys):
            if not math.isfinite(y) or w <= 0.0:
                continue
            self._meet(learned[number])
            tamed = self._tamed(learned[number])
            learned[number] = np.where(np.isnan(self._first), np.nan, tamed)
            one = np.concatenate(([_root(y)], tamed))
            self._moments = self._moments.plus(Moments(w, one, np.zeros((len(one), len(one)))))
            self._rows += 1
        self._weights = None
        return learned

    def predict_one(self, x: Mapping[Any, float]) -> float:
        """Return how long it will go on; learns nothing."""
        row = np.array([x.get(name, np.nan) for name in self._columns], dtype=np.float64)
        return float(self.predict_many(row[None])[0])

    def predict_many(self, rows: Vector) -> Vector:
        """Return what `predict_one` says of rows of the shape (n, features), shape (n,)."""
        if self._weights is None:
            self._weights = _solved(self._moments, self.penalty)
        weights, mean = self._weights, self._moments.mean
        said = [float(np.dot(self._tamed(row) - mean[1:], weights)) for row in self._padded(rows)]
        return _squared(mean[0] + np.array(said))

    def without(self, rows: Vector, ys: Vector, w: float) -> Vector:
        """Return what would be said of rows that were learned (as `learn_many` returned them, each weighing `w` now),
        had they not been: shape (n,).
        """
        padded = self._padded(rows)
        counted = np.where(np.isnan(padded), np.nan_to_num(self._first), padded)  # as what came up later was taken for
        taken = Moments.of(np.concatenate((_roots(ys)[:, None], counted), axis=1), w)
        left = self._moments.minus(taken)
        apart = np.where(np.isnan(padded), 0.0, padded - left.mean[1:])
        return _squared(left.mean[0] + apart @ _solved(left, self.penalty))

    def fade(self, kept: float) -> None:
        """Let all that was learned weigh `kept` of what it did."""
        self._moments = self._moments.faded(kept)
        self._weights = None

    def columns(self) -> RemainingLifeState:
        """Return the whole state."""
        return RemainingLifeState(
            names=list(self._columns),
            first=self._first.tobytes(),
            rows=self._rows,
            weight=self._moments.weight,
            mean=self._moments.mean.tobytes(),
            spread=self._moments.spread.tobytes(),
        )

    def restore(self, state: RemainingLifeState) -> None:
        """Replace the state by what `columns` returned."""
        self._columns = {name: place for place, name in enumerate(state.names)}
        self._first = np.frombuffer(state.first).copy()
        self._rows = state.rows
        mean = np.frombuffer(state.mean).copy()
        spread = np.frombuffer(state.spread).reshape(len(mean), len(mean)).copy()
        self._moments = Moments(state.weight, mean, spread)
        self._weights = None

    def _widen(self, features: int) -> None:
        more = features - len(self._first)
        self._first = np.concatenate((self._first, np.full(more, np.nan)))
        self._moments = self._moments.widened(np.zeros(more))
        self._weights = None

    def _meet(self, row: Vector) -> None:
        """Take it that a feature which comes up for the first time was at this value all along."""
        new = np.isfinite(row) & np.isnan(self._first)
        if new.any():
            mean = self._moments.mean.copy()
            mean[1:][new] = self._first[new] = np.clip(row[new], -_LARGEST, _LARGEST)
            self._moments = Moments(self._moments.weight, mean, self._moments.spread)

    def _padded(self, rows: Vector) -> Vector:
        """Return a copy of the rows with NaN in the columns that came after them."""
        padded = np.full((len(rows), len(self._columns)), np.nan)
        padded[:, : rows.shape[1]] = rows
        return padded

    def _tamed(self, row: Vector) -> Vector:
        mean = self._moments.mean[1:]
        tamed = np.clip(np.where(np.isfinite(row) & ~np.isnan(self._first), row, mean), -_LARGEST, _LARGEST)
        if self._rows < SETTLED:
            return tamed
        far = OUTLYING * np.sqrt(self._moments.spread.diagonal()[1:] / self._moments.weight)
        return np.where(far > 0.0, np.clip(tamed, mean - far, mean + far), tamed)


def _solved(moments: Moments, penalty: float) -> Vector:
    """Return the weight of each feature, 0 of a constant one."""
    weight = max(moments.weight, 1e-300)
    sizes = np.sqrt(np.maximum(moments.spread.diagonal()[1:], 0.0))
    varies = sizes > _CONSTANT * np.sqrt(weight) * (np.abs(moments.mean[1:]) + _CONSTANT)
    scales = np.where(varies, 1.0 / np.where(varies, sizes, 1.0), 0.0)
    alike = moments.spread[1:, 1:] * np.outer(scales, scales)
    alike[np.diag_indices_from(alike)] += np.where(varies, penalty / weight, 1.0)
    solved: Vector = np.linalg.solve(alike, moments.spread[1:, 0] * scales) * scales
    return solved


def _root(y: float) -> float:
    return math.copysign(math.sqrt(min(abs(y), _LARGEST)), y)


def _roots(ys: Vector) -> Vector:
    return np.copysign(np.sqrt(np.minimum(np.abs(ys), _LARGEST)), ys)


def _squared(roots: Vector) -> Vector:
    squared: Vector = np.copysign(roots * roots, roots)
    return squared

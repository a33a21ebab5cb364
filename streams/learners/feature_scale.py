"""Named features as a vector for linear models: centred, scaled and squashed by what was seen so far."""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
SQUASH = 2.0
"""In standard deviations: about where a feature reaches its limit of 1, however far out it lies."""
HORIZON = 10_000.0
"""Observations over which mean and variance are taken, at most: a scale that drifts is followed."""
_LARGEST = 1e100
_LEAST_VARIANCE = 1e-200


class ScaleColumns(msgspec.Struct, array_like=True):
    """What a scale learned, in a snapshot: arrays as bytes of float64."""

    names: list[str]
    counts: bytes
    means: bytes
    variances: bytes


class FeatureScale:
    """Features get columns in order of their first appearance, `limit` at most; later ones are left out.

    A row begins with the constant 1. What is absent, not finite or never varied is 0, which is the mean.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._names: tuple[str, ...] = ()
        self._known: frozenset[str] = frozenset()
        self._counts = self._means = self._variances = np.zeros(0)
        self._ones = np.zeros(0)

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in the order of the columns behind the constant."""
        return self._names

    def grow(self, features: Iterable[str]) -> bool:
        """Give columns to features not seen before, in the order of their names; returns whether there were any."""
        if self._known.issuperset(features):
            return False
        new = sorted(set(features) - self._known)[: self._limit - len(self._names)]
        self._adopt((*self._names, *new))
        for name in ("_counts", "_means", "_variances"):
            setattr(self, name, np.concatenate((getattr(self, name), np.zeros(len(new)))))
        return bool(new)

    def raw(self, x: Mapping[str, float]) -> Vector:
        """Return the values in the order of the columns, NaN where there is none."""
        return np.array([x.get(name, math.nan) for name in self._names], dtype=np.float64)

    def learn_row(self, raw: Vector) -> Vector:
        """Fold the values of one row, shape (features,), into means and variances, and return what `row` then says of
        it (Welford, Technometrics 1962).
        """
        counts, means, variances = self._counts, self._means, self._variances
        if math.isfinite(raw @ self._ones):
            counts += 1.0
        else:
            counts += np.isfinite(raw)
            raw = _finite(raw, means)
        step = 1.0 / np.minimum(np.maximum(counts, 1.0), HORIZON)
        apart = raw - means
        moved = step * apart
        means += moved
        variances += moved * apart
        variances *= 1.0 - step
        apart -= moved
        return self._squashed(apart)

    def row(self, raw: Vector) -> Vector:
        """Return the row of values of shape (features,), with the constant before it: shape (1 + features,)."""
        if not math.isfinite(raw @ self._ones):
            raw = _finite(raw, self._means)
        return self._squashed(raw - self._means)

    def rows(self, raw: Vector) -> Vector:
        """Return the rows of values of shape (n, features): shape (n, 1 + features), each equal to what `row` says."""
        return np.array([self.row(one) for one in raw]).reshape(len(raw), len(self._names) + 1)

    def _squashed(self, apart: Vector) -> Vector:
        row = np.empty(len(apart) + 1)
        row[0] = 1.0
        apart /= np.sqrt(_LEAST_VARIANCE + SQUASH**2 * self._variances)
        np.tanh(apart, out=row[1:])
        return row

    def columns(self) -> ScaleColumns:
        """Return what was learned."""
        return ScaleColumns(
            names=list(self._names),
            counts=self._counts.tobytes(),
            means=self._means.tobytes(),
            variances=self._variances.tobytes(),
        )

    def restore(self, columns: ScaleColumns) -> None:
        """Replace what was learned by what `columns` returned."""
        self._adopt(columns.names)
        self._counts, self._means, self._variances = (
            np.frombuffer(column).copy() for column in (columns.counts, columns.means, columns.variances)
        )

    def _adopt(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._known = frozenset(names)
        self._ones = np.ones(len(names))


def _finite(raw: Vector, means: Vector) -> Vector:
    """Return values with the mean in place of what is none, and none so large that its square is none."""
    return np.clip(np.where(np.isfinite(raw), raw, means), -_LARGEST, _LARGEST)

"""Named features as a vector for linear models: centred, scaled and squashed by what was seen so far."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter

import msgspec
import numpy as np
import numpy.typing as npt

from streams.learners.kernels import scales

Vector = npt.NDArray[np.float64]


class ScaleColumns(msgspec.Struct, array_like=True):
    """What a scale learned, in a snapshot: arrays as bytes of float64."""

    names: list[str]
    rows: int
    counts: bytes
    means: bytes
    variances: bytes


class FeatureScale:
    """Features get columns in order of their first appearance, `limit` at most; later ones are left out. Those of
    `first` have theirs from the beginning. Those of `declared` lie in [-1, 1] about 0, and nothing is learned of their
    scale: a slow one, like the time of the day, would else count as extreme while little of its range was seen. Those
    whose names begin with `faint` are `weight` times as large as others: a ridge regression takes them for the less.

    A row begins with the constant 1. What is absent, not finite or never varied is 0, which is the mean.
    """

    def __init__(
        self,
        *,
        limit: int,
        first: Sequence[str] = (),
        declared: Iterable[str] = (),
        faint: str = "",
        weight: float = 1.0,
    ) -> None:
        self._limit = limit
        self._declared = frozenset(declared)
        self._faint, self._weight = faint, weight
        self._weights: Vector | None = None
        self._rows = 0
        self._latest: tuple[str, ...] = ()
        self._values: Callable[[Mapping[str, float]], Sequence[float]] | None = None
        names = tuple(first)[:limit]
        self._adopt(names, *(np.zeros(1 + len(names)) for _ in range(3)))

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in the order of the columns behind the constant."""
        return self._names

    def grow(self, features: Iterable[str]) -> None:
        """Give columns to features not seen before, in the order of their names."""
        if self._known.issuperset(features):
            return
        new = sorted(set(features) - self._known)[: max(0, self._limit - len(self._names))]
        if not new:
            return
        none = np.zeros(len(new))
        columns = (np.concatenate((column, none)) for column in (self._counts, self._means, self._variances))
        self._adopt((*self._names, *new), *columns)
        self._rows = 0  # what is new is to settle, too

    def raw(self, x: Mapping[str, float]) -> Vector:
        """Return 1 and the values in the order of the columns, NaN where there is none: shape (1 + features,)."""
        raw = self._blank.copy()
        raw[1:] = [*map(x.get, self._names)]  # None becomes NaN
        return raw

    def take_in(self, x: Mapping[str, float]) -> Vector:
        """Give columns to features not seen before, and return what `raw` then returns; the names of the features are
        looked at only where they are others than the last time.
        """
        names = tuple(x)
        if names != self._latest:
            self.grow(names)
            self._latest, self._values = names, _getter(self._names, names)
        if self._values is None:
            return self.raw(x)
        raw = self._blank.copy()
        raw[1:] = self._values(x)
        return raw

    def learn_row(self, raw: Vector) -> Vector:
        """Fold the values of one row into means and variances, and return what `row` then says of it (Welford,
        Technometrics 1962). Once they are settled, some of the rows will do; which ones derives from their numbers,
        so that rows of kinds that take turns are learned alike.
        """
        self._rows += 1
        row = np.empty(len(raw))
        scales.learn_row(raw, self._rows, self._counts, self._means, self._variances, self._scales, self._reach, row)
        return row if self._weights is None else row * self._weights

    def row(self, raw: Vector) -> Vector:
        """Return the values scaled and squashed, with the constant before them: shape (1 + features,)."""
        row = np.empty(len(raw))
        scales.squash(raw, self._means, self._scales, row)
        return row if self._weights is None else row * self._weights

    def rows(self, raw: Vector) -> Vector:
        """Return the rows of values of shape (n, features): shape (n, 1 + features), each equal to what `row` says."""
        constant = np.ones((len(raw), 1))
        rows = [self.row(one) for one in np.concatenate((constant, raw), axis=1)]
        return np.array(rows).reshape(len(raw), 1 + len(self._names))

    def columns(self) -> ScaleColumns:
        """Return what was learned."""
        return ScaleColumns(
            names=list(self._names),
            rows=self._rows,
            counts=self._counts.tobytes(),
            means=self._means.tobytes(),
            variances=self._variances.tobytes(),
        )

    def restore(self, columns: ScaleColumns) -> None:
        """Replace what was learned by what `columns` returned; what is declared stays."""
        arrays = (np.frombuffer(column).copy() for column in (columns.counts, columns.means, columns.variances))
        self._adopt(columns.names, *arrays)
        self._rows = columns.rows

    def _adopt(self, names: Sequence[str], counts: Vector, means: Vector, variances: Vector) -> None:
        self._names = tuple(names)
        self._known = frozenset(names)
        self._blank = np.ones(1 + len(names))
        self._latest, self._values = (), None
        self._counts, self._means, self._variances = counts, means, variances
        fixed = [1 + place for place, name in enumerate(names) if name in self._declared]
        means[fixed], variances[fixed] = 0.0, scales.DECLARED_VARIANCE
        self._scales, self._reach = np.empty(len(counts)), np.ones(len(counts))
        self._reach[fixed] = 0.0
        scales.rescale(counts, means, variances, self._scales, self._reach)
        weak = [1 + place for place, name in enumerate(names) if self._faint and name.startswith(self._faint)]
        self._weights = np.ones(1 + len(names)) if weak else None
        if self._weights is not None:
            self._weights[weak] = self._weight


def _getter(columns: Sequence[str], names: Iterable[str]) -> Callable[[Mapping[str, float]], Sequence[float]] | None:
    """Return how the values of all columns are got at once, if features of these names have them."""
    return itemgetter(*columns) if len(columns) > 1 and set(names).issuperset(columns) else None

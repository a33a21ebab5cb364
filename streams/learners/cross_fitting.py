"""What became of decisions, foretold by models that never saw the entity they speak of.

Entities fall into folds by a hash of their names, so neither the order of the decisions nor that of the folds matters.
Per fold and action there is a ridge regression over the decisions of the other folds (Chernozhukov et al.,
"Double/debiased machine learning", 2018).
"""

import numpy as np
import numpy.typing as npt

from schemas.ids import seed_of

FOLDS = 5
PENALTY = 1.0
"""How many decisions draw a coefficient to 0; features are of the order of 1."""
FIRST_BLOCK = 20

Vector = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


def fold_of(entity: str) -> int:
    """Return the fold of an entity: the same in every log, on every machine."""
    return seed_of("fold", entity) % FOLDS


def foretell(
    features: Vector, actions: Indices, values: Vector, folds: Indices, *, number: int, known: npt.NDArray[np.bool_]
) -> Vector:
    """Return what the other folds tell of each decision and action, shape (n, `number`, m); 0 where they tell nothing.

    `features` have shape (n, d), `values` (n, m); only rows that are `known` are learned from.
    """
    sums = _Sums(number, features.shape[1], values.shape[1])
    sums.add(features, actions, values, folds, known)
    return sums.predict(features, folds)


def foretell_ahead(
    features: Vector, actions: Indices, values: Vector, folds: Indices, *, number: int, known: npt.NDArray[np.bool_]
) -> Vector:
    """Do as `foretell`, from earlier decisions alone: what is foretold of one never changes when others follow.

    Models are renewed whenever there are twice as many decisions.
    """
    sums = _Sums(number, features.shape[1], values.shape[1])
    found = np.zeros((len(features), number, values.shape[1]))
    start, stop = 0, FIRST_BLOCK
    while start < len(features):
        block = slice(start, stop)
        found[block] = sums.predict(features[block], folds[block])
        sums.add(features[block], actions[block], values[block], folds[block], known[block])
        start, stop = stop, 2 * stop
    return found


class _Sums:
    """The normal equations of every fold and action."""

    def __init__(self, number: int, width: int, height: int) -> None:
        self._gram = np.zeros((FOLDS, number, width, width))
        self._moment = np.zeros((FOLDS, number, width, height))

    def add(
        self, features: Vector, actions: Indices, values: Vector, folds: Indices, known: npt.NDArray[np.bool_]
    ) -> None:
        number = self._gram.shape[1]
        cells = np.where(known, folds * number + actions, FOLDS * number)
        order = np.argsort(cells, kind="stable")
        ends = np.searchsorted(cells[order], np.arange(FOLDS * number + 1))
        for cell in range(FOLDS * number):
            rows = order[ends[cell] : ends[cell + 1]]
            if len(rows):
                some = features[rows]
                self._gram[cell // number, cell % number] += some.T @ some
                self._moment[cell // number, cell % number] += some.T @ values[rows]

    def predict(self, features: Vector, folds: Indices) -> Vector:
        """Return what the other folds say of each row, shape (rows, actions, values)."""
        _, number, width, height = self._moment.shape
        gram, moment = _of_others(self._gram) + PENALTY * np.eye(width), _of_others(self._moment)
        slopes = np.linalg.solve(gram, moment).transpose(0, 2, 1, 3).reshape(FOLDS, width, number * height)
        found = np.empty((len(features), number, height))
        for fold in range(FOLDS):
            rows = np.flatnonzero(folds == fold)
            found[rows] = (features[rows] @ slopes[fold]).reshape(len(rows), number, height)
        return found


def _of_others(sums: Vector) -> Vector:
    """Return for each fold the sum over the others: added up without its own, which rounding would leave traces of."""
    return np.stack([np.delete(sums, fold, axis=0).sum(axis=0) for fold in range(FOLDS)])

"""What becomes of a proposal: it happens, something else happens in its place, or nothing; and whether that is known.

Limits, refusals of executors and answers of people decide that. How often they do is learned from the log by features,
for each proposed action, from other entities; where nothing ever came in between, that is exact. An action is taken to
happen as proposed until the log says otherwise, but what was never seen to happen cannot be seen.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.learners.cross_fitting import Indices, Vector, foretell


class Passages(NamedTuple):
    """Probabilities, shape (n, proposed, happened): that it happens, and that it happens and its reward is seen."""

    happens: Vector
    shows: Vector


def passages(
    features: Vector,
    folds: Indices,
    *,
    proposed: Indices,
    happened: Indices,
    seen: npt.NDArray[np.bool_],
    number: int,
) -> Passages:
    """Return what becomes of each of `number` actions at each decision, were it proposed there."""
    same = np.eye(number)
    became = same[happened]
    values = np.concatenate((became - same[proposed], became * seen[:, None] - same[proposed]), axis=1)
    known = np.ones(len(features), dtype=np.bool_)
    found = foretell(features, proposed, values, folds, number=number, known=known)
    happens = np.clip(found[:, :, :number] + same, 0.0, 1.0)
    happens /= np.maximum(happens.sum(axis=2, keepdims=True), 1e-9)
    shows = np.clip(found[:, :, number:] + same, 0.0, happens)
    shows[:, :, np.bincount(happened[seen], minlength=number) == 0] = 0.0
    return Passages(happens, shows)

"""What becomes of a proposal: it happens, something else happens in its place, or nothing; and whether that is known.

Limits, refusals of executors and answers of people decide that. How often they do is learned from the log by features,
for each proposed action, from other entities; where nothing ever came in between, that is exact. An action is taken to
happen as proposed until the log says otherwise, but what was never seen to happen cannot be seen.

A limit on exploring stops an action only where another looks better. What becomes of an action that is not stopped for
that is learned from all that were not, whyever they were proposed; of one that may be, from those alone that explored.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.learners.cross_fitting import Indices, Vector, foretell

Rows = npt.NDArray[np.bool_]


class Passages(NamedTuple):
    """Probabilities, shape (n, ways, happened): that it happens, and that it happens and its reward is seen. Behind the
    actions as proposed come those that explore.
    """

    happens: Vector
    shows: Vector


def passages(
    features: Vector,
    folds: Indices,
    *,
    proposed: Indices,
    explores: Rows,
    stopped: Rows,
    happened: Indices,
    seen: Rows,
    number: int,
    apart: tuple[int, ...] = (),
) -> Passages:
    """Return what becomes of each of `number` actions at each decision, were it proposed there; and of those `apart`,
    were it proposed although another looks better. What `explores` may be `stopped` for that.
    """
    same = np.eye(number)
    became = same[happened]
    values = np.concatenate((became - same[proposed], became * seen[:, None] - same[proposed]), axis=1)
    found = foretell(features, proposed, values, folds, number=number, known=~stopped)
    aims = [*range(number), *apart]
    if apart:
        tried = foretell(features, proposed, values, folds, number=number, known=explores)
        found = np.concatenate((found, tried[:, list(apart)]), axis=1)
    happens = np.clip(found[:, :, :number] + same[aims], 0.0, 1.0)
    happens /= np.maximum(happens.sum(axis=2, keepdims=True), 1e-9)
    shows = np.clip(found[:, :, number:] + same[aims], 0.0, happens)
    shows[:, :, np.bincount(happened[seen], minlength=number) == 0] = 0.0
    for way, action in enumerate(apart, start=number):
        if not (explores & seen & (proposed == action) & (happened == action)).any():
            shows[:, way, action] = 0.0
    return Passages(happens, shows)

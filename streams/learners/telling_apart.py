"""How well the whole shapes of two patterns tell their occurrences apart."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streams.learners.cluster import Member
from streams.learners.onset_model import OnsetModel
from streams.learners.whole_shape import PARTS, means_over

Floats = npt.NDArray[np.float64]

LATEST = PARTS // 2
"""Parts: an occurrence may be noticed so late that it shows only as many of the whole."""


def evidence_of_two(one: Sequence[Member], other: Sequence[Member], shift: int, model: OnsetModel) -> float:
    """Return by how much likelier (natural logarithm, on average) the occurrences of a pattern are by the others of
    their own than by those of the other pattern, for the pattern of which that is less. `one` lies so many positions
    further on the template of `other`.

    Each is left out where it is foretold itself. What neither foretells counts as something unknown. As an episode is
    noticed late where its first move is small, what looks like a later part of the other pattern is likely by that too.
    """
    looks, seen = _placed(one, other, shift, model.reach)
    first = np.arange(len(looks)) < len(one)
    return min(_evidence(looks, seen, group, model) for group in (first, ~first))


def _evidence(looks: Floats, seen: Floats, group: npt.NDArray[np.bool_], model: OnsetModel) -> float:
    own, own_seen = looks[group].sum(axis=0), seen[group].sum(axis=0)
    others, others_seen = looks[~group].sum(axis=0)[None], seen[~group].sum(axis=0)[None]
    gains = []
    for look, there in zip(looks[group], seen[group], strict=True):
        series = look[there > 0]
        by_own = model.scores(series, (own - look)[None], (own_seen - there)[None]).max()
        by_other = max(_as_late(series, parts, others, others_seen, model) for parts in range(LATEST, PARTS + 1))
        gains.append(max(float(by_own), 0.0) - max(by_other, 0.0))
    return sum(gains) / len(gains)


def _as_late(series: Floats, parts: int, sums: Floats, counts: Floats, model: OnsetModel) -> float:
    """Return the score of a shape as the last so many parts of a template; as if there were as many as of a whole."""
    late = slice(PARTS - parts, None)
    return float(model.scores(means_over(series, parts), sums[:, late], counts[:, late]).max()) * PARTS / parts


def _placed(one: Sequence[Member], other: Sequence[Member], shift: int, reach: int) -> tuple[Floats, Floats]:
    """Return the shapes on the positions of the template of `other`, (n, positions, metrics), and which they take."""
    shapes = [(member.shape_position + shift, member.shape) for member in one]
    shapes += [(member.shape_position, member.shape) for member in other]
    names = sorted({name for _, shape in shapes for name in shape})
    looks = np.zeros((len(shapes), PARTS + 2 * reach, len(names)))
    seen = np.zeros(looks.shape[:2])
    for place, (position, shape) in enumerate(shapes):
        stretch = slice(start := min(max(position, 0), 2 * reach), start + PARTS)
        seen[place, stretch] = 1
        for column, name in enumerate(names):
            if name in shape:
                looks[place, stretch, column] = shape[name]
    return looks, seen

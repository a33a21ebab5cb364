"""Whether the latest occurrences of a pattern are really of two patterns."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streams.learners.cluster import Member, Onset
from streams.learners.onset_model import OnsetModel

Floats = npt.NDArray[np.float64]

LEAST_MEMBERS = 3
ROUNDS = 8
UNLIKE = -1.5
"""In log likelihood per window: two groups are apart when the mean of one is that unlikely under the other."""


def parts_of(members: Sequence[Member], model: OnsetModel, windows: int, *, whole: bool = False) -> list[Member] | None:
    """Return the smaller of two groups of members that are apart, by their onsets of so many windows or by their
    `whole` shapes of so many parts, or None where they are one.

    The groups are those of 2-means, begun at the two members that are furthest apart (so nothing is drawn).
    """
    looks = {member.episode: member.shape if whole else member.onset for member in members}
    alike = [m for m in members if looks[m.episode] and all(len(one) == windows for one in looks[m.episode].values())]
    if len(alike) < 2 * LEAST_MEMBERS:
        return None
    onsets = _onsets([looks[member.episode] for member in alike], windows)
    second = _two_means(onsets.reshape(len(alike), -1))
    if second.sum() * 2 > len(alike):
        second = ~second
    if second.sum() < LEAST_MEMBERS or not (_apart(onsets, second, model) and _apart(onsets, ~second, model)):
        return None
    return [member for member, chosen in zip(alike, second.tolist(), strict=True) if chosen]


def _onsets(looks: Sequence[Onset], windows: int) -> Floats:
    names = sorted({name for look in looks for name in look})
    onsets = np.zeros((len(looks), windows, len(names)))
    for place, look in enumerate(looks):
        for name, series in look.items():
            onsets[place, :, names.index(name)] = series
    return onsets


def _two_means(points: Floats) -> npt.NDArray[np.bool_]:
    """Return which points are in the second of two groups."""
    gaps = ((points[:, None] - points) ** 2).sum(axis=2)
    first, other = divmod(int(gaps.argmax()), len(points))
    centres = points[[first, other]]
    second = np.zeros(len(points), bool)
    for _ in range(ROUNDS):
        to_first, to_second = (((points - centre) ** 2).sum(axis=1) for centre in centres)
        former, second = second, to_second < to_first
        if second.all() or not second.any() or (second == former).all():
            break
        centres = np.stack([points[~second].mean(axis=0), points[second].mean(axis=0)])
    return second


def _apart(onsets: Floats, chosen: npt.NDArray[np.bool_], model: OnsetModel) -> bool:
    """Return whether the mean of the chosen is unlikely under the others, wherever it begins."""
    others = onsets[~chosen]
    windows = onsets.shape[1]
    sums = np.zeros((1, windows + 2 * model.reach, onsets.shape[2]))
    counts = np.zeros(sums.shape[:2])
    sums[0, model.reach : model.reach + windows] = others.sum(axis=0)
    counts[0, model.reach : model.reach + windows] = len(others)
    best = model.scores(onsets[chosen].mean(axis=0), sums, counts).max()
    return bool(best < UNLIKE * windows)

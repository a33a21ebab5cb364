"""What others make of the same onsets: river's DBSTREAM, k-means told k, and the true templates themselves."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from river.cluster import DBSTREAM
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from schemas.events import Episode
from tests.bench.pattern_world import METRICS, PATTERNS, Template, shape_of

Floats = npt.NDArray[np.float64]

DBSTREAM_RADIUS = 4.0
"""Deviations; of 2, 4, 6 and 8 the best on the seeds used while building."""
HEIGHT_FACTORS = (0.6, 0.75, 0.87, 1.0, 1.15, 1.33, 1.6)
LATEST = 9
"""Windows after its start at which an episode may have been opened."""
LEAD = 1
"""Windows before it opened that an onset shows."""


def each_its_own(onsets: Sequence[Episode]) -> list[str]:
    """Return a group of its own for every onset."""
    return [str(place) for place in range(len(onsets))]


def k_means(onsets: Sequence[Episode], *, seed: int) -> list[str]:
    """Return the clusters of k-means, told how many patterns there are."""
    model = KMeans(PATTERNS, n_init=4, random_state=seed)
    return [str(label) for label in model.fit_predict(_moments(onsets))]


def dbstream(onsets: Sequence[Episode]) -> list[str]:
    """Return for each onset, when it has been learned, the nearest of DBSTREAM's micro-clusters."""
    model = DBSTREAM(clustering_threshold=DBSTREAM_RADIUS, fading_factor=1e-4, cleanup_interval=200)
    labels = []
    for row in _moments(onsets):
        model.learn_one(dict(enumerate(row.tolist())))
        micro = model._micro_clusters  # river offers no other way to them
        centres = np.array([[one.center[column] for column in range(len(row))] for one in micro.values()])
        labels.append(str(list(micro)[int(((centres - row) ** 2).sum(axis=1).argmin())]))
    return labels


def true_templates(onsets: Sequence[Episode], templates: Sequence[Template], truth: Sequence[str]) -> list[str]:
    """Return the nearest true template, whenever the episode was opened and however high it is.

    What is far from all is a group of its own, from the distance that is best in hindsight.
    """
    series = _series(onsets)
    shapes, names = _shapes(templates, series.shape[1])
    variance = 0.8 + (0.15 * shapes) ** 2
    gaps = (((series[:, None] - shapes) ** 2) / variance + np.log(variance)).sum(axis=(2, 3))
    nearest, gap = names[gaps.argmin(axis=1)], gaps.min(axis=1)
    best = max(np.quantile(gap, np.linspace(0, 1, 41)), key=lambda most: _agreement(nearest, gap, most, truth))
    return _cut(nearest, gap, best)


def _agreement(nearest: npt.NDArray[np.int64], gap: Floats, most: float, truth: Sequence[str]) -> float:
    return float(adjusted_rand_score(truth, _cut(nearest, gap, most)))


def _cut(nearest: npt.NDArray[np.int64], gap: Floats, most: float) -> list[str]:
    pairs = zip(nearest.tolist(), (gap <= most).tolist(), strict=True)
    return [f"template {name}" if near else str(place) for place, (name, near) in enumerate(pairs)]


def _shapes(templates: Sequence[Template], windows: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return what the onset of each template looks like from every window and height, and which template it is."""
    shapes, names = [], []
    for name, template in enumerate(templates):
        length = round(template.length)
        whole = np.zeros((LEAD + length + LATEST + windows, len(METRICS)))
        for move in template.moves:
            begins = int(move.lag * length)
            phase = (np.arange(length - begins) + 0.5) / (length - begins)
            whole[LEAD + begins : LEAD + length, move.metric] += move.height * shape_of(move.shape, phase)
        for start in range(LEAD + LATEST):
            shapes += [factor * whole[start : start + windows] for factor in HEIGHT_FACTORS]
            names += [name] * len(HEIGHT_FACTORS)
    return np.array(shapes), np.array(names)


def _moments(onsets: Sequence[Episode]) -> Floats:
    """Return mean, peak and trend of every metric, shape (onsets, 3 metrics)."""
    rows = np.zeros((len(onsets), len(METRICS), 3))
    for place, onset in enumerate(onsets):
        for name, one in onset.signature.items():
            rows[place, METRICS.index(name)] = one.mean, one.peak, one.trend
    return rows.reshape(len(onsets), -1)


def _series(onsets: Sequence[Episode]) -> Floats:
    """Return z, shape (onsets, windows, metrics)."""
    windows = max(len(one.series) for onset in onsets for one in onset.signature.values())
    rows = np.zeros((len(onsets), windows, len(METRICS)))
    for place, onset in enumerate(onsets):
        for name, one in onset.signature.items():
            rows[place, : len(one.series), METRICS.index(name)] = one.series
    return rows

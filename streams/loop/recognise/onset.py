"""Between the signatures in events and the series that the registry learns from."""

from collections.abc import Mapping, Sequence

from schemas.events import Episode, MetricSignature
from streams.learners.cluster import Onset
from streams.learners.signature import EVENT_PREFIX

TOKEN_Z = 6.0
"""Deviations that an event token stands for."""


def onset_of(episode: Episode) -> Onset:
    """Return z by metric and onset window, with the episode's event tokens among the metrics.

    A signature without series (an older producer's) counts with its mean.
    """
    windows = max((len(signature.series) for signature in episode.signature.values()), default=0) or 1
    onset = {
        metric: one.series if len(one.series) == windows else (one.mean,) * windows
        for metric, one in episode.signature.items()
    }
    return onset | {EVENT_PREFIX + token: (TOKEN_Z,) * windows for token in episode.tokens}


def signature_of(series: Mapping[str, Sequence[float]]) -> dict[str, MetricSignature]:
    """Return the signature of mean series of z by metric."""
    return {
        metric: MetricSignature(
            mean=sum(values) / len(values),
            peak=max(values, key=abs),
            trend=_slope(values),
            series=tuple(round(value, 3) for value in values),
        )
        for metric, values in sorted(series.items())
    }


def _slope(values: Sequence[float]) -> float:
    """Return the least-squares slope per window (0 for a single window)."""
    middle = (len(values) - 1) / 2
    spread = sum((index - middle) ** 2 for index in range(len(values)))
    return sum((index - middle) * value for index, value in enumerate(values)) / spread if spread else 0.0

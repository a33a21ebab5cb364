"""From the signature in an event to the series that the registry learns from."""

from schemas.events import Episode
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

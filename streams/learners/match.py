"""Where the registry counted an episode, and what changed with that."""

from dataclasses import dataclass

from streams.learners.cluster import Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Where an onset went.

    `novelty` is the probability, before the onset was learned, that it belonged to no pattern known then (1 without
    any); `distance` how unlike the nearest it was, in [0, 1]: 0.5 where it was as likely as something unknown.
    """

    cluster: Cluster
    joined: Cluster
    """What the onset joined at first: another than `cluster` only where it is in a part that split off at once."""
    distance: float
    novelty: float
    merged: tuple[Cluster, ...]
    """Clusters that `joined` took in."""
    split: tuple[Cluster, ...]
    """Clusters that `joined` turned out to be besides itself."""
    faded: tuple[Cluster, ...]
    """Clusters that lost their place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """Where an episode is counted now that its whole shape is known."""

    cluster: Cluster
    left: Cluster | None = None
    """What it was counted to before, where that is another pattern and goes on."""
    gone: Cluster | None = None
    """What it was on the way: a part of `left` that became a part of `cluster`."""
    merged: tuple[Cluster, ...] = ()
    """Clusters that `cluster` took in."""
    split: tuple[Cluster, ...] = ()
    """Clusters that `cluster` turned out to be besides itself."""
    faded: tuple[Cluster, ...] = ()
    """Clusters that lost their place."""

    @property
    def regroups(self) -> bool:
        """Whether any pattern's occurrences are others than before."""
        return bool(self.left or self.merged or self.split)

    @property
    def changed(self) -> tuple[Cluster, ...]:
        """The patterns whose occurrences are others than before, that of the episode last."""
        left = () if self.left is None else (self.left,)
        return (*self.split, *left, self.cluster)

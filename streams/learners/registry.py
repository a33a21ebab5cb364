"""The registry of recurring patterns: clusters of onset directions whose ids are never used twice."""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from streams.learners.signature import Vector, distance, moved_towards

RECENT = 16


class Cluster(msgspec.Struct):
    """One pattern. `vector` is the running mean direction; `moments` the mean of the raw (mean, peak, trend)."""

    id: str
    vector: Vector
    moments: dict[str, tuple[float, float, float]]
    support: int
    first_us: int
    last_us: int
    starts_us: list[int]
    durations_us: list[tuple[str, int]]
    episodes: list[str]
    faded: bool = False

    def period_us(self) -> int | None:
        """Return the median gap between occurrences, where there are enough and three in four are within a quarter."""
        starts = sorted(self.starts_us)
        gaps = sorted(later - earlier for earlier, later in pairwise(starts) if later > earlier)
        if len(gaps) < 5:
            return None
        median = gaps[len(gaps) // 2]
        spread = sorted(abs(gap - median) for gap in gaps)[3 * len(gaps) // 4]
        return median if spread <= median / 4 else None

    def duration_us(self) -> int | None:
        """Return the median time from opening to closing of the latest occurrences."""
        durations = sorted(duration for _, duration in self.durations_us)
        return durations[len(durations) // 2] if durations else None

    def learn_duration(self, episode: str, duration_us: int) -> None:
        """Note how long an episode took, once."""
        if all(known != episode for known, _ in self.durations_us):
            self.durations_us = [*self.durations_us, (episode, duration_us)][-RECENT:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Where an onset went. `distance` is to the nearest cluster known before (1 without any)."""

    cluster: Cluster
    distance: float
    is_new: bool
    merged: tuple[Cluster, ...]
    """Clusters that `cluster` took in."""
    faded: tuple[Cluster, ...]
    """Clusters that lost their place."""


class _State(msgspec.Struct):
    minted: int
    active: list[Cluster]
    remembered: list[Cluster]
    aliases: list[tuple[str, str]]


class PatternRegistry:
    """Leader clustering of directions, online and bounded.

    An onset joins the nearest cluster within `radius` (1 - cosine), or founds one. Two clusters that have grown
    together (within `merge_radius`) become one: the one of more support, or else the older, keeps its id, and the
    other's becomes its alias. When there are more than `limit`, the one of least support (then the one not seen for
    longest) is faded: no longer matched first, but remembered, so that it comes back under its own id.
    """

    def __init__(self, *, radius: float, merge_radius: float, limit: int, remembered_limit: int) -> None:
        self._radius = radius
        self._merge_radius = merge_radius
        self._limit = limit
        self._remembered_limit = remembered_limit
        self._minted = 0
        self._active: dict[str, Cluster] = {}
        self._remembered: OrderedDict[str, Cluster] = OrderedDict()
        self._aliases: OrderedDict[str, str] = OrderedDict()

    def learn(
        self, vector: Vector, moments: dict[str, tuple[float, float, float]], *, episode: str, time_us: int
    ) -> Match:
        """Take an onset in, and return where it went."""
        nearest, gap = self._nearest(vector)
        is_new = nearest is None or gap > self._radius
        cluster = self._found(vector, time_us) if nearest is None or is_new else self._recall(nearest)
        _extend(cluster, vector, moments, episode, time_us)
        cluster, merged = self._merge(cluster)
        return Match(cluster=cluster, distance=gap, is_new=is_new, merged=merged, faded=self._make_room(cluster))

    def resolve(self, pattern: str) -> Cluster | None:
        """Return the cluster of an id, of an alias, or of a faded pattern that is still remembered."""
        for _ in range(len(self._aliases) + 1):
            if pattern not in self._aliases:
                break
            pattern = self._aliases[pattern]
        return self._active.get(pattern) or self._remembered.get(pattern)

    def fade(self, pattern: str) -> Cluster:
        """Fade an active cluster, and return it."""
        cluster = self._active[pattern]
        self._forget(cluster)
        return cluster

    def snapshot(self) -> bytes:
        """Return all clusters; equal states give equal bytes."""
        state = _State(
            minted=self._minted,
            active=list(self._active.values()),
            remembered=list(self._remembered.values()),
            aliases=list(self._aliases.items()),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace all clusters by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._minted = state.minted
        self._active = {cluster.id: cluster for cluster in state.active}
        self._remembered = OrderedDict((cluster.id, cluster) for cluster in state.remembered)
        self._aliases = OrderedDict(state.aliases)

    def _nearest(self, vector: Vector) -> tuple[Cluster | None, float]:
        """Return the nearest cluster and its distance; a remembered one only where no active one is within reach."""
        best: tuple[Cluster | None, float] = (None, 1.0)
        for clusters in (self._active, self._remembered):
            for cluster in clusters.values():
                gap = distance(vector, cluster.vector)
                if best[0] is None or gap < best[1]:
                    best = (cluster, gap)
            if best[0] is not None and best[1] <= self._radius:
                break
        return best

    def _found(self, vector: Vector, time_us: int) -> Cluster:
        self._minted += 1
        cluster = Cluster(
            id=f"p-{self._minted}",
            vector=vector,
            moments={},
            support=0,
            first_us=time_us,
            last_us=time_us,
            starts_us=[],
            durations_us=[],
            episodes=[],
        )
        self._active[cluster.id] = cluster
        return cluster

    def _recall(self, cluster: Cluster) -> Cluster:
        if self._remembered.pop(cluster.id, None) is not None:
            cluster.faded = False
            self._active[cluster.id] = cluster
        return cluster

    def _merge(self, cluster: Cluster) -> tuple[Cluster, tuple[Cluster, ...]]:
        """Merge the cluster that has just moved with those it has met; return the survivor and what it took in."""
        taken: list[Cluster] = []
        for other in list(self._active.values()):
            is_gone = other.id not in self._active  # the one that moved may itself have been taken in by now
            if other is cluster or is_gone or distance(cluster.vector, other.vector) > self._merge_radius:
                continue
            keeps, gives = sorted((cluster, other), key=lambda c: (-c.support, c.first_us, int(c.id[2:])))
            _take_in(keeps, gives)
            del self._active[gives.id]
            self._aliases[gives.id] = keeps.id
            while len(self._aliases) > self._remembered_limit:
                self._aliases.popitem(last=False)
            taken.append(gives)
            cluster = keeps
        return cluster, tuple(taken)

    def _make_room(self, newest: Cluster) -> tuple[Cluster, ...]:
        surplus = len(self._active) - self._limit
        if surplus <= 0:
            return ()
        others = [cluster for cluster in self._active.values() if cluster is not newest]
        others.sort(key=lambda cluster: (cluster.support, cluster.last_us, int(cluster.id[2:])))
        for cluster in others[:surplus]:
            self._forget(cluster)
        return tuple(others[:surplus])

    def _forget(self, cluster: Cluster) -> None:
        del self._active[cluster.id]
        cluster.faded = True
        self._remembered[cluster.id] = cluster
        while len(self._remembered) > self._remembered_limit:
            self._remembered.popitem(last=False)


def _extend(
    cluster: Cluster, vector: Vector, moments: dict[str, tuple[float, float, float]], episode: str, time_us: int
) -> None:
    """Count one more occurrence; the mean direction goes on moving, by a thirtieth at least."""
    cluster.support += 1
    weight = 1 / min(cluster.support, 30)
    cluster.vector = moved_towards(cluster.vector, vector, weight)
    cluster.moments = _mixed(cluster.moments, moments, weight)
    cluster.last_us = max(cluster.last_us, time_us)
    cluster.starts_us = [*cluster.starts_us, time_us][-RECENT:]
    cluster.episodes = [*cluster.episodes, episode][-RECENT:]


def _take_in(keeps: Cluster, gives: Cluster) -> None:
    weight = gives.support / (keeps.support + gives.support)
    keeps.vector = moved_towards(keeps.vector, gives.vector, weight)
    keeps.moments = _mixed(keeps.moments, gives.moments, weight)
    keeps.support += gives.support
    keeps.first_us = min(keeps.first_us, gives.first_us)
    keeps.last_us = max(keeps.last_us, gives.last_us)
    keeps.starts_us = sorted(keeps.starts_us + gives.starts_us)[-RECENT:]
    keeps.durations_us = (gives.durations_us + keeps.durations_us)[-RECENT:]
    keeps.episodes = (gives.episodes + keeps.episodes)[-RECENT:]


def _mixed(
    old: dict[str, tuple[float, float, float]], new: dict[str, tuple[float, float, float]], weight: float
) -> dict[str, tuple[float, float, float]]:
    """Return the weighted mean of both, metric by metric; an absent one is 0, and one that fades out is dropped."""
    nothing = (0.0, 0.0, 0.0)
    mixed = {}
    for metric in sorted(old.keys() | new.keys()):
        pairs = zip(old.get(metric, nothing), new.get(metric, nothing), strict=True)
        mean, peak, trend = ((1 - weight) * a + weight * b for a, b in pairs)
        if max(abs(mean), abs(peak)) > 1e-3:
            mixed[metric] = (mean, peak, trend)
    return mixed

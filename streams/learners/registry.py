"""The registry of recurring patterns: clusters of onsets whose ids are never used twice."""

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from streams.learners.cluster import Cluster, Member, Onset, new_cluster
from streams.learners.onset_model import OnsetModel
from streams.learners.onset_noise import OnsetNoise
from streams.learners.signature import describe
from streams.learners.splitting import parts_of
from streams.learners.template_table import Template, TemplateTable

MOST_WINDOWS = 8
"""Windows of an onset that count."""
REACH = 3
"""Windows that an onset may begin earlier or later than the first one of its pattern."""
COLUMN_LIMIT = 256
"""Metrics over all patterns."""
CONCENTRATION = 1.0
"""How easily the first patterns are found, in occurrences."""
SPLIT_SUPPORT = 8
"""From so many occurrences on, at every fourth, a pattern is looked at for being two."""


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


@dataclass(frozen=True, slots=True)
class _Place:
    """Where on which template an onset is likeliest: the log odds of belonging there, and the log ratio per window."""

    row: int
    position: int
    odds: float
    likeness: float


_NOWHERE = _Place(-1, REACH, -np.inf, -np.inf)


class _State(msgspec.Struct):
    minted: int
    noise: OnsetNoise
    active: list[Cluster]
    table: bytes
    remembered: list[Cluster]
    remembered_table: bytes
    aliases: list[tuple[str, str]]


class PatternRegistry:
    """Sequential clustering of onsets by likelihood, online and bounded.

    An onset joins the pattern under which it is likeliest, or founds one where it is likelier as something new. The
    more often a pattern occurred, the less that takes, and the more, the more patterns there are already: where much
    occurred but once, the next will too (a Pitman-Yor process, Pitman and Yor 1997, with this `discount` and decided at
    once). Two patterns of which one's mean is likely under the other (`merge_evidence`, natural logarithm of the ratio
    to something unknown, per window) become one: the one of more support, or else the older, keeps its id, and the
    other's becomes its alias. A pattern whose latest occurrences are two groups that are not likely under each other
    splits. When there are more than `limit`, the one of least support (then the one not seen for longest) is faded: no
    longer matched first, but remembered, so that it comes back under its own id.
    """

    def __init__(self, *, discount: float, merge_evidence: float, limit: int, remembered_limit: int) -> None:
        self._discount = discount
        self._merge_evidence = merge_evidence
        self._limit = limit
        self._remembered_limit = remembered_limit
        self._minted = 0
        self._noise = OnsetNoise()
        self._active: dict[str, Cluster] = {}
        self._table = _new_table()
        self._remembered: OrderedDict[str, Cluster] = OrderedDict()
        self._remembered_table = _new_table()
        self._aliases: OrderedDict[str, str] = OrderedDict()

    def learn(self, onset: Onset, *, episode: str, time_us: int) -> Match:
        """Take an onset in, and return where it went."""
        onset = {metric: series[:MOST_WINDOWS] for metric, series in onset.items()}
        place = self._nearest(onset)
        row, position = (place.row, place.position) if place.odds > 0 else (self._found(time_us), REACH)
        series = self._table.matrix(onset)
        cluster = self._active[self._table.ids[row]]
        self._table.add(row, position, series)
        cluster.count(Member(episode, time_us, position, onset))
        self._noise.learn(series)
        joined, merged = self._merge(cluster, len(series))
        split = self._split(joined, len(series))
        for changed in (joined, *split):
            changed.name = describe(self._table.mean(self._table.row(changed.id)))
        return Match(
            cluster=next((part for part in split if episode in part.episodes), joined),
            joined=joined,
            distance=_share(-place.likeness),
            novelty=_share(-place.odds),
            merged=merged,
            split=split,
            faded=self._make_room((joined, *split)),
        )

    def series_of(self, cluster: Cluster) -> dict[str, list[float]]:
        """Return the mean z by metric over the windows that a quarter of a pattern's occurrences or more have seen.

        What is not remembered any more has none.
        """
        table = self._remembered_table if cluster.faded else self._table
        return table.mean(table.row(cluster.id)) if cluster.id in table.ids else {}

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
            noise=self._noise,
            active=list(self._active.values()),
            table=self._table.snapshot(),
            remembered=list(self._remembered.values()),
            remembered_table=self._remembered_table.snapshot(),
            aliases=list(self._aliases.items()),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace all clusters by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._minted = state.minted
        self._noise = state.noise
        self._active = {cluster.id: cluster for cluster in state.active}
        self._table.restore(state.table)
        self._remembered = OrderedDict((cluster.id, cluster) for cluster in state.remembered)
        self._remembered_table.restore(state.remembered_table)
        self._aliases = OrderedDict(state.aliases)

    def _model(self) -> OnsetModel:
        return OnsetModel(noise=self._noise.deviation, moving=self._noise.moving, reach=REACH)

    def _nearest(self, onset: Onset) -> _Place:
        """Return where an onset is likeliest; what is remembered comes back only where no active pattern fits."""
        place = self._best(self._table, self._active, onset)
        if place.odds > 0 or not len(self._remembered_table):
            return place
        former = self._best(self._remembered_table, self._remembered, onset)
        if former.odds > 0:
            return replace(former, row=self._recall(self._remembered_table.ids[former.row]))
        self._remembered_table.prune()
        return max(place, former, key=lambda one: one.odds)

    def _best(self, table: TemplateTable, clusters: Mapping[str, Cluster], onset: Onset) -> _Place:
        series = table.matrix(onset)
        if not len(table):
            return _NOWHERE
        support = np.array([clusters[identity].support for identity in table.ids], float)
        scores = self._model().scores(series, table.sums, table.counts)
        found = CONCENTRATION + self._discount * len(self._active)
        odds = scores + np.log((support - self._discount) / found)[:, None]
        row, position = divmod(int(odds.argmax()), odds.shape[1])
        return _Place(row, position, float(odds[row, position]), float(scores[row, position]) / len(series))

    def _found(self, time_us: int) -> int:
        identity = self._mint()
        self._active[identity] = new_cluster(identity, time_us)
        return self._table.append(identity)

    def _mint(self) -> str:
        self._minted += 1
        return f"p-{self._minted}"

    def _recall(self, identity: str) -> int:
        cluster = self._remembered.pop(identity)
        cluster.faded = False
        self._active[identity] = cluster
        return self._table.push(identity, self._remembered_table.pop(identity))

    def _merge(self, cluster: Cluster, windows: int) -> tuple[Cluster, tuple[Cluster, ...]]:
        """Merge the cluster that has just moved with those it has met; return the survivor and what it took in."""
        taken: list[Cluster] = []
        while _is_time_to_merge(cluster.support):
            row = self._table.row(cluster.id)
            others = [
                place
                for place, identity in enumerate(self._table.ids)
                if place != row and self._active[identity].support >= 2
            ]
            if not others:
                break
            start, mean = self._table.core(row, windows)
            scores = self._model().scores(mean, self._table.sums[others], self._table.counts[others])
            met, position = divmod(int(scores.argmax()), scores.shape[1])
            if scores[met, position] < self._merge_evidence * windows:
                break
            other = self._active[self._table.ids[others[met]]]
            cluster, gone = self._join(cluster, other, position - start)
            taken.append(gone)
        return cluster, tuple(taken)

    def _join(self, one: Cluster, other: Cluster, shift: int) -> tuple[Cluster, Cluster]:
        """Make two clusters one, and return both, the survivor first. What is at a position of `one` is `shift` further
        on the other.
        """
        keeps, gives = sorted((one, other), key=lambda c: (-c.support, c.first_us, c.number))
        shift = shift if keeps is other else -shift
        keeps.take_in(gives, shift)
        self._table.join(self._table.row(keeps.id), self._table.row(gives.id), shift)
        del self._active[gives.id]
        self._aliases[gives.id] = keeps.id
        while len(self._aliases) > self._remembered_limit:
            self._aliases.popitem(last=False)
        return keeps, gives

    def _split(self, cluster: Cluster, windows: int) -> tuple[Cluster, ...]:
        """Part the cluster that has just moved from a group of its members that is not like the others."""
        if cluster.support < SPLIT_SUPPORT or cluster.support % 4:
            return ()
        parts = parts_of(cluster.members, self._model(), windows)
        if parts is None:
            return ()
        other = cluster.let_go(parts, self._mint())
        self._active[other.id] = other
        for changed, row in ((cluster, self._table.row(cluster.id)), (other, self._table.append(other.id))):
            self._table.clear(row)
            self._table.add_all(row, [(member.position, member.onset) for member in changed.members])
        return (other,)

    def _make_room(self, newest: tuple[Cluster, ...]) -> tuple[Cluster, ...]:
        surplus = len(self._active) - self._limit
        if surplus <= 0:
            return ()
        spared = {cluster.id for cluster in newest}
        others = [cluster for cluster in self._active.values() if cluster.id not in spared]
        others.sort(key=lambda cluster: (cluster.support, cluster.last_us, cluster.number))
        for cluster in others[:surplus]:
            self._forget(cluster)
        return tuple(others[:surplus])

    def _forget(self, cluster: Cluster) -> None:
        del self._active[cluster.id]
        cluster.faded = True
        cluster.members = []
        self._remembered[cluster.id] = cluster
        template: Template = self._table.pop(cluster.id)
        self._remembered_table.push(cluster.id, template)
        while len(self._remembered) > self._remembered_limit:
            oldest, _ = self._remembered.popitem(last=False)
            self._remembered_table.pop(oldest)


def _is_time_to_merge(support: int) -> bool:
    """Whether to look for like patterns: while young at every occurrence, later at every fourth."""
    return 2 <= support <= 4 or (support > 4 and support % 4 == 0)


def _share(log_odds: float) -> float:
    """Return a probability from its log odds."""
    return 1 / (1 + math.exp(-log_odds)) if log_odds > -500 else 0.0


def _new_table() -> TemplateTable:
    return TemplateTable(positions=MOST_WINDOWS + 2 * REACH, column_limit=COLUMN_LIMIT)

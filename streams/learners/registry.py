"""The registry of recurring patterns: clusters of onsets whose ids are never used twice."""

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from streams.learners.cluster import Cluster, Member, Onset
from streams.learners.likeness import position_on, scores_of
from streams.learners.match import Match, Revision
from streams.learners.onset_model import OnsetModel
from streams.learners.onset_noise import OnsetNoise
from streams.learners.patterns import Patterns
from streams.learners.regrouping import Regrouping
from streams.learners.signature import describe
from streams.learners.template_table import TemplateTable
from streams.learners.templates import MOST_WINDOWS, REACH, SHAPE_REACH, Templates
from streams.learners.whole_shape import in_parts

CONCENTRATION = 1.0
"""How easily the first patterns are found, in occurrences."""
LEAST_SUPPORT = 1e-9
"""What an occurrence that is the only one of its pattern says for it."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where on which template an onset or a shape is likeliest: the log odds of belonging there, and the log ratio per
    window.
    """

    row: int
    position: int
    odds: float
    likeness: float


_NOWHERE = _Place(-1, REACH, -np.inf, -np.inf)


class _State(msgspec.Struct):
    minted: int
    noise: OnsetNoise
    shape_noise: OnsetNoise
    active: list[Cluster]
    templates: bytes
    remembered: list[Cluster]
    remembered_templates: bytes
    aliases: list[tuple[str, str]]


class PatternRegistry:
    """Sequential clustering of onsets by likelihood, online and bounded.

    An onset joins the pattern under which it is likeliest, or founds one where it is likelier as something new. The
    more often a pattern occurred, the less that takes, and the more, the more patterns there are already: where much
    occurred but once, the next will too (a Pitman-Yor process, Pitman and Yor 1997, with this `discount` and decided at
    once). When the episode is over, its whole shape decides in the same way where it is counted from then on.

    Two patterns of which one's mean is likely under the other (`merge_evidence`, natural logarithm of the ratio to
    something unknown, per window) become one: the one of more support, or else the older, keeps its id, and the other's
    becomes its alias. A pattern whose latest occurrences are two groups that are not likely under each other splits.
    Both are judged by whole shapes where they are known, else by onsets. When there are more than `limit`, the one of
    least support (then the one not seen for longest) is faded: no longer matched first, but remembered, so that it
    comes back under its own id.
    """

    def __init__(self, *, discount: float, merge_evidence: float, limit: int, remembered_limit: int) -> None:
        self._discount = discount
        self._merge_evidence = merge_evidence
        self._limit = limit
        self._remembered_limit = remembered_limit
        self._noise = OnsetNoise()
        self._shape_noise = OnsetNoise()
        self._patterns = Patterns()
        self._remembered: OrderedDict[str, Cluster] = OrderedDict()
        self._remembered_templates = Templates()
        self._aliases: OrderedDict[str, str] = OrderedDict()

    def learn(self, onset: Onset, *, episode: str, time_us: int) -> Match:
        """Take an onset in, and return where it went."""
        onset = {metric: series[:MOST_WINDOWS] for metric, series in onset.items()}
        place = self._nearest(onset)
        row, position = (place.row, place.position) if place.odds > 0 else (self._patterns.found(time_us), REACH)
        table = self._patterns.templates.onsets
        series = table.matrix(onset)
        table.add(row, position, series)
        cluster = self._patterns.at(row)
        cluster.count(Member(episode, time_us, position, onset))
        self._noise.learn(series)
        regrouping = self._regrouping()
        joined, merged = regrouping.merge_onsets(cluster, len(series))
        self._alias(joined, merged)
        split = regrouping.split_onsets(joined, len(series))
        self._describe(joined, *split)
        return Match(
            cluster=next((part for part in split if episode in part.episodes), joined),
            joined=joined,
            distance=_share(-place.likeness),
            novelty=_share(-place.odds),
            merged=merged,
            split=split,
            faded=self._make_room((joined, *split)),
        )

    def revise(self, pattern: str, *, episode: str, series: Onset) -> Revision | None:
        """Learn what an episode looked like from beginning to end, and return where it is counted now; None where that
        episode is no longer known of the pattern.
        """
        cluster = self.resolve(pattern)
        member = None if cluster is None else cluster.member(episode)
        if cluster is None or member is None or member.shape:
            return None
        member.shape, member.shape_position = in_parts(series), SHAPE_REACH
        place = self._whole(cluster, member)
        cluster.shapes += 1
        self._shape_noise.learn(self._patterns.templates.shapes.matrix(member.shape))
        revision = self._recount(cluster, member, place)
        if revision.regroups:
            self._describe(*revision.changed)
        return replace(revision, faded=self._make_room(revision.changed))

    def series_of(self, cluster: Cluster) -> dict[str, list[float]]:
        """Return the mean z by metric over the windows that a quarter of a pattern's occurrences or more have seen.

        What is not remembered any more has none.
        """
        table = (self._remembered_templates if cluster.faded else self._patterns.templates).onsets
        return table.mean(table.row(cluster.id)) if cluster.id in table.ids else {}

    def resolve(self, pattern: str) -> Cluster | None:
        """Return the cluster of an id, of an alias, or of a faded pattern that is still remembered."""
        for _ in range(len(self._aliases) + 1):
            if pattern not in self._aliases:
                break
            pattern = self._aliases[pattern]
        return self._patterns.clusters.get(pattern) or self._remembered.get(pattern)

    def fade(self, pattern: str) -> Cluster:
        """Fade an active cluster, and return it."""
        cluster = self._patterns.clusters[pattern]
        self._forget(cluster)
        return cluster

    def snapshot(self) -> bytes:
        """Return all clusters; equal states give equal bytes."""
        state = _State(
            minted=self._patterns.minted,
            noise=self._noise,
            shape_noise=self._shape_noise,
            active=list(self._patterns.clusters.values()),
            templates=self._patterns.templates.snapshot(),
            remembered=list(self._remembered.values()),
            remembered_templates=self._remembered_templates.snapshot(),
            aliases=list(self._aliases.items()),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace all clusters by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._noise, self._shape_noise = state.noise, state.shape_noise
        self._patterns.minted = state.minted
        self._patterns.clusters = {cluster.id: cluster for cluster in state.active}
        self._patterns.templates.restore(state.templates)
        self._remembered = OrderedDict((cluster.id, cluster) for cluster in state.remembered)
        self._remembered_templates.restore(state.remembered_templates)
        self._aliases = OrderedDict(state.aliases)

    def _onsets(self) -> OnsetModel:
        """Return how onsets vary."""
        return OnsetModel(noise=self._noise.deviation, moving=self._noise.moving, reach=REACH)

    def _shapes(self) -> OnsetModel:
        """Return how whole shapes vary."""
        return OnsetModel(noise=self._shape_noise.deviation, moving=self._shape_noise.moving, reach=SHAPE_REACH)

    def _regrouping(self) -> Regrouping:
        return Regrouping(self._patterns, self._onsets(), self._shapes(), self._merge_evidence)

    def _nearest(self, onset: Onset) -> _Place:
        """Return where an onset is likeliest; what is remembered comes back only where no active pattern fits."""
        model = self._onsets()
        place = self._best(self._patterns.templates.onsets, model, self._patterns.clusters, onset)
        former = self._remembered_templates
        if place.odds > 0 or not len(former):
            return place
        again = self._best(former.onsets, model, self._remembered, onset)
        if again.odds > 0:
            return replace(again, row=self._recall(former.ids[again.row]))
        former.prune()
        return max(place, again, key=lambda one: one.odds)

    def _best(self, table: TemplateTable, model: OnsetModel, clusters: Mapping[str, Cluster], look: Onset) -> _Place:
        series = table.matrix(look)
        if not len(table):
            return _NOWHERE
        support = np.array([clusters[identity].support for identity in table.ids], float)
        scores = scores_of(table, model, series)
        found = CONCENTRATION + self._discount * len(self._patterns)
        odds = scores + np.log(np.maximum(support - self._discount, LEAST_SUPPORT) / found)[:, None]
        row, position = divmod(int(odds.argmax()), odds.shape[1])
        return _Place(row, position, float(odds[row, position]), float(scores[row, position]) / len(series))

    def _whole(self, cluster: Cluster, member: Member) -> _Place:
        """Return where a whole shape is likeliest; its own episode does not speak for its pattern."""
        cluster.support -= 1
        shapes = self._patterns.templates.shapes
        place = self._best(shapes, self._shapes(), self._patterns.clusters, member.shape)
        cluster.support += 1
        return place

    def _recount(self, cluster: Cluster, member: Member, place: _Place) -> Revision:
        """Count an episode where its whole shape is likeliest, or by itself where it is unlike its own pattern."""
        templates, regrouping = self._patterns.templates, self._regrouping()
        target = self._patterns.at(place.row) if place.odds > 0 else None
        row = self._patterns.row(cluster)
        if target is None and templates.shapes.counts[row].any():
            return Revision(cluster=self._patterns.part(cluster, member), left=cluster)
        if target is not None and target is not cluster and cluster.support > 1:
            onset = templates.onsets.matrix(member.onset)
            position = position_on(templates.onsets, regrouping.onsets, place.row, onset)
            member.shape_position = place.position
            return Revision(cluster=target, left=cluster, gone=self._patterns.move(cluster, member, target, position))
        if target is cluster:
            member.shape_position = place.position
        templates.shapes.add(row, member.shape_position, templates.shapes.matrix(member.shape))
        windows = len(templates.onsets.matrix(member.onset))
        merged: tuple[Cluster, ...] = ()
        if target is not None and target is not cluster:
            shift = place.position - member.shape_position
            cluster, gone = regrouping.join(cluster, target, windows=windows, shape_shift=shift)
            merged = (gone,)
        cluster, more = regrouping.merge_shapes(cluster, windows)
        merged = (*merged, *more)
        self._alias(cluster, merged)
        return Revision(cluster=cluster, merged=merged, split=regrouping.split_shapes(cluster))

    def _alias(self, cluster: Cluster, merged: tuple[Cluster, ...]) -> None:
        """Note under which id patterns are found that were taken in."""
        self._aliases |= {gone.id: cluster.id for gone in merged}
        while len(self._aliases) > self._remembered_limit:
            self._aliases.popitem(last=False)

    def _describe(self, *clusters: Cluster) -> None:
        for cluster in clusters:
            cluster.name = describe(self.series_of(cluster))

    def _recall(self, identity: str) -> int:
        cluster = self._remembered.pop(identity)
        cluster.faded = False
        return self._patterns.push(cluster, self._remembered_templates.pop(identity))

    def _make_room(self, newest: tuple[Cluster, ...]) -> tuple[Cluster, ...]:
        surplus = len(self._patterns) - self._limit
        if surplus <= 0:
            return ()
        spared = {cluster.id for cluster in newest}
        others = [cluster for cluster in self._patterns.clusters.values() if cluster.id not in spared]
        others.sort(key=lambda cluster: (cluster.support, cluster.last_us, cluster.number))
        for cluster in others[:surplus]:
            self._forget(cluster)
        return tuple(others[:surplus])

    def _forget(self, cluster: Cluster) -> None:
        pair = self._patterns.pop(cluster)
        cluster.faded = True
        cluster.members = []
        self._remembered[cluster.id] = cluster
        self._remembered_templates.push(cluster.id, pair)
        while len(self._remembered) > self._remembered_limit:
            oldest, _ = self._remembered.popitem(last=False)
            self._remembered_templates.pop(oldest)


def _share(log_odds: float) -> float:
    """Return a probability from its log odds."""
    return 1 / (1 + math.exp(-log_odds)) if log_odds > -500 else 0.0

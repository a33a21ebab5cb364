"""Which patterns are one, and which is two: by their whole shapes where those are known, else by their onsets."""

from dataclasses import dataclass

from streams.learners.cluster import Cluster
from streams.learners.likeness import alike, shift_between
from streams.learners.onset_model import OnsetModel
from streams.learners.patterns import Patterns
from streams.learners.splitting import parts_of
from streams.learners.telling_apart import evidence_of_two
from streams.learners.whole_shape import PARTS

SPLIT_SUPPORT = 8
"""From so many occurrences on, at every fourth, a pattern is looked at for being two."""
LEAST_SHAPES = 2
"""Of so many occurrences the whole shape must be known for it to be judged by."""
TOLD_APART = 3.0
"""In log likelihood: patterns are two whose occurrences are each, on average, so much likelier by their own (20 times).
"""


@dataclass(frozen=True, slots=True)
class Regrouping:
    """Merges and splits the patterns, as `onsets` and `shapes` vary; each window of an onset, and each part of a shape,
    must be `evidence` likelier under a pattern than as something unknown for its patterns to be one.
    """

    patterns: Patterns
    onsets: OnsetModel
    shapes: OnsetModel
    evidence: float

    def merge_onsets(self, cluster: Cluster, windows: int) -> tuple[Cluster, tuple[Cluster, ...]]:
        """Merge the pattern that has just grown with those it has met; return the survivor and what it took in."""
        taken: list[Cluster] = []
        templates, at = self.patterns.templates, self.patterns.at
        while _is_time_to_merge(cluster.support):
            row = self.patterns.row(cluster)
            near = [other for other in range(len(templates)) if other != row and at(other).support >= 2]
            near = [other for other in near if min(at(other).shapes, cluster.shapes) < LEAST_SHAPES]
            met = alike(templates.onsets, self.onsets, row, near, windows=windows, evidence=self.evidence)
            if met is None:
                break
            shape_shift = shift_between(templates.shapes, self.shapes, row, met[0], PARTS)
            cluster, gone = self.patterns.join(cluster, at(met[0]), shift=met[1], shape_shift=shape_shift)
            taken.append(gone)
        return cluster, tuple(taken)

    def merge_shapes(self, cluster: Cluster, windows: int) -> tuple[Cluster, tuple[Cluster, ...]]:
        """Merge as by onsets (of so many windows) when a whole shape was learned."""
        taken: list[Cluster] = []
        templates, at = self.patterns.templates, self.patterns.at
        while _is_time_to_merge(cluster.shapes):
            row = self.patterns.row(cluster)
            near = [other for other in range(len(templates)) if other != row and at(other).shapes >= LEAST_SHAPES]
            met = alike(templates.shapes, self.shapes, row, near, windows=PARTS, evidence=self.evidence)
            if met is None or self._told_apart(cluster, at(met[0]), met[1]):
                break
            cluster, gone = self.join(cluster, at(met[0]), windows=windows, shape_shift=met[1])
            taken.append(gone)
        return cluster, tuple(taken)

    def _told_apart(self, one: Cluster, other: Cluster, shape_shift: int) -> bool:
        """Whether occurrences show that two patterns are two whose means are alike: near-twins."""
        first, second = ([member for member in cluster.members if member.shape] for cluster in (one, other))
        return bool(first and second) and evidence_of_two(first, second, shape_shift, self.shapes) > TOLD_APART

    def join(self, one: Cluster, other: Cluster, *, windows: int, shape_shift: int) -> tuple[Cluster, Cluster]:
        """Make two patterns one whose shapes lie so far apart, and return both, the survivor first."""
        rows = self.patterns.row(one), self.patterns.row(other)
        shift = shift_between(self.patterns.templates.onsets, self.onsets, *rows, windows)
        return self.patterns.join(one, other, shift=shift, shape_shift=shape_shift)

    def split_onsets(self, cluster: Cluster, windows: int) -> tuple[Cluster, ...]:
        """Part the pattern that has just grown from a group of its occurrences that is not like the others."""
        if not _is_time_to_split(cluster.support) or 2 * cluster.shapes >= cluster.support:
            return ()
        parts = parts_of(cluster.members, self.onsets, windows)
        return () if parts is None else (self.patterns.split(cluster, parts),)

    def split_shapes(self, cluster: Cluster) -> tuple[Cluster, ...]:
        """Part as by onsets when a whole shape was learned."""
        if not _is_time_to_split(cluster.shapes):
            return ()
        parts = parts_of(cluster.members, self.shapes, PARTS, whole=True)
        return () if parts is None else (self.patterns.split(cluster, parts),)


def _is_time_to_merge(count: int) -> bool:
    """Whether to look for like patterns: while young at every occurrence, later at every fourth."""
    return 2 <= count <= 4 or (count > 4 and count % 4 == 0)


def _is_time_to_split(count: int) -> bool:
    return count >= SPLIT_SUPPORT and count % 4 == 0

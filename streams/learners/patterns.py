"""The active patterns: what is known of each, and what they look like, kept in step."""

from streams.learners.cluster import Cluster, Member, new_cluster
from streams.learners.templates import Pair, Templates


class Patterns:
    """Clusters by id, and their templates; ids are never used twice."""

    def __init__(self) -> None:
        self.minted = 0
        self.clusters: dict[str, Cluster] = {}
        self.templates = Templates()

    def __len__(self) -> int:
        return len(self.clusters)

    def at(self, row: int) -> Cluster:
        """Return the pattern of a row of the templates."""
        return self.clusters[self.templates.ids[row]]

    def row(self, cluster: Cluster) -> int:
        """Return the row of a pattern."""
        return self.templates.row(cluster.id)

    def found(self, time_us: int) -> int:
        """Add a pattern without occurrences, and return its row."""
        cluster = new_cluster(self._mint(), time_us)
        self.clusters[cluster.id] = cluster
        return self.templates.append(cluster.id)

    def join(self, one: Cluster, other: Cluster, *, shift: int, shape_shift: int) -> tuple[Cluster, Cluster]:
        """Make two patterns one, and return both, the survivor first: that of more support, or else the older. What is
        at a position of `one` is so much further on the other.
        """
        keeps, gives = sorted((one, other), key=lambda c: (-c.support, c.first_us, c.number))
        sign = 1 if keeps is other else -1
        keeps.take_in(gives, sign * shift, sign * shape_shift)
        rows = self.row(keeps), self.row(gives)
        self.templates.join(*rows, shift=sign * shift, shape_shift=sign * shape_shift)
        del self.clusters[gives.id]
        return keeps, gives

    def split(self, cluster: Cluster, members: list[Member]) -> Cluster:
        """Make some of the latest occurrences of a pattern another; both look like their latest ones from then on."""
        other = self._add(cluster.let_go(members, self._mint()))
        self.templates.rebuild(cluster)
        return other

    def part(self, cluster: Cluster, member: Member) -> Cluster:
        """Make one of the occurrences of a pattern another."""
        self._take_back(cluster, member)
        return self._add(cluster.let_go([member], self._mint()))

    def move(self, cluster: Cluster, member: Member, target: Cluster, position: int) -> Cluster:
        """Count one of the occurrences of a pattern to another, whose onset it is at a position; return the pattern
        that it was on the way.
        """
        self._take_back(cluster, member)
        gone = cluster.let_go([member], self._mint())
        target.take_in(gone, position - member.position, 0)
        self.templates.onsets.add_all(self.row(target), [(position, member.onset)])
        self.templates.shapes.add_all(self.row(target), [(member.shape_position, member.shape)])
        return gone

    def pop(self, cluster: Cluster) -> Pair:
        """Remove a pattern and return its templates."""
        del self.clusters[cluster.id]
        return self.templates.pop(cluster.id)

    def push(self, cluster: Cluster, pair: Pair) -> int:
        """Add a pattern that was removed, and return its row."""
        self.clusters[cluster.id] = cluster
        return self.templates.push(cluster.id, pair)

    def _mint(self) -> str:
        self.minted += 1
        return f"p-{self.minted}"

    def _add(self, cluster: Cluster) -> Cluster:
        self.clusters[cluster.id] = cluster
        self.templates.append(cluster.id)
        self.templates.rebuild(cluster)
        return cluster

    def _take_back(self, cluster: Cluster, member: Member) -> None:
        onsets = self.templates.onsets
        onsets.take(self.row(cluster), member.position, onsets.matrix(member.onset))

"""What patterns look like: at their onset, and as a whole."""

import msgspec

from streams.learners.cluster import Cluster
from streams.learners.template_table import Template, TemplateTable
from streams.learners.whole_shape import PARTS

MOST_WINDOWS = 8
"""Windows of an onset that count."""
REACH = 3
"""Windows that an onset may begin earlier or later than the first one of its pattern."""
SHAPE_REACH = 2
"""Parts of its length that an episode may begin earlier or later: when it is noticed, and over, varies."""
COLUMN_LIMIT = 256
"""Metrics over all patterns."""

Pair = tuple[Template, Template]


class _State(msgspec.Struct, array_like=True):
    onsets: bytes
    shapes: bytes


class Templates:
    """Two tables with the same patterns in the same rows; nothing was seen yet of a shape whose counts are 0."""

    def __init__(self) -> None:
        self.onsets = TemplateTable(positions=MOST_WINDOWS + 2 * REACH, column_limit=COLUMN_LIMIT)
        self.shapes = TemplateTable(positions=PARTS + 2 * SHAPE_REACH, column_limit=COLUMN_LIMIT)

    def __len__(self) -> int:
        return len(self.onsets)

    @property
    def ids(self) -> list[str]:
        """The patterns, by row."""
        return self.onsets.ids

    def row(self, identity: str) -> int:
        """Return the row of a pattern."""
        return self.onsets.row(identity)

    def append(self, identity: str) -> int:
        """Add an empty row, and return it."""
        self.shapes.append(identity)
        return self.onsets.append(identity)

    def join(self, keeps: int, gives: int, *, shift: int, shape_shift: int) -> None:
        """Add one row to another, so many positions further, and remove it."""
        self.onsets.join(keeps, gives, shift)
        self.shapes.join(keeps, gives, shape_shift)

    def rebuild(self, cluster: Cluster) -> None:
        """Make the row of a pattern what its latest occurrences looked like."""
        row, members = self.row(cluster.id), cluster.members
        self.onsets.clear(row)
        self.shapes.clear(row)
        self.onsets.add_all(row, [(member.position, member.onset) for member in members])
        self.shapes.add_all(row, [(member.shape_position, member.shape) for member in members if member.shape])

    def pop(self, identity: str) -> Pair:
        """Remove a row and return it."""
        return self.onsets.pop(identity), self.shapes.pop(identity)

    def push(self, identity: str, pair: Pair) -> int:
        """Add a row that others gave away, and return it."""
        self.shapes.push(identity, pair[1])
        return self.onsets.push(identity, pair[0])

    def prune(self) -> None:
        """Remove the columns that no row uses."""
        self.onsets.prune()
        self.shapes.prune()

    def snapshot(self) -> bytes:
        """Return both tables; equal states give equal bytes."""
        return msgspec.msgpack.encode(_State(self.onsets.snapshot(), self.shapes.snapshot()))

    def restore(self, snapshot: bytes) -> None:
        """Replace both tables by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self.onsets.restore(state.onsets)
        self.shapes.restore(state.shapes)

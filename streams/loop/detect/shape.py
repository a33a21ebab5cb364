"""What an open episode has looked like so far."""

import msgspec

MOST_PARTS = 16

Row = dict[str, float]


class Shape(msgspec.Struct, array_like=True):
    """The z of an episode's metrics in at most `MOST_PARTS` parts of `span` windows, from its first abnormal window to
    its last.

    `parts` are sums; `filled` is how many windows are in the last one. `tail` are windows since the last abnormal one.
    """

    span: int = 1
    filled: int = 0
    parts: list[Row] = []
    tail: list[Row] = []

    def add(self, row: Row, *, normal: bool) -> None:
        """Add a window."""
        self.tail.append(row)
        if not normal:
            for one in self.tail:
                self._append(one)
            self.tail = []

    def series(self) -> list[Row]:
        """Return the mean z of each part; what is 0 is left out."""
        sizes = [self.span] * (len(self.parts) - 1) + [self.filled]
        return [{name: z / size for name, z in part.items()} for part, size in zip(self.parts, sizes, strict=True)]

    def _append(self, row: Row) -> None:
        if self.parts and self.filled < self.span:
            self.parts[-1] = _sum(self.parts[-1], row)
            self.filled += 1
            return
        if len(self.parts) == MOST_PARTS:
            self.parts = [_sum(*self.parts[place : place + 2]) for place in range(0, MOST_PARTS, 2)]
            self.span *= 2
        self.parts.append(row)
        self.filled = 1


def _sum(one: Row, other: Row) -> Row:
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in one | other}

"""What an open episode has looked like so far."""

import msgspec
import numpy as np

MOST_PARTS = 16

Row = dict[str, float]


class Shape(msgspec.Struct, array_like=True):
    """The z of an episode's metrics in at most `MOST_PARTS` parts of `span` windows, from the first window added to the
    last abnormal one.

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
        """Return the mean z of as many parts, all of one length: where the last one has fewer windows, the others begin
        within a part, which counts as even. A metric that a part has not seen is left out.
        """
        if self.filled == self.span or not self.parts:
            return [{name: z / self.filled for name, z in part.items()} for part in self.parts]
        count = len(self.parts)
        ends = np.append(np.arange(count) * self.span, (count - 1) * self.span + self.filled)
        edges = np.linspace(0, ends[-1], count + 1)
        rows: list[Row] = [{} for _ in self.parts]
        for name in dict.fromkeys(name for part in self.parts for name in part):
            sums = np.cumsum([0.0, *(part.get(name, 0.0) for part in self.parts)])
            means = np.diff(np.interp(edges, ends, sums)) * (count / ends[-1])
            for row, mean in zip(rows, means.tolist(), strict=True):
                row[name] = mean
        return rows

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

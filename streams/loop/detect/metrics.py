"""The metrics of one partition: a bounded set of columns, in the order in which they first had a value."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LARGEST = 1e100
"""Values are clipped to this, so that their squares stay finite."""


class Metrics:
    """Columns by name. A metric that finds no room is left out and counted per value."""

    def __init__(self, *, limit: int, counts: dict[str, int]) -> None:
        self._limit = limit
        self._counts = counts
        self.names: list[str] = []
        self.left_out: list[str] = []
        """Of the last rows, in the order of the rows that first have them."""

    def columns(self, names: Sequence[str], values: Floats) -> Floats:
        """Return rows of the given metrics, shape (n, given), as rows of the known ones, shape (n, known)."""
        self.left_out = []
        if list(names) == self.names and bool((np.abs(values) <= LARGEST).all()):  # so none is absent
            return values
        present = np.isfinite(values)
        self._admit(names, present)
        known = {name: column for column, name in enumerate(self.names)}
        bounded = np.where(present, np.minimum(np.maximum(values, -LARGEST), LARGEST), np.nan)
        wide = np.full((len(values), len(known)), np.nan)
        for given, name in enumerate(names):
            column = known.get(name)
            if column is None:
                self._counts["metric_limit"] += int(present[:, given].sum())
            else:
                wide[:, column] = bounded[:, given]
        return wide

    def _admit(self, names: Sequence[str], present: npt.NDArray[np.bool_]) -> None:
        """Take new metrics in the order of the rows that first have them, however the input was cut."""
        new = [given for given, name in enumerate(names) if name not in self.names and present[:, given].any()]
        for given in sorted(new, key=lambda given: (int(present[:, given].argmax()), names[given])):
            if len(self.names) < self._limit:
                self.names.append(names[given])
            else:
                self.left_out.append(names[given])

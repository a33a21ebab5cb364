"""The metrics of one partition: a bounded set of columns, in the order in which they first had a value."""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LARGEST = 1e100
"""Values are clipped to this, so that their squares stay finite."""


class _State(msgspec.Struct, array_like=True):
    names: list[str]
    seen: bytes
    handed: bytes
    wanted: list[str]
    releases: int


class Metrics:
    """Columns by name. A metric that finds no room is left out and counted per value; those that had no value for long
    make room for as many as wanted some.
    """

    def __init__(self, *, limit: int, counts: dict[str, int]) -> None:
        self._limit = limit
        self._counts = counts
        self.names: list[str] = []
        """"" where a column is free."""
        self.left_out: list[str] = []
        """Of the last rows, in the order of the rows that first have them."""
        self.releases = 0
        """How often columns were taken from metrics."""
        self._handed = np.zeros(0, np.int64)
        """At which of these times each column was taken, 0 if never."""
        self._seen = np.zeros(0, np.int64)
        """When (loop time) each last had a value."""
        self._wanted: dict[str, None] = {}
        """Names that found no room since `release` was last asked; as many as there are columns at most."""

    def columns(self, names: Sequence[str], values: Floats, now_us: int) -> Floats:
        """Return rows of the given metrics, shape (n, given), as rows of the known ones, shape (n, known)."""
        self.left_out = []
        if list(names) == self.names and bool((np.abs(values) <= LARGEST).all()):  # so none is absent
            self._seen[:] = now_us
            return values
        present = np.isfinite(values)
        self._admit(names, present)
        known = {name: column for column, name in enumerate(self.names)}
        bounded = np.where(present, np.minimum(np.maximum(values, -LARGEST), LARGEST), np.nan)
        wide = np.full((len(values), len(self.names)), np.nan)
        numbers = present.sum(axis=0).tolist()
        for given, name in enumerate(names):
            column = known.get(name)
            if column is None:
                self._counts["metric_limit"] += numbers[given]
            else:
                wide[:, column] = bounded[:, given]
                if numbers[given]:
                    self._seen[column] = now_us
        return wide

    def release(self, *, unseen_since_us: int, held: Flags) -> list[int]:
        """Take columns from metrics that had no value since, and of which none is `held`, shape (columns,), any more:
        as many as wanted room, those unseen for longest first. Return the columns, of which the caller forgets all.
        """
        wanted, self._wanted = len(self._wanted), {}
        silent = (self._seen <= unseen_since_us) & ~held & np.array([bool(name) for name in self.names], bool)
        longest_first = self._seen.argsort(kind="stable")
        taken: list[int] = longest_first[silent[longest_first]][:wanted].tolist()
        if taken:
            self.releases += 1
            self._handed[taken] = self.releases
        for column in taken:
            self.names[column] = ""
        return taken

    def taken_since(self, releases: int) -> list[int]:
        """Return the columns that were taken from a metric when columns had been taken so often, or later."""
        return np.flatnonzero(self._handed > releases).tolist()

    def snapshot(self) -> bytes:
        """Return all columns; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _State(self.names, self._seen.tobytes(), self._handed.tobytes(), list(self._wanted), self.releases)
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace all columns by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self.names, self.releases = state.names, state.releases
        self._seen, self._handed = (np.frombuffer(data, np.int64).copy() for data in (state.seen, state.handed))
        self._wanted = dict.fromkeys(state.wanted)

    def _admit(self, names: Sequence[str], present: Flags) -> None:
        """Take new metrics in the order of the rows that first have them, however the input was cut."""
        new = [given for given, name in enumerate(names) if name not in self.names and present[:, given].any()]
        for given in sorted(new, key=lambda given: (int(present[:, given].argmax()), names[given])):
            name = names[given]
            if "" in self.names:
                self.names[self.names.index("")] = name
            elif len(self.names) < self._limit:
                self.names.append(name)
                self._seen, self._handed = np.append(self._seen, 0), np.append(self._handed, 0)
            else:
                self.left_out.append(name)
                if len(self._wanted) < self._limit:
                    self._wanted[name] = None

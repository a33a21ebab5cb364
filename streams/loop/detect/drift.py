"""Whether what a whole partition sees has changed for good: the level of each metric, and how unusual windows are."""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.events import Drift
from schemas.ids import Cause
from streams.learners.drift_watch import DriftWatch
from streams.loop.detect.episodes import Draft

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SCORES = "scores"


class _State(msgspec.Struct, array_like=True):
    subjects: list[str]
    sums: bytes
    counts: bytes
    watches: list[bytes]


class DriftWatches:
    """One watch per metric, over the mean of all entities' calm windows between two counts (`close_block`), and one
    over the mean score: so the cost does not grow with the entities, and what one of them does is an episode, no drift.
    """

    def __init__(self, *, partition: int) -> None:
        self._partition = partition
        self._subjects = [SCORES]
        self._sums = np.zeros(1)
        self._counts = np.zeros(1, np.int64)
        self._watches = [DriftWatch()]

    def grow(self, metrics: Sequence[str]) -> None:
        """Watch these metrics (columns), some of which may have taken the place of others."""
        missing = 1 + len(metrics) - len(self._subjects)
        self._subjects += [""] * missing
        self._watches += [DriftWatch() for _ in range(missing)]
        self._sums = np.concatenate([self._sums, np.zeros(missing)])
        self._counts = np.concatenate([self._counts, np.zeros(missing, np.int64)])
        for index, metric in enumerate(metrics, start=1):
            subject = f"inputs/{metric}"
            if self._subjects[index] != subject:
                self._subjects[index], self._watches[index] = subject, DriftWatch()
                self._sums[index] = self._counts[index] = 0

    def note(self, values: Floats, scores: Floats, *, calm: Flags, warm: Flags) -> None:
        """Note windows in order: their values, shape (n, metrics), where calm, and their scores where warm."""
        addends = np.empty((len(scores) + 1, len(self._sums)))
        columns = addends[1:]
        addends[0], columns[:, 0], columns[:, 1:] = self._sums, scores, values
        noted = np.isfinite(columns)
        noted[:, 0] &= warm
        noted[:, 1:] &= calm[:, None]
        np.copyto(columns, 0.0, where=~noted)
        # added in order of the windows, so that the last bit does not depend on where a batch ended
        self._sums = np.add.accumulate(addends)[-1]
        self._counts += np.add.reduce(noted)

    def close_block(self, due_us: int) -> list[Draft]:
        """Judge the means since the last block; a subject without values waits."""
        drafts = []
        for index in np.flatnonzero(self._counts).tolist():
            watch = self._watches[index]
            watch.update(float(self._sums[index] / self._counts[index]))
            if watch.shift:
                drafts.append(self._drift(self._subjects[index], watch.shift.before, watch.shift.after, due_us))
        self._sums[:] = 0.0
        self._counts[:] = 0
        return drafts

    def snapshot(self) -> bytes:
        """Return all that is known; equal states give equal bytes."""
        watches = [watch.snapshot() for watch in self._watches]
        return msgspec.msgpack.encode(_State(self._subjects, self._sums.tobytes(), self._counts.tobytes(), watches))

    def restore(self, snapshot: bytes) -> None:
        """Replace all that is known by what `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._subjects = state.subjects
        self._sums = np.frombuffer(state.sums).copy()
        self._counts = np.frombuffer(state.counts, np.int64).copy()
        self._watches = [DriftWatch() for _ in state.watches]
        for watch, known in zip(self._watches, state.watches, strict=True):
            watch.restore(known)

    def _drift(self, subject: str, before: float, after: float, due_us: int) -> Draft:
        cause = Cause(f"timer:detect:drift/{subject}", self._partition, due_us)
        fields = {"subject": subject, "partition": self._partition, "before": before, "after": after}
        return Draft(type=Drift, cause=cause, fields=fields)

"""Whether a stream of values of unknown scale, noise and memory has changed for good."""

from dataclasses import dataclass
from itertools import pairwise

import msgspec
from river import base

from streams.learners.adaptive_window import AdaptiveWindow

DELTA = 1e-4
CLOCK = 4
MOST_CORRELATED = 0.2
"""Batches whose means follow one another more closely than this are too short to be told from a drift."""
LONGEST = 4_096
"""Values per batch at most."""
LIMIT = 4.0
"""Deviations that a batch counts with at most."""
LEAST_RELATIVE = 0.001
"""The least deviation, as a share of the mean: what moves by less has not moved."""
LEAST = 1e-9
RECENT = 64
LEAST_PART = 5
"""Batches after a change at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The means of a stream before and after it changed."""

    before: float
    after: float


class _State(msgspec.Struct, array_like=True):
    length: int
    count: int
    total: float
    first: list[float]
    centre: float
    scale: float
    recent: list[float]
    window: bytes


class DriftWatch(base.DriftDetector):
    """ADWIN over batch means, on a scale learned from the first `calibration` batches.

    While the means of consecutive batches are correlated, two batches become one, until what is left looks like chance
    (batch means, Conway 1963): so a stream with memory, or with a season, is judged at a time scale beyond both, and a
    random walk never. After each drift the stream is learned afresh, in batches twice as long: what keeps changing is
    told ever more rarely.
    """

    def __init__(self, *, calibration: int = 32) -> None:
        super().__init__()
        self.calibration = calibration
        self.shift: Shift | None = None
        """How the mean has shifted, if the last value showed that it did."""
        self._length = 1
        self._count = 0
        self._total = 0.0
        self._first: list[float] = []
        """Batch means that the scale is learned from, until it is known."""
        self._centre = 0.0
        self._scale = 0.0
        self._recent: list[float] = []
        """The latest batch means as they are: the window's are limited."""
        self._window = _new_window()

    def update(self, x: float) -> None:
        """Take a finite value in; `drift_detected` then says whether the mean has shifted (once per drift), and `shift`
        how.
        """
        self.shift = self._shift_with(x)
        self._drift_detected = self.shift is not None

    def snapshot(self) -> bytes:
        """Return all that is known; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _State(
                self._length,
                self._count,
                self._total,
                self._first,
                self._centre,
                self._scale,
                self._recent,
                self._window.snapshot(),
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace all that is known by what `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._length, self._count, self._total = state.length, state.count, state.total
        self._first, self._recent = state.first, state.recent
        self._centre, self._scale = state.centre, state.scale
        self._window.restore(state.window)

    def _shift_with(self, value: float) -> Shift | None:
        self._count += 1
        self._total += value
        if self._count < self._length:
            return None
        mean, self._count, self._total = self._total / self._count, 0, 0.0
        self._recent = [*self._recent, mean][-RECENT:]
        if self._scale:
            return self._judge(mean)
        self._first.append(mean)
        if len(self._first) == self.calibration:
            return self._calibrate()
        return None

    def _calibrate(self) -> Shift | None:
        """Fix the scale, or make the batches longer."""
        centre = sum(self._first) / len(self._first)
        deviations = [mean - centre for mean in self._first]
        squares = sum(d * d for d in deviations)
        together = sum(d * e for d, e in pairwise(deviations))
        deviation, least = (squares / len(deviations)) ** 0.5, max(LEAST_RELATIVE * abs(centre), LEAST)
        correlated = deviation > least and together > MOST_CORRELATED * squares
        if correlated and self._length == LONGEST:  # nothing that a drift could be told from: look further
            del self._first[: self.calibration // 2]
            return None
        if correlated:
            self._first = [sum(pair) / 2 for pair in zip(self._first[::2], self._first[1::2], strict=True)]
            self._length *= 2
            return None
        self._centre, self._scale = centre, max(deviation, least)
        first, self._first = self._first, []
        return next((shift for shift in map(self._judge, first) if shift), None)

    def _judge(self, mean: float) -> Shift | None:
        unit = LIMIT * self._scale  # what is told apart from chance is within one unit of the centre
        self._window.update(min(max((mean - self._centre) / unit, -1.0), 1.0))
        if not self._window.drift_detected:
            return None
        shift = Shift(before=self._centre + unit * self._window.before, after=_level(self._recent))
        self._length = min(2 * self._length, LONGEST)
        self._scale = 0.0
        self._recent = []
        self._window = _new_window()
        return shift


def _level(means: list[float]) -> float:
    """Return the mean since the likeliest place of a change."""
    total, old, best, level = sum(means), 0.0, -1.0, means[-1]
    for place, mean in enumerate(means[:-LEAST_PART], start=1):
        old += mean
        new = len(means) - place
        apart = (old / place - (total - old) / new) ** 2 * place * new
        if apart > best:
            best, level = apart, (total - old) / new
    return level


def _new_window() -> AdaptiveWindow:
    return AdaptiveWindow(delta=DELTA, clock=CLOCK)

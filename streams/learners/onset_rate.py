"""How often entities become abnormal, and which of them did so closer together than chance would have it."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

MEMORIES = (64.0, 8.0)
"""How many windows count for what is usual, by exponential forgetting: of the two pasts the one of more onsets does."""
GUARD = 2
"""Windows before the present one that are not yet counted for that: what is judged may lie in them."""
PRIOR = 0.5
"""As many onsets are taken for granted."""
CHANCE = 1e-4
"""Onsets are a burst when so many within so short a time are less likely than this."""
LIKELY = math.log(CHANCE)
"""Natural logarithm from which on a chance is none of a burst."""
COLD = 4
"""While fewer windows are known to be usual, those that guard count too: all seems calm where a loop starts."""
CLOSE = 0.05
"""Who comes so soon before or after a burst that chance rarely brings an onset within that time, is of it."""
LEAST = 3
"""Onsets that a burst has."""
FINEST = 1 / 16
"""Of a window: onsets as close as this may as well have been at once."""


class _State(msgspec.Struct, array_like=True):
    window_us: int
    first_us: int | None
    latest: int
    recent: list[int]
    pasts: list[tuple[float, float]]
    grain_us: int


class OnsetRate:
    """Counts onsets per window of `window_us`, and finds bursts: a scan for the interval of the least likely count.

    A count is held against the windows before it but for some that guard it from itself, as a radar does with the cells
    beside an echo (CA-CFAR; Finn, Johnson, "Adaptive detection mode with threshold control", RCA Review 1968); how well
    these tell the rate is part of the prediction, which is negative binomial: in the first minutes hardly anything is
    unlikely. The interval is that of a scan statistic (Naus 1965; Kulldorff 1997). Times are in us.
    """

    def __init__(self, *, window_us: int) -> None:
        self._window_us = window_us
        self._first_us: int | None = None
        self._latest = 0
        """Number of the present window."""
        self._recent = [0]
        """Onsets of the windows that guard the present one, and of that, the last."""
        self._pasts = [(0.0, 0.0) for _ in MEMORIES]
        """Onsets and windows that count, by memory."""
        self._grain_us = 0

    def watch(self, time_us: int) -> None:
        """Note that entities were watched at this (loop) time, whether or not any became abnormal."""
        if self._first_us is None:
            self._first_us = time_us
        passed = (time_us - self._first_us) // self._window_us - self._latest
        for _ in range(min(passed, GUARD + 1)):
            self._recent.append(0)
            if len(self._recent) > GUARD + 1:
                self._pass(windows=1, onsets=self._recent.pop(0))
        if passed > GUARD + 1:
            self._pass(windows=passed - GUARD - 1, onsets=0)
        self._latest += max(passed, 0)

    def learn(self, time_us: int) -> None:
        """Learn that an entity became abnormal: at which (loop) time that was heard."""
        self.watch(time_us)
        self._recent[-1] += 1

    def measure(self, window_us: int) -> None:
        """Learn how long the windows are at whose start onsets are told: how exact their times are."""
        self._grain_us = window_us

    def burst(self, time_us: int, others_us: Sequence[int]) -> tuple[int, int] | None:
        """Return the first and last time of the burst that an onset at `time_us` is part of, with others; or None.

        It is the interval of the least likely count, else that of those before or after it; and what is close to it.
        """
        if len(others_us) + 1 < LEAST or not self._pasts[0][1]:
            return None
        times_us, counts = np.unique([time_us, *others_us], return_counts=True)
        own = int(times_us.searchsorted(time_us))
        chances = self._chances(times_us, counts)
        first, last = _least_likely(chances, own) or (own, own)
        likely = chances[first, last]
        close = self._are_close(times_us)
        while first and close[first - 1]:
            first -= 1
        while last < len(close) and close[last]:
            last += 1
        if min(likely, chances[first, last]) >= LIKELY:
            return None
        return int(times_us[first]), int(times_us[last])

    def snapshot(self) -> bytes:
        """Return what is known; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _State(
                window_us=self._window_us,
                first_us=self._first_us,
                latest=self._latest,
                recent=self._recent,
                pasts=self._pasts,
                grain_us=self._grain_us,
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace what is known by what `snapshot` returned; what was counted in other windows is left out."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        if state.window_us != self._window_us:
            return
        self._first_us, self._latest, self._recent = state.first_us, state.latest, state.recent
        self._pasts, self._grain_us = state.pasts, state.grain_us

    def _pass(self, *, windows: int, onsets: int) -> None:
        """Let windows with so many onsets in all be usual."""
        for place, (memory, past) in enumerate(zip(MEMORIES, self._pasts, strict=True)):
            kept = (1.0 - 1.0 / memory) ** windows
            self._pasts[place] = (past[0] * kept + onsets, memory - (memory - past[1]) * kept)

    def _chances(self, times_us: Times, counts: Times) -> Floats:
        """Return the natural logarithm of (a bound of) the probability that as many onsets follow one at a time (row)
        within as long a time as do up to another (column), shape (n, n); 0 where they are too few.
        """
        upto = counts.cumsum()
        more = upto[None, :] - (upto - counts)[:, None] - 1
        lengths = np.maximum(self._lengths(times_us[None, :] - times_us[:, None]), FINEST)
        usual, windows = self._usual()
        many = (more + 1 >= LEAST) & (more * windows > usual * lengths)
        found, odds = more[many], (lengths / (lengths + windows))[many]
        ways = np.array([math.lgamma(usual + one) - math.lgamma(one + 1) for one in range(upto[-1])])
        # each further term of the tail is at most so many times the one before
        ratios = odds * np.maximum((usual + found) / (found + 1), 1.0)
        chances: Floats = np.zeros(more.shape)
        chances[many] = ways[found] - math.lgamma(usual) + usual * np.log1p(-odds) + found * np.log(odds)
        chances[many] -= np.log1p(-ratios)
        return np.minimum(chances, 0.0)

    def _are_close(self, times_us: Times) -> list[bool]:
        """Return whether each time is followed by the next so soon that chance rarely brings an onset within that."""
        usual, windows = self._usual()
        close: list[bool] = (
            usual * np.log1p(self._lengths(np.diff(times_us)) / windows) < -math.log1p(-CLOSE)
        ).tolist()
        return close

    def _usual(self) -> tuple[float, float]:
        """Return how many onsets are usual in how many windows."""
        pasts = self._pasts
        if pasts[0][1] < COLD:
            *guard, _ = self._recent
            pasts = [(pasts[0][0] + sum(guard), pasts[0][1] + len(guard))]
        onsets, windows = max(pasts, key=lambda past: past[0] / past[1])
        return onsets + PRIOR, windows

    def _lengths(self, apart_us: Times) -> Floats:
        """Return how many windows onsets may be apart, as exactly as their times are told."""
        lengths: Floats = (apart_us + self._grain_us) / self._window_us
        return lengths


def _least_likely(chances: Floats, own: int) -> tuple[int, int] | None:
    """Return the interval of least chance that holds a place, when those of less chance that do not are left out with
    all beyond them; None where all is likely.
    """
    low, high = 0, len(chances)
    while high > low:
        first, last = divmod(int(chances[low:high, low:high].argmin()), high - low)
        first, last = first + low, last + low
        if chances[first, last] >= LIKELY:
            return None
        if first <= own <= last:
            return first, last
        low, high = (last + 1, high) if last < own else (low, first)
    return None

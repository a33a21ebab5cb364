"""Whether the occurrences of a pattern have changed for good: how like their template they are, and how often."""

import math

import msgspec

from streams.learners.drift_watch import DriftWatch, Shift

CALIBRATION = 16
"""Occurrences that a pattern's usual distance and gap are learned from."""
SHORTEST_US = 1_000_000
"""Occurrences that are nearer together count as so far apart."""


class _State(msgspec.Struct, array_like=True):
    last_us: list[tuple[str, int]]
    distances: list[bytes]
    gaps: list[bytes]


class PatternDrift:
    """Two watches per active pattern. Gaps are watched, and told, as their geometric mean, in seconds."""

    def __init__(self) -> None:
        self._last_us: dict[str, int] = {}
        self._distances: dict[str, DriftWatch] = {}
        self._gaps: dict[str, DriftWatch] = {}

    def follow(self, pattern: str, *, distance: float, time_us: int) -> dict[str, Shift]:
        """Note one occurrence; return what has drifted, by subject."""
        if pattern not in self._last_us:  # what founds a pattern has neither a template nor a gap
            self._distances[pattern] = DriftWatch(calibration=CALIBRATION)
            self._gaps[pattern] = DriftWatch(calibration=CALIBRATION)
            self._last_us[pattern] = time_us
            return {}
        last_us = self._last_us[pattern]
        self._last_us[pattern] = max(time_us, last_us)
        distances, gaps = self._distances[pattern], self._gaps[pattern]
        distances.update(distance)
        gaps.update(math.log(max(time_us - last_us, SHORTEST_US) / 1e6))
        shifts = {
            f"patterns/{pattern}/distance": distances.shift,
            f"patterns/{pattern}/gap_s": _seconds(gaps.shift),
        }
        return {subject: shift for subject, shift in shifts.items() if shift}

    def forget(self, pattern: str) -> None:
        """Watch a pattern no longer."""
        for known in (self._last_us, self._distances, self._gaps):
            known.pop(pattern, None)

    def snapshot(self) -> bytes:
        """Return all that is known; equal states give equal bytes."""
        patterns = list(self._last_us.items())
        distances = [self._distances[pattern].snapshot() for pattern, _ in patterns]
        return msgspec.msgpack.encode(
            _State(patterns, distances, [self._gaps[pattern].snapshot() for pattern, _ in patterns])
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace all that is known by what `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._last_us = dict(state.last_us)
        self._distances = {p: _watch(known) for (p, _), known in zip(state.last_us, state.distances, strict=True)}
        self._gaps = {p: _watch(known) for (p, _), known in zip(state.last_us, state.gaps, strict=True)}


def _watch(snapshot: bytes) -> DriftWatch:
    watch = DriftWatch(calibration=CALIBRATION)
    watch.restore(snapshot)
    return watch


def _seconds(shift: Shift | None) -> Shift | None:
    return shift and Shift(before=math.exp(shift.before), after=math.exp(shift.after))

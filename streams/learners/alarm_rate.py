"""A threshold on surprise that keeps alarms at a stated rate."""

import math
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

GAP_WEIGHT = 0.01
LONGEST_GAP = 10
"""An outage counts as so many usual gaps at most: no window was missed that could have been an alarm."""
GAIN = 0.3
"""Step of the controller, in nats per alarm."""
TIGHTEST, LOOSEST = -3.0, 1.5
"""How far the controller may move the threshold from where calibrated surprise alone would put it, in nats."""
BEYOND_CHANCE = 10
"""Once in so many times `rearm_windows` is too rare to be put down to chance."""
LONGEST_ALARM = 500
"""So many windows after an alarm what is still abnormal is no longer part of it."""
_TINY = float(np.finfo(float).tiny)
_CONTROL, _GAP, _LAST, _COUNT, _SINCE, _QUIET = range(6)
_PLANES = 6


class _Columns(msgspec.Struct, array_like=True):
    rows: int
    parts: int | None
    state: bytes


class AlarmRate:
    """Steers, per row (entity), the surprise from which on a window is an alarm.

    Were windows independent, p = rate * (time per window) would keep the stated rate; alarms that follow one another
    count as one, so `per_alarm` times that is allowed. An integral controller in the logarithm (each alarm tightens,
    each window without one loosens, both balanced at the stated rate) makes up for what that misses, within bounds: it
    must not get used to faults that truly recur. p never goes above `floor`. `rearm_windows` is how many windows must
    pass between two alarms of a row, and so many must be quiet before the next: runs of extremes are one event (runs
    declustering: Leadbetter et al. 1989). `in_all_per_us`, the rate that rows have in common, makes theirs smaller,
    never larger, from when it is known in how many parts it goes (`share`). The state holds no rate: it fits any other.
    """

    def __init__(
        self,
        *,
        alarms: int,
        interval_us: int,
        floor: float,
        per_alarm: float,
        rearm_windows: int,
        in_all_per_us: float = math.inf,
    ) -> None:
        self._rate = alarms / interval_us
        self._in_all = in_all_per_us
        self._parts: int | None = None
        self._least = -math.log(floor)
        self._per_alarm = per_alarm
        self._rearm = rearm_windows
        self._least_held = math.log(BEYOND_CHANCE * max(rearm_windows, 1))
        self._rows = 0
        self._state = np.zeros((0, _PLANES))

    def grow(self, rows: int) -> None:
        """Make room for so many rows."""
        had = len(self._state)
        if rows > had:
            wide = np.zeros((max(rows, 2 * had), _PLANES))
            wide[:, _SINCE:] = np.inf
            wide[:had] = self._state
            self._state = wide
        self._rows = max(rows, self._rows)

    def share(self, parts: int) -> None:
        """Let each row have no more than one of so many parts of the rate in all from now on."""
        self._parts = parts

    def clear(self, row: int) -> None:
        """Forget one row."""
        self._state[row] = 0
        self._state[row, _SINCE:] = np.inf

    def row(self, row: int) -> list[npt.NDArray[Any]]:
        """Return all that is known of one row, as views."""
        return [self._state[row]]

    def follow(self, rows: Rows, times_us: Rows) -> tuple[Floats, Flags, Flags]:
        """Note one window of each of distinct rows; return the least surprise, in nats, of an abnormal one, which rows
        may raise an alarm again, and which have a past too short to hold a window so rare.
        """
        state = self._state.take(rows, axis=0)
        control, gap, last, count, _, quiet = state.T
        passed = np.where(count > 0.0, np.maximum(times_us - last, 0.0), 0.0)
        passed = np.where(gap > 0.0, np.minimum(passed, LONGEST_GAP * gap), passed)
        gap += np.maximum(GAP_WEIGHT, 1.0 / np.maximum(count, 1.0)) * (passed - gap)
        rate = self._rate if self._parts is None else min(self._rate, self._in_all / self._parts)
        expected = rate * gap
        control[:] = np.minimum(control + GAIN * expected, LOOSEST)
        last[:] = times_us
        state[:, _COUNT:] += 1.0  # and the windows since the last alarm, and since the last abnormal one
        self._state[rows] = state
        # with no gap known yet nothing is an alarm
        needed = -np.log(np.maximum(self._per_alarm * expected, _TINY)) - control
        needed = np.maximum(needed, self._least)
        # what is rarer than a row's own rate is judged by the tail; no past would ever hold one so rare
        held = needed if rate == self._rate else np.maximum(needed - math.log(self._rate / rate), self._least)
        return needed, quiet >= self._rearm, np.log(count) < held

    def hold(self, rows: Rows, surprise: Floats) -> None:
        """Note the surprise of an abnormal window of each of distinct rows that are not armed: their last alarm goes on
        if it is rarer than what may well happen by chance until they are.
        """
        held = rows[(self._state[rows, _SINCE] < LONGEST_ALARM) & (surprise >= self._least_held)]
        self._state[held, _QUIET] = 0

    def refund(self, rows: Rows) -> None:
        """Note that the last alarm of each of distinct rows was none without a cause: the stated rate is of those."""
        self._state[rows, _CONTROL] = np.minimum(self._state[rows, _CONTROL] + GAIN, LOOSEST)

    def ago(self, rows: Rows) -> Floats:
        """Return how many windows ago the last alarm of each row was (infinity: never)."""
        since: Floats = self._state[rows, _SINCE]
        return since

    def spend(self, rows: Rows) -> None:
        """Note an alarm of each of distinct rows."""
        self._state[rows, _CONTROL] = np.maximum(self._state[rows, _CONTROL] - GAIN, TIGHTEST)
        self._state[rows, _SINCE:] = 0

    def snapshot(self) -> bytes:
        """Return the state of all rows; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _Columns(rows=self._rows, parts=self._parts, state=self._state[: self._rows].tobytes())
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace the state by what `snapshot` returned."""
        found = msgspec.msgpack.decode(snapshot, type=_Columns)
        self._rows, self._parts = found.rows, found.parts
        self._state = np.frombuffer(found.state).reshape(found.rows, _PLANES).copy()

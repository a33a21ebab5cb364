"""From measured windows to recovery, availability and reward."""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.loop.attribute.joins import Window
from streams.loop.attribute.settings import AttributeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the windows of one horizon say. `recovery_us` counts from the decision and is the horizon at most."""

    recovered: bool
    recovery_us: int
    availability: float | None
    reward: float


def measure(
    windows: Sequence[Window],
    *,
    decided_us: int,
    ended_us: int,
    closed_us: int | None,
    cost: float,
    settings: AttributeSettings,
) -> Measured | None:
    """Return what the horizon after `decided_us` says, or None when too little of it was measured.

    The windows are in order of time.
    Recovery is the start of the first run of normal windows at or after `ended_us` (when the action had ended), or the
    episode's close. The reward is the share of the horizon that recovery left over, less the action's cost.
    """
    horizon_us = settings.horizon_us
    until_us = decided_us + horizon_us
    inside = [window for window in windows if window.end_us > decided_us and window.start_us < until_us]
    recovered_us = _recovered(inside, ended_us, settings.normal_windows)
    if closed_us is not None and closed_us >= decided_us and _closed_well(inside, closed_us):
        closed_us = max(closed_us, ended_us)
        recovered_us = closed_us if recovered_us is None else min(recovered_us, closed_us)
    recovered = recovered_us is not None and recovered_us < until_us
    if not recovered and _covered_us(inside, decided_us, until_us) < settings.coverage * horizon_us:
        return None
    recovery_us = max(0, recovered_us - decided_us) if recovered and recovered_us is not None else horizon_us
    known = [window.availability for window in inside if window.availability is not None]
    return Measured(
        recovered=recovered,
        recovery_us=recovery_us,
        availability=sum(known) / len(known) if known else None,
        reward=1.0 - recovery_us / horizon_us - cost,
    )


def _recovered(windows: Sequence[Window], ended_us: int, run: int) -> int | None:
    """Return the start of the first `run` normal windows in a row that start at or after `ended_us`."""
    normal: list[int] = []
    for window in windows:
        if window.abnormal or window.start_us < ended_us:
            normal = []
            continue
        normal.append(window.start_us)
        if len(normal) == run:
            return normal[0]
    return None


def _covered_us(windows: Sequence[Window], start_us: int, stop_us: int) -> int:
    """Return how much of the horizon lies between the first and the last window."""
    if not windows:
        return 0
    return min(windows[-1].end_us, stop_us) - max(windows[0].start_us, start_us)


def _closed_well(windows: Sequence[Window], closed_us: int) -> bool:
    """Return whether an episode closed because the entity was normal again: not when it vanished while abnormal."""
    before = [window for window in windows if window.start_us < closed_us]
    return not before or not before[-1].abnormal

"""From measured windows to recovery, availability and reward."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from schemas.events import NONE
from streams.loop.attribute.joins import Join, Window, ended_us_of, is_judged, parts_of, windows_of
from streams.loop.attribute.settings import AttributeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the windows of one horizon say. `recovery_us` counts from its begin and is the horizon at most; `left` is
    the share of the horizon that it left over.
    """

    recovered: bool
    recovery_us: int
    availability: float | None
    left: float


def outcome_of(
    join: Join,
    effective: str,
    *,
    since_us: int,
    horizon_us: int,
    others_us: Sequence[int],
    settings: AttributeSettings,
) -> Measured | None:
    """Return what became since then of the episode, or of an entity that the loop acted on without one; a person's
    proposal about that teaches nothing. `others_us` is when other actions on the entity were let through.
    """
    if not is_judged(join.proposal) or (not join.proposal.episode and effective == NONE):
        return None
    return measure(
        windows_of(join),
        decided_us=since_us,
        ended_us=since_us if effective == NONE else max(since_us, ended_us_of(join)),
        closed_us=join.closed_us,
        horizon_us=horizon_us,
        settings=settings,
        is_cut=join.is_cut,
        other_us=min((us for us in others_us if us >= since_us), default=None),
    )


def measure(
    windows: Sequence[Window],
    *,
    decided_us: int,
    ended_us: int,
    closed_us: int | None,
    horizon_us: int,
    settings: AttributeSettings,
    is_cut: bool = False,
    other_us: int | None = None,
) -> Measured | None:
    """Return what the horizon after `decided_us` says, or None when too little of it was measured.

    The windows are in order of time. Normal ones that do not tell what made the episode say nothing of it, nor do those
    after an episode that closed while abnormal: the entity was gone, or that is its normal now.
    Recovery is the start of the first run of normal windows at or after `ended_us` (when the action had ended), or the
    episode's close, if the window before it tells that all was normal by then. Where a run that had begun is too short
    for want of windows that tell, nothing is known.

    Where windows are missing for want of room (`is_cut`), only a recovery before them counts. Of what came after
    another action was let through (`other_us`) nothing counts: what had not recovered by then has not recovered in the
    horizon. People act on what does not recover, so that to leave those out would leave failures out.
    """
    if is_cut or (other_us is not None and closed_us is not None and closed_us > other_us):
        closed_us = None
    until_us = decided_us + horizon_us
    parts = [part for window in windows for part in parts_of(window)]
    inside = [part for part in parts if part.end_us > decided_us and part.start_us < until_us]
    told = [window for window in inside if window.abnormal or window.tells]
    recovered_us = None
    if closed_us is not None and closed_us > decided_us:
        before = [window for window in inside if window.start_us < closed_us]
        told_before = [window for window in told if window.start_us < closed_us]
        if before and _is_well(before[-1], ended_us):
            recovered_us = max(closed_us, ended_us)
        elif not told_before or told_before[-1].abnormal:
            told = told_before
    first = _recovered(told, ended_us, settings.normal_windows)
    if first is not None and (other_us is None or first.end_us <= other_us):
        recovered_us = first.start_us if recovered_us is None else min(recovered_us, first.start_us)
    recovered = recovered_us is not None and recovered_us < until_us
    if not recovered:
        if other_us is not None and other_us < until_us:
            is_known = bool(told) and not (is_cut and windows[-1].end_us < other_us)
        else:
            is_known = not is_cut and _is_covered(told, decided_us, ended_us, until_us, settings)
        if not is_known:
            return None
    recovery_us = max(0, recovered_us - decided_us) if recovered and recovered_us is not None else horizon_us
    return Measured(
        recovered=recovered,
        recovery_us=recovery_us,
        availability=_availability(windows, decided_us, until_us),
        left=1.0 - recovery_us / horizon_us,
    )


def _availability(windows: Sequence[Window], since_us: int, until_us: int) -> float | None:
    """Return the mean over the windows between two times that know it, by how many samples each has; None of none."""
    overlapping = [window for window in windows if window.end_us > since_us and window.start_us < until_us]
    known = [(one.availability * one.known, one.known) for one in overlapping if one.availability is not None]
    return sum(mean for mean, _ in known) / sum(number for _, number in known) if known else None


def _is_covered(
    told: Sequence[Window], decided_us: int, ended_us: int, until_us: int, settings: AttributeSettings
) -> bool:
    """Return whether enough was measured to say that nothing recovered."""
    covered_us = _covered_us(told, decided_us, until_us)
    is_enough = covered_us >= settings.coverage * (until_us - decided_us)
    return is_enough and not _is_cut_short(told, ended_us, until_us, settings)


def _is_well(window: Window, ended_us: int) -> bool:
    return not window.abnormal and window.tells and window.start_us >= ended_us


def _is_cut_short(told: Sequence[Window], ended_us: int, until_us: int, settings: AttributeSettings) -> bool:
    """Return whether it was normal at last, and time enough was left for a run of windows that nobody told."""
    normal = list(takewhile(lambda window: not window.abnormal, reversed(told)))
    if not normal:
        return False
    length_us = max(window.end_us - window.start_us for window in normal)
    return until_us - max(normal[-1].start_us, ended_us) >= settings.normal_windows * length_us


def _recovered(windows: Sequence[Window], ended_us: int, run: int) -> Window | None:
    """Return the first of the first `run` normal windows in a row that start at or after `ended_us`."""
    normal: list[Window] = []
    for window in windows:
        if window.abnormal or window.start_us < ended_us:
            normal = []
            continue
        normal.append(window)
        if len(normal) == run:
            return normal[0]
    return None


def _covered_us(windows: Sequence[Window], start_us: int, stop_us: int) -> int:
    """Return how much of the horizon lies between the first and the last window."""
    if not windows:
        return 0
    return min(windows[-1].end_us, stop_us) - max(windows[0].start_us, start_us)

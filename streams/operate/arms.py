"""What each arm of the hold-out was worth in one run, in numbers that a person can read."""

from collections.abc import Sequence

import msgspec

from connectors.lab.intervals import Interval, bootstrap
from schemas.events import Experience, LedgerEntry
from schemas.ids import seed_of


class ArmLine(msgspec.Struct, frozen=True, kw_only=True):
    """One arm of the hold-out: means with 95 % bootstrap intervals, for the reader of one run.

    An episode that did not end within the outcome's horizon (`unrecovered` of them) counts with the horizon, so the
    mean of `recovery_s` is then a lower bound. `anytime` holds the ledger's own intervals: they may be looked at as
    often as one likes (confidence sequences), and are wide while there is little to go by.
    """

    decisions: int
    observed: int
    unrecovered: int
    recovery_s: Interval | None
    availability: Interval | None
    reward: Interval | None
    anytime: dict[str, Interval]


def arm_lines(entries: Sequence[LedgerEntry], experiences: Sequence[Experience]) -> dict[str, ArmLine]:
    """Return one line per arm, from the ledger as last written and from what was learned of each proposal."""
    latest = {entry.arm: entry for entry in entries}
    return {arm: _arm(entry, experiences) for arm, entry in sorted(latest.items())}


def _arm(entry: LedgerEntry, experiences: Sequence[Experience]) -> ArmLine:
    """Say what an arm was worth, from the last word on each of its proposals; the ledger may be one behind."""
    mine = (event for event in experiences if event.arm == entry.arm and event.is_outcome and event.episode)
    latest = {event.proposal: event for event in mine}
    measured = [event for event in latest.values() if event.recovery_us is not None]
    return ArmLine(
        decisions=len(latest),
        observed=len(measured),
        unrecovered=sum(not event.recovered for event in measured),
        recovery_s=_mean(
            entry.arm, "recovery", [event.recovery_us / 1e6 for event in measured if event.recovery_us is not None]
        ),
        availability=_mean(
            entry.arm, "availability", [event.availability for event in measured if event.availability is not None]
        ),
        reward=_mean(entry.arm, "reward", [event.reward for event in measured if event.reward is not None]),
        anytime=_anytime(entry),
    )


def _anytime(entry: LedgerEntry) -> dict[str, Interval]:
    told = {
        "recovery_s": (entry.recovery_s_mean, entry.recovery_s_low, entry.recovery_s_high),
        "availability": (entry.availability_mean, entry.availability_low, entry.availability_high),
        "reward": (entry.reward_mean, entry.reward_low, entry.reward_high),
    }
    return {
        name: Interval(mean=mean, low=low, high=high)
        for name, (mean, low, high) in told.items()
        if mean is not None and low is not None and high is not None
    }


def _mean(arm: str, name: str, values: list[float]) -> Interval | None:
    return bootstrap(values, seed_of(arm, name))

"""Holds what the loop said against what the injector did. Pure; for the report of a run only, never for the loop."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

import msgspec

from connectors.lab.intervals import Interval, bootstrap
from connectors.lab.record import FaultRecord
from schemas.events import Episode, Event, Experience, Pattern, Recurrence
from schemas.ids import seed_of

NO_FAULT = "no fault"
PURE = 0.8
_EDGE_US = 1_500_000
"""An episode belongs to a fault when it opened between its start and end, give or take a window."""


class PatternScore(msgspec.Struct, frozen=True, kw_only=True):
    """A recurring pattern and the kind of fault that most of its episodes had. `purity` is their share."""

    pattern: str
    name: str
    support: int
    episodes: int
    kind: str
    purity: float


class ArmScore(msgspec.Struct, frozen=True, kw_only=True):
    """One hold-out arm, over the faults that were decided in it.

    `fault_s`: seconds from the decision until the injector saw the fault end; `best_share`: the share of decisions
    whose effective action was the fault's best.
    """

    arm: str
    decisions: int
    observed: int
    fault_s: Interval | None
    availability: Interval | None
    best_share: float | None


class LabScore(msgspec.Struct, frozen=True, kw_only=True):
    """How well the loop saw the faults of one run.

    `pure_share` and `held_share`: the share of the episodes that had a fault which pure recurring patterns (purity at
    least 0.8), or any recurring patterns, hold.
    """

    faults: int
    faults_seen: int
    episodes: int
    fault_episodes: int
    patterns: tuple[PatternScore, ...]
    pure_patterns: int
    pure_share: float
    held_share: float
    arms: tuple[ArmScore, ...]


def score(faults: Sequence[FaultRecord], events: Iterable[Event]) -> LabScore:
    """Score a run from the injector's log and the loop's `Episode`, `Recurrence`, `Pattern` and `Experience` events.

    Other events are passed over; an event that comes twice counts once.
    """
    unique = {event.id: event for event in events}
    found = _faults_of_episodes(faults, [event for event in unique.values() if isinstance(event, Episode)])
    told = [event for event in unique.values() if isinstance(event, Pattern)]
    patterns = _final_patterns(told)
    recurrences = [event for event in unique.values() if isinstance(event, Recurrence)]
    members = _members(recurrences, patterns, _moved(told))
    scores = [_score_pattern(pattern, members[pattern.pattern], found) for pattern in _recurring(patterns, members)]
    with_fault = {episode for episode, fault in found.items() if fault is not None}
    experiences = [event for event in unique.values() if isinstance(event, Experience) and event.is_outcome]
    pure = [one.pattern for one in scores if one.purity >= PURE and one.kind != NO_FAULT]
    return LabScore(
        faults=len(faults),
        faults_seen=len({fault.fault for fault in found.values() if fault is not None}),
        episodes=len(found),
        fault_episodes=len(with_fault),
        patterns=tuple(sorted(scores, key=lambda one: (-one.episodes, one.pattern))),
        pure_patterns=len(pure),
        pure_share=_share(with_fault, [members[pattern] for pattern in pure]),
        held_share=_share(with_fault, [members[one.pattern] for one in scores]),
        arms=tuple(_score_arm(arm, experiences, found) for arm in ("loop", "baseline", "none")),
    )


def _faults_of_episodes(faults: Sequence[FaultRecord], episodes: Sequence[Episode]) -> dict[str, FaultRecord | None]:
    by_service: dict[str, list[FaultRecord]] = defaultdict(list)
    for fault in faults:
        by_service[fault.service].append(fault)
    return {one.episode: _fault_at(by_service[one.entity], one.opened_us) for one in episodes}


def _fault_at(faults: Sequence[FaultRecord], time_us: int) -> FaultRecord | None:
    for fault in reversed(faults):
        over = fault.end_us is not None and time_us > fault.end_us + _EDGE_US
        if fault.start_us - _EDGE_US <= time_us and not over:
            return fault
    return None


def _final_patterns(events: Sequence[Pattern]) -> dict[str, Pattern]:
    """Return each pattern as last written."""
    return {event.pattern: event for event in sorted(events, key=lambda event: event.time_us)}


def _moved(events: Sequence[Pattern]) -> dict[str, str]:
    """Return the episodes that were another pattern's until one split from it, and to which they went last."""
    moved: dict[str, str] = {}
    split: set[str] = set()
    for event in sorted(events, key=lambda event: event.time_us):
        if event.split_from is not None and event.pattern not in split:
            split.add(event.pattern)
            moved |= dict.fromkeys(event.episodes, event.pattern)
    return moved


def _members(
    recurrences: Sequence[Recurrence], patterns: dict[str, Pattern], moved: dict[str, str]
) -> dict[str, set[str]]:
    """Return the episodes of each pattern, from its first as a candidate; a merged pattern's are its heir's."""
    told = [(event.episode, event.candidate) for event in recurrences]
    told += [(episode, pattern.pattern) for pattern in patterns.values() for episode in pattern.episodes]
    members: dict[str, set[str]] = defaultdict(set)
    for episode, pattern in told:
        members[_heir(moved.get(episode, pattern), patterns)].add(episode)
    return members


def _heir(pattern: str, patterns: dict[str, Pattern]) -> str:
    seen = {pattern}
    while (known := patterns.get(pattern)) is not None and known.alias_of is not None and known.alias_of not in seen:
        pattern = known.alias_of
        seen.add(pattern)
    return pattern


def _recurring(patterns: dict[str, Pattern], members: dict[str, set[str]]) -> list[Pattern]:
    return [one for one in patterns.values() if one.status in ("recurring", "faded") and members[one.pattern]]


def _score_pattern(pattern: Pattern, episodes: set[str], found: dict[str, FaultRecord | None]) -> PatternScore:
    kinds = Counter(fault.kind if (fault := found.get(episode)) else NO_FAULT for episode in sorted(episodes))
    kind, count = kinds.most_common(1)[0]
    return PatternScore(
        pattern=pattern.pattern,
        name=pattern.name,
        support=pattern.support,
        episodes=len(episodes),
        kind=kind,
        purity=count / len(episodes),
    )


def _share(whole: set[str], parts: Sequence[set[str]]) -> float:
    return len(whole & set().union(*parts)) / len(whole) if whole else 0.0


def _score_arm(arm: str, experiences: Sequence[Experience], found: dict[str, FaultRecord | None]) -> ArmScore:
    mine = [(one, fault) for one in experiences if one.arm == arm and (fault := found.get(one.episode)) is not None]
    fault_s = [(fault.end_us - one.decided_us) / 1e6 for one, fault in mine if fault.end_us is not None]
    return ArmScore(
        arm=arm,
        decisions=len(mine),
        observed=sum(one.state == "observed" for one, _ in mine),
        fault_s=bootstrap([max(0.0, seconds) for seconds in fault_s], seed_of(arm, "fault")),
        availability=bootstrap(
            [one.availability for one, _ in mine if one.availability is not None], seed_of(arm, "availability")
        ),
        best_share=fmean(one.effective == fault.best for one, fault in mine) if mine else None,
    )

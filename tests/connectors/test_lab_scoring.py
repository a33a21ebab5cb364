"""Scoring, on runs written by hand."""

from typing import Literal

import pytest
from msgspec import structs

from connectors.lab.record import FaultRecord
from connectors.lab.scoring import LabScore, score
from schemas.events import Episode, Event, Experience, Pattern, Recurrence

S = 1_000_000


def fault(number: int, kind: str, *, start_s: int, end_s: int | None = None) -> FaultRecord:
    return FaultRecord(
        fault=f"fault-{number}",
        kind=kind,
        service=f"service-{number}",
        best="restart",
        start_us=start_s * S,
        end_us=None if end_s is None else end_s * S,
    )


def episode(number: int, *, at_s: float) -> Episode:
    return Episode(
        id=f"id-{number}",
        time_us=round(at_s * S),
        episode=f"episode-{number}",
        entity=f"service-{number}",
        phase="opened",
        opened_us=round(at_s * S),
        windows=1,
        severity=1.0,
        confidence=1.0,
    )


def recurrence(number: int, candidate: str) -> Recurrence:
    return Recurrence(
        id=f"recurrence-{number}",
        time_us=0,
        entity=f"service-{number}",
        episode=f"episode-{number}",
        pattern="novel",
        candidate=candidate,
        support=1,
        distance=0.0,
        novelty=0.0,
        severity=1.0,
    )


def pattern(
    name: str,
    status: Literal["candidate", "recurring", "faded", "merged"],
    *,
    at_s: int = 0,
    alias_of: str | None = None,
    split_from: str | None = None,
    episodes: tuple[str, ...] = (),
) -> Pattern:
    return Pattern(
        id=f"{name}-{status}-{at_s}",
        time_us=at_s * S,
        pattern=name,
        name=name,
        status=status,
        support=3,
        signature={},
        first_us=0,
        last_us=0,
        alias_of=alias_of,
        split_from=split_from,
        episodes=episodes,
    )


def experience(
    number: int, arm: Literal["loop", "baseline", "none"], *, effective: str, decided_s: int, availability: float
) -> Experience:
    return Experience(
        id=f"experience-{number}",
        time_us=0,
        proposal=f"proposal-{number}",
        entity=f"service-{number}",
        episode=f"episode-{number}",
        pattern="p",
        arm=arm,
        state="observed",
        proposed=effective,
        effective=effective,
        effective_probability=0.5,
        verdict="allow",
        decided_us=decided_s * S,
        availability=availability,
    )


def a_run() -> tuple[list[FaultRecord], list[Event]]:
    """Four leaks in pattern p (with one crash), two crashes in q that never recurred, one episode without a fault."""
    faults = [fault(n, "leak", start_s=10 * n, end_s=10 * n + 8) for n in range(1, 5)]
    faults += [fault(n, "crash", start_s=10 * n, end_s=10 * n + 4) for n in range(5, 8)]
    events: list[Event] = [episode(n, at_s=10 * n + 1) for n in range(1, 8)]
    events += [episode(9, at_s=5)]
    events += [recurrence(n, "p") for n in range(1, 6)] + [recurrence(n, "q") for n in (6, 7)]
    events += [pattern("p", "candidate"), pattern("p", "recurring", at_s=30), pattern("q", "candidate")]
    return faults, events


def scored(*more: Event) -> LabScore:
    faults, events = a_run()
    return score(faults, [*events, *more])


def test_purity_is_the_share_of_the_commonest_kind() -> None:
    (only,) = scored().patterns
    assert (only.pattern, only.kind, only.episodes, only.purity) == ("p", "leak", 5, 0.8)


def test_the_share_held_counts_episodes_with_a_fault_in_recurring_patterns_only() -> None:
    result = scored()
    assert (result.faults, result.faults_seen, result.episodes, result.fault_episodes) == (7, 7, 8, 7)
    assert result.held_share == result.pure_share == pytest.approx(5 / 7)


def test_an_impure_pattern_holds_but_not_purely() -> None:
    result = scored(recurrence(9, "p"))
    assert result.held_share == pytest.approx(5 / 7)
    assert (result.pure_patterns, result.pure_share) == (0, 0.0)


def test_what_split_from_a_pattern_no_longer_counts_there() -> None:
    apart = pattern("r", "recurring", at_s=60, split_from="p", episodes=("episode-5",))
    scores = scored(apart, pattern("r", "recurring", at_s=70, split_from="p")).patterns
    assert [(one.pattern, one.kind, one.episodes, one.purity) for one in scores] == [
        ("p", "leak", 4, 1.0),
        ("r", "crash", 1, 1.0),
    ]


def test_a_merged_pattern_counts_for_its_heir() -> None:
    result = scored(pattern("q", "merged", at_s=60, alias_of="p"))
    assert result.patterns[0].episodes == 7
    assert result.held_share == 1.0


def test_an_event_that_comes_twice_counts_once() -> None:
    faults, events = a_run()
    assert score(faults, events * 2) == score(faults, events)


@pytest.mark.parametrize(("at_s", "has_fault"), [(8.0, False), (9.0, True), (18.9, True), (20.0, False)])
def test_an_episode_belongs_to_the_fault_it_opened_in(at_s: float, has_fault: bool) -> None:
    result = score([fault(1, "leak", start_s=10, end_s=18)], [episode(1, at_s=at_s)])
    assert result.fault_episodes == int(has_fault)


def test_an_arm_is_scored_by_when_the_faults_it_decided_really_ended() -> None:
    result = scored(
        experience(1, "loop", effective="restart", decided_s=14, availability=0.75),
        experience(2, "loop", effective="reopen", decided_s=22, availability=0.25),
        experience(9, "loop", effective="restart", decided_s=6, availability=0.0),
        experience(3, "none", effective="none", decided_s=34, availability=0.5),
    )
    loop, baseline, none = result.arms
    assert (loop.arm, loop.decisions, loop.observed, loop.best_share) == ("loop", 2, 2, 0.5)
    assert loop.fault_s is not None
    assert loop.availability is not None
    assert (loop.fault_s.mean, loop.fault_s.low, loop.fault_s.high) == (5.0, 4.0, 6.0)
    assert loop.availability.mean == 0.5
    assert (baseline.decisions, baseline.fault_s, baseline.best_share) == (0, None, None)
    assert (none.decisions, none.best_share) == (1, 0.0)


def test_a_run_without_anything_scores_nothing() -> None:
    result = score([], [])
    assert (result.faults, result.patterns, result.held_share) == (0, (), 0.0)


def test_what_is_foretold_is_no_decision_that_ended() -> None:
    end = experience(1, "loop", effective="fix", decided_s=11, availability=0.9)
    early = structs.replace(end, id="early-1", state="early", availability=0.1)
    assert scored(end, early).arms == scored(end).arms
    assert scored(early).arms[0].decisions == 0

"""What people are told while a loop runs."""

import pytest

from schemas.events import Drift, Experience, LevelChange, Overflow, Pattern, Sequence, Storm, StormMember
from streams.operate.narration import Narration


def experience(**fields: object) -> Experience:
    known: dict[str, object] = {
        "id": "x-1", "time_us": 0, "proposal": "p-1", "entity": "pump", "episode": "e-1", "pattern": "novel",
        "arm": "loop", "state": "observed", "proposed": "restart", "effective": "restart", "verdict": "allow",
        "effective_probability": 0.5,
        "recovery_us": 3_250_000, "recovered": True,
    }  # fmt: skip
    return Experience(**(known | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "pump: normal again 3.2 s after restart"),
        ({"arm": "baseline"}, "pump: normal again 3.2 s after restart (held out: always the baseline)"),
        ({"recovered": False, "recovery_us": 12_000_000}, "pump: restart did not help within 12.0 s"),
        ({"asked": True}, "pump: normal again 3.2 s after asking about restart"),
        ({"effective": "none"}, "pump: normal again after 3.2 s without an action"),
        (
            {"effective": "none", "arm": "none", "recovered": False},
            "pump: still failing after 3.2 s without an action (held out: left alone)",
        ),
    ],
)
def test_only_what_recovered_is_told_to_be_normal_again(fields: dict[str, object], line: str) -> None:
    assert Narration().tell(experience(**fields)) == f"00:00:00  {line}"


def test_an_outcome_that_nobody_measured_is_counted_and_not_told() -> None:
    narration = Narration()
    assert narration.tell(experience(state="unobservable", recovery_us=None, recovered=None)) is None
    assert narration.tell(experience(state="early", recovery_us=None, recovered=None)) is None
    assert narration.counts == {"outcome unobservable": 1, "outcomes foretold": 1}


NO_ROOM = {
    "outcome.late_limit": "defaults on 2 entities that a late end could correct",
    "outcome.windows_limit": "windows of 2 entities, whose later recovery nobody sees",
    "policy.open_limit": "episodes of 2 entities that waited to be decided",
    "gate.tracked": "outcomes of doing nothing about 2 entities that the gate would learn from",
}


@pytest.mark.parametrize("limit", NO_ROOM)
def test_what_found_no_room_is_told_of_with_the_setting_that_would_make_some(limit: str) -> None:
    overflow = Overflow(id="o", time_us=0, partition=0, limit=limit, rows=3, names=2, examples=("a", "b"))
    line = f"no room for 3 {NO_ROOM[limit]} (a, b) in partition 0: {limit}"
    assert Narration().tell(overflow) == f"00:00:00  {line}"


def test_a_change_of_level_is_told() -> None:
    change = LevelChange(
        id="i", time_us=0, pattern="p-1", action="restart", level="approve", was="act", start="act", reason="worse",
    )  # fmt: skip
    assert Narration().tell(change) == "00:00:00  gate: p-1/restart act -> approve, worse than it was"


def test_a_pattern_is_new_once() -> None:
    narration = Narration()
    pattern = Pattern(
        id="i", time_us=0, pattern="p-1", name="cpu up", status="recurring", support=3, signature={}, first_us=0,
        last_us=0, episodes=(),
    )  # fmt: skip
    assert narration.tell(pattern) == "00:00:00  new recurring pattern p-1: cpu up"
    assert narration.tell(pattern) is None


def test_a_storm_is_told_once_and_again_when_another_looks_like_its_origin() -> None:
    narration = Narration()

    def told(origin: str, size: int) -> str | None:
        first = StormMember(entity=origin, episode="e", share=0.75, behind=origin, opened_us=0, severity=5.0)
        return narration.tell(
            Storm(
                id=f"{origin}-{size}", time_us=0, storm="s", phase="open", opened_us=0, size=size, calls="declared",
                members=(first,),
            )
        )  # fmt: skip

    assert told("shop", 2) == "00:00:00  storm: 2 abnormal together, likely from shop (75%)"
    assert told("shop", 3) is None
    assert told("database", 4) == "00:00:00  storm: 4 abnormal together, likely from database (75%)"
    assert narration.counts == {"storms": 1}


def test_a_new_sequence_is_told_once_and_every_drift() -> None:
    narration = Narration()
    sequence = Sequence(
        id="s", time_us=0, sequence="s-1", name="cpu up, then disk up", status="recurring", first="p-1", second="p-2",
        relation="same",
    )  # fmt: skip
    assert narration.tell(sequence) == "00:00:00  new recurring sequence s-1: cpu up, then disk up"
    assert narration.tell(sequence) is None
    drift = Drift(id="d", time_us=0, subject="inputs/cpu", before=10.0, after=12.5, partition=1)
    assert narration.tell(drift) == "00:00:00  inputs/cpu changed for good: 10, now 12.5 (partition 1)"
    assert narration.counts == {"drifts": 1}

"""What is under way, and how far each action may go, as the topics tell it."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.events import Action, Control, Event, LevelChange, Outcome, Pattern
from streams.operate.in_flight import in_flight, levels
from streams.operate.topic_reader import StoredRecord
from streams.settings import parse

SETTINGS = parse(
    '[loop]\nname = "x"\n[levels]\ndefault = "suggest"\n[actions.restart]\n[actions.wipe]\nreversible = false\n',
    name="loop.toml",
)


class Log:
    """Events by topic, each at the next offset."""

    def __init__(self, *events: Event) -> None:
        self._events = events

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        for offset, event in enumerate(self._events):
            if event.TOPIC in topics:
                record = StoredRecord(
                    topic=event.TOPIC, partition=0, offset=offset, key=None, value=None, headers=(), timestamp_us=0
                )
                yield record, event


def action(name: str, issued_us: int) -> Action:
    return Action(
        id=name,
        time_us=issued_us,
        entity=f"entity of {name}",
        action="restart",
        proposal="p",
        episode="e",
        pattern="p-1",
        issued_us=issued_us,
        expires_us=issued_us + 9,
        settings_hash="",
    )


def outcome(of: str, state: str, executor: str = "x-1") -> Outcome:
    return Outcome(
        id=f"{of}-{state}-{executor}",
        time_us=0,
        action=of,
        entity="",
        group="default",
        executor=executor,
        state=state,  # type: ignore[arg-type]  # each test names a state of the contract
    )


def control(kind: str, target: str, value: str) -> Control:
    return Control(id=f"{kind}-{target}-{value}", time_us=0, kind=kind, target=target, value=value, by="ada")  # type: ignore[arg-type]


def test_what_has_no_end_is_under_way_and_who_claimed_it_first_has_it() -> None:
    log = Log(
        action("late", 7),
        action("early", 3),
        action("ended", 1),
        action("settled", 2),
        outcome("early", "claimed"),
        outcome("early", "claimed", "x-2"),
        outcome("ended", "claimed"),
        outcome("ended", "failed"),
        control("settle", "settled", "unknown"),
        control("cancel", "late", "cancelled"),
    )
    found = in_flight(log, SETTINGS, now_us=9)
    assert [(one.action, one.executor) for one in found] == [("early", "x-1"), ("late", "")]


def test_only_who_claimed_an_action_first_ends_it() -> None:
    log = Log(
        action("a1", 1),
        outcome("a1", "claimed", "x-1"),
        outcome("a1", "refused", "x-2"),
        outcome("a1", "failed", "x-2"),
    )
    assert [(one.action, one.executor) for one in in_flight(log, SETTINGS, now_us=9)] == [("a1", "x-1")]
    ended = Log(*(event for _, event in log.events("actions", "outcomes")), outcome("a1", "failed", "x-1"))
    assert in_flight(ended, SETTINGS, now_us=9) == []


def test_an_action_whose_outcome_is_overdue_is_no_longer_under_way() -> None:
    over_us = action("a1", 1).expires_us + SETTINGS.gate.outcome_timeout_us
    log = Log(action("a1", 1), outcome("a1", "claimed"))
    assert len(in_flight(log, SETTINGS, now_us=over_us - 1)) == 1
    assert in_flight(log, SETTINGS, now_us=over_us) == []


def pattern(name: str, status: str) -> Pattern:
    return Pattern(
        id=f"{name}-{status}",
        time_us=0,
        pattern=name,
        name=f"{name} up",
        status=status,  # type: ignore[arg-type]  # each test names a status of the contract
        support=3,
        signature={},
        first_us=0,
        last_us=0,
    )


def test_the_levels_of_recurring_patterns_follow_settings_and_orders() -> None:
    log = Log(
        pattern("p-1", "recurring"),
        pattern("p-2", "recurring"),
        pattern("p-2", "faded"),
        pattern("p-3", "candidate"),
        control("level", "p-1/restart", "act"),
        control("level", "*/wipe", "act"),
    )
    found = [(one.pattern, one.action, one.level, one.ordered) for one in levels(log, SETTINGS, now_us=1)]
    assert found == [
        ("novel", "restart", "observe", False),
        ("novel", "wipe", "approve", True),
        ("p-1", "restart", "act", True),
        ("p-1", "wipe", "approve", True),
    ]


@pytest.mark.parametrize(("ordered_us", "level"), [(1, "observe"), (3, "approve")])
def test_an_order_for_a_former_name_counts_for_what_it_was_merged_into_from_the_merge_on(
    ordered_us: int, level: str
) -> None:
    merged = replace(pattern("p-1", "merged"), alias_of="p-2", time_us=2)
    former = replace(control("level", "p-1/restart", "approve"), time_us=ordered_us)
    log = Log(merged, pattern("p-2", "recurring"), former, control("level", "p-2/restart", "observe"))
    found = levels(log, SETTINGS, now_us=4)
    assert [one.level for one in found if (one.pattern, one.action) == ("p-2", "restart")] == [level]


def change(level: str, was: str, reason: str, **fields: Any) -> LevelChange:
    values = {"id": f"{reason}-{level}", "time_us": 5, "pattern": "p-1", "action": "restart", "start": "suggest"}
    return LevelChange(**(values | {"level": level, "was": was, "reason": reason} | fields))


CHANGES: list[tuple[list[Event], str, str]] = [
    # what happened, the level, what is said of it
    (
        [change("approve", "suggest", "decided", decided=10)],
        "approve",
        "suggest -> approve, wanted often enough; wanted 10 times",
    ),
    (
        [change("act", "approve", "earned", earned="act", outcomes=42, missing=1, effect=0.4,
                effect_low=0.1, effect_high=0.6, compared="none")],
        "act",
        "approve -> act, by what came of it; 42 outcomes, 1 missing; effect 0.40 (0.10 to 0.60) above none",
    ),
    (
        [change("approve", "suggest", "decided"), change("approve", "approve", "earned", earned="act")],
        "approve",
        "approve, by what came of it; flyball level p-1/restart act raises it",
    ),
    (
        [change("suggest", "suggest", "slow", detail="30 minutes", remedy="a shorter horizon")],
        "suggest",
        "suggest, its outcomes come too late (30 minutes); what would change that: a shorter horizon",
    ),
    (
        [change("act", "approve", "earned"), control("level", "p-1/restart", "observe"),
         change("observe", "act", "ordered")],
        "observe",
        "act -> observe, by a person",
    ),
    (
        [change("act", "approve", "earned"),
         change("approve", "act", "promotion", pattern="*", action="*", start="act", until_us=9)],
        "approve",
        "approve -> act, by what came of it",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("events", "level", "says"), CHANGES)
def test_what_the_gate_made_of_a_level_is_shown_with_its_numbers(events: list[Event], level: str, says: str) -> None:
    found = levels(Log(pattern("p-1", "recurring"), *events), SETTINGS, now_us=8)
    (one,) = [one for one in found if (one.pattern, one.action) == ("p-1", "restart")]
    assert (one.level, one.changed) == (level, says)


OTHER: list[tuple[list[Event], str]] = [
    # what happened before the settings came to say act, the level
    ([change("act", "approve", "earned"), change("suggest", "act", "ordered", detail="other settings")], "act"),
    ([change("approve", "act", "worse"), change("suggest", "approve", "ordered", detail="other settings")], "suggest"),
    ([change("approve", "act", "worse"), change("suggest", "approve", "ordered")], "act"),
]


@pytest.mark.parametrize(("events", "level"), OTHER)
def test_what_was_lowered_is_shown_as_low_whatever_settings_say_until_a_person_orders_it(
    events: list[Event], level: str
) -> None:
    settings = parse('[loop]\nname = "x"\n[levels]\ndefault = "act"\n[actions.restart]\n', name="loop.toml")
    found = levels(Log(pattern("p-1", "recurring"), *events), settings, now_us=8)
    assert [one.level for one in found if one.pattern == "p-1"] == [level]

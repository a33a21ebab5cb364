"""What is under way, as the topics tell it."""

import dataclasses
from collections.abc import Iterator

from msgspec.structs import replace

from schemas.events import Action, Control, Event, Outcome
from streams.operate.in_flight import in_flight
from streams.operate.topic_reader import StoredRecord
from streams.settings import parse
from tests.loop.decided import proposal, verdict

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


class Spread(Log):
    """What is told of `new` lies in another partition, which is read last."""

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        for record, event in super().events(*topics):
            is_new = isinstance(event, Outcome) and event.action == "new"
            yield dataclasses.replace(record, partition=int(is_new)), event


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


def outcome(of: str, state: str, executor: str = "x-1", *, group: str = "default", time_us: int = 0) -> Outcome:
    return Outcome(
        id=f"{of}-{state}-{executor}-{group}",
        time_us=time_us,
        action=of,
        entity="",
        group=group,
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


DAY = 86_400_000_000
NOW = 30 * DAY


def by_two(new: Action, old_us: int) -> list[Event]:
    """Return that two groups do such actions, as one a while ago tells, and that one of them refuses a new one."""
    return [
        outcome("old", "claimed", group="main", time_us=old_us),
        outcome("old", "claimed", group="valves", time_us=old_us),
        outcome("old", "succeeded", group="main", time_us=old_us),
        outcome("old", "succeeded", group="valves", time_us=old_us),
        new,
        outcome(new.id, "refused", group="main", time_us=new.issued_us + 1),
    ]


def test_what_one_group_refuses_is_under_way_for_another_until_its_outcome_is_overdue() -> None:
    old, new = action("old", NOW - 2 * DAY), action("new", NOW)
    log = Log(old, *by_two(new, old.issued_us))
    over_us = new.expires_us + SETTINGS.gate.outcome_timeout_us
    assert [one.action for one in in_flight(log, SETTINGS, now_us=over_us - 1)] == ["new"]
    assert in_flight(log, SETTINGS, now_us=over_us) == []


def test_which_groups_do_an_action_is_told_by_verdicts_where_older_ones_are_removed() -> None:
    new, old_us = action("new", NOW), NOW - 9 * DAY
    old = replace(verdict(proposal("restart")), time_us=old_us, action="old")
    log = Log(old, *by_two(new, old_us))
    assert [one.action for one in in_flight(log, SETTINGS, now_us=NOW + 5)] == ["new"]


def test_who_did_an_action_since_one_was_refused_does_not_let_that_wait() -> None:
    new, later = action("new", NOW), action("later", NOW + 2)
    first = [new, outcome("new", "refused", group="main", time_us=NOW + 1)]
    log = Spread(later, outcome("later", "claimed", group="valves", time_us=NOW + 3), *first)
    assert [one.action for one in in_flight(log, SETTINGS, now_us=NOW + 5)] == ["later"]

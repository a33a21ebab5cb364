"""What is under way, as the topics tell it."""

from collections.abc import Iterator

from schemas.events import Action, Control, Event, Outcome
from streams.operate.in_flight import in_flight
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

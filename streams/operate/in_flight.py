"""Actions that were let through and have no end yet."""

from collections.abc import Iterator, Mapping

import msgspec

from schemas.events import Action, Control, Event, Outcome, Verdict
from streams.loop.gate.book import Book
from streams.loop.gate.state import Field
from streams.loop.gate.state import InFlight as Entry
from streams.operate.story import Reader
from streams.settings import Settings


class InFlight(msgspec.Struct, frozen=True, kw_only=True):
    """One action without an end; `executor` is who claimed it first, "" while nobody has."""

    action: str
    name: str
    entity: str
    issued_us: int
    expires_us: int
    executor: str = ""


def in_flight(reader: Reader, settings: Settings, *, now_us: int) -> list[InFlight]:
    """Return the actions that the gate still counts as under way, the oldest first; its own book decides what ends one.

    Only who claimed an action first can end it, or a person who settles it; an action whose outcome is overdue is over:
    as unknown, or, where groups only refused it, as if it never ran. What became of older ones counts too: the book
    keeps which groups of executors do which actions.
    """
    actions = {event.id: event for event in _events(reader, "actions") if isinstance(event, Action)}
    said = _said(reader)
    book = Book(settings.gate, actions=settings.actions)
    timeout_us = settings.gate.outcome_timeout_us
    entries = {
        key: Entry(one.action, one.entity, "", one.episode, one.expires_us + timeout_us) for key, one in actions.items()
    }
    if any(isinstance(event, Outcome) and event.state == "refused" and event.action in entries for event in said):
        entries = _removed(reader, entries) | entries
    book.adopt(Field(in_flight=entries))
    for event in said:
        if isinstance(event, Outcome):
            book.see_outcome(event, event.time_us)
        else:
            book.settle(event.target, event.value, event.time_us)
    left = [
        (actions[key], one.executor or "")
        for key, one in book.field.in_flight.items()
        if key in actions and one.deadline_us > now_us
    ]
    return [
        InFlight(
            action=action.id,
            name=action.action,
            entity=action.entity,
            issued_us=action.issued_us,
            expires_us=action.expires_us,
            executor=executor,
        )
        for action, executor in sorted(left, key=lambda pair: (pair[0].issued_us, pair[0].id))
    ]


def _said(reader: Reader) -> list[Outcome | Control]:
    """Return what executors and people said of actions, in order of time; but each partition in its own order."""
    times_us: dict[tuple[str, int], int] = {}
    found: list[tuple[int, Outcome | Control]] = []
    for record, event in reader.events("outcomes", "control"):
        if isinstance(event, Outcome) or (isinstance(event, Control) and event.kind == "settle"):
            place = (record.topic, record.partition)
            times_us[place] = max(event.time_us, times_us.get(place, 0))
            found.append((times_us[place], event))
    return [event for _, event in sorted(found, key=lambda pair: pair[0])]


def _removed(reader: Reader, known: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return the gate's entries of actions that retention removed, as far as `verdicts` tells of them: all are over."""
    return {
        event.action: Entry(event.proposal.action, event.proposal.entity, "", event.proposal.episode, event.time_us)
        for event in _events(reader, "verdicts")
        if isinstance(event, Verdict) and event.action is not None and event.action not in known
    }


def _events(reader: Reader, *topics: str) -> Iterator[Event]:
    return (event for _, event in reader.events(*topics))

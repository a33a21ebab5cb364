"""Actions that were let through and have no end yet."""

from collections.abc import Iterator

import msgspec

from schemas.events import Action, Control, Event, Outcome
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

    Only who claimed an action first can end it, or a person who settles it; an action whose outcome is overdue has
    ended as unknown.
    """
    actions = {event.id: event for event in _events(reader, "actions") if isinstance(event, Action)}
    book = Book(settings.gate, actions=settings.actions)
    book.adopt(Field(in_flight=_under_way(actions, now_us, settings.gate.outcome_timeout_us)))
    for event in _events(reader, "outcomes", "control"):
        if isinstance(event, Outcome):
            book.see_outcome(event, event.time_us)
        elif isinstance(event, Control) and event.kind == "settle":
            book.settle(event.target, event.value, event.time_us)
    left = [(actions[key], one.executor or "") for key, one in book.field.in_flight.items()]
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


def _under_way(actions: dict[str, Action], now_us: int, timeout_us: int) -> dict[str, Entry]:
    """Return the gate's entries of the actions whose outcome is not overdue."""
    return {
        key: Entry(one.action, one.entity, "", one.episode, one.expires_us + timeout_us)
        for key, one in actions.items()
        if one.expires_us + timeout_us > now_us
    }


def _events(reader: Reader, *topics: str) -> Iterator[Event]:
    return (event for _, event in reader.events(*topics))

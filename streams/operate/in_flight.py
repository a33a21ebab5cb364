"""Actions that were let through and have no end yet, and how far each action may go by itself."""

from collections.abc import Iterator

import msgspec

from schemas.events import NOVEL, Action, Control, Event, LevelChange, Outcome, Pattern
from streams.loop.gate import Level
from streams.loop.gate.book import Book
from streams.loop.gate.orders import hear
from streams.loop.gate.pairs import Pairs
from streams.loop.gate.state import Field, Orders
from streams.loop.gate.state import InFlight as Entry
from streams.operate.story import Reader
from streams.operate.story_text import level_text
from streams.settings import Settings


class InFlight(msgspec.Struct, frozen=True, kw_only=True):
    """One action without an end; `executor` is who claimed it first, "" while nobody has."""

    action: str
    name: str
    entity: str
    issued_us: int
    expires_us: int
    executor: str = ""


class PairLevel(msgspec.Struct, frozen=True, kw_only=True):
    """How far one action may go by itself against one pattern (`pattern_name` in words); `ordered` by a person.

    `changed` is what the gate last said of it, with the numbers, and `changed_us` when.
    """

    pattern: str
    pattern_name: str
    action: str
    level: Level
    ordered: bool
    changed: str = ""
    changed_us: int | None = None


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


def levels(reader: Reader, settings: Settings, *, now_us: int) -> list[PairLevel]:
    """Return the level of every pair of a recurring pattern (and what is novel) and a declared action."""
    orders = Orders()
    pairs = Pairs(settings.levels, actions=settings.actions, baseline=settings.policy.baseline)
    changes: dict[tuple[str, str], LevelChange] = {}
    for event in sorted(_events(reader, "control", "patterns"), key=lambda event: event.time_us):
        if isinstance(event, Control):
            hear(orders, pairs.names.renamed(event), event.time_us, machines_raise=settings.levels.raising == "auto")
        elif isinstance(event, Pattern) and event.alias_of is not None:
            pairs.join(event.pattern, event.alias_of, orders)
    for event in _events(reader, "verdicts"):
        if isinstance(event, LevelChange):
            pairs.recall(event)
            changes[event.pattern, event.action] = event
    return [
        PairLevel(
            pattern=pattern,
            pattern_name=name,
            action=action,
            level=pairs.level(orders, pattern, action, now_us),
            ordered=f"{pattern}/{action}" in orders.levels or f"*/{action}" in orders.levels,
            changed="" if change is None else level_text(change),
            changed_us=None if change is None else change.time_us,
        )
        for pattern, name in _recurring(reader).items()
        for action in settings.actions
        for change in [changes.get((pattern, action))]
    ]


def _recurring(reader: Reader) -> dict[str, str]:
    """Return the patterns that recur, and what is novel, in words."""
    names = {NOVEL: "what matches no recurring pattern"}
    for event in _events(reader, "patterns"):
        if isinstance(event, Pattern):
            if event.status == "recurring":
                names[event.pattern] = event.name
            else:
                names.pop(event.pattern, None)
    return names


def _events(reader: Reader, *topics: str) -> Iterator[Event]:
    return (event for _, event in reader.events(*topics))

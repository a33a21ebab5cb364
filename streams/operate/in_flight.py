"""Actions that were let through and have no end yet, and how far each action may go by itself."""

from collections.abc import Iterator

import msgspec

from schemas.events import NOVEL, Action, Control, Event, Outcome, Pattern
from streams.loop.gate import Level
from streams.loop.gate.orders import hear, level_of
from streams.loop.gate.state import Orders
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


class PairLevel(msgspec.Struct, frozen=True, kw_only=True):
    """How far one action may go by itself against one pattern (`pattern_name` in words)."""

    pattern: str
    pattern_name: str
    action: str
    level: Level
    ordered: bool


def in_flight(reader: Reader) -> list[InFlight]:
    """Return the actions without an end, the oldest first; one that a person settled has ended."""
    actions: dict[str, Action] = {}
    claims: dict[str, str] = {}
    ended: set[str] = set()
    for event in _events(reader, "actions", "outcomes", "control"):
        match event:
            case Action():
                actions[event.id] = event
            case Outcome(state="claimed"):
                claims.setdefault(event.action, event.executor)
            case Outcome():
                ended.add(event.action)
            case Control(kind="settle"):
                ended.add(event.target)
    left = [action for action in actions.values() if action.id not in ended]
    return [
        InFlight(
            action=action.id,
            name=action.action,
            entity=action.entity,
            issued_us=action.issued_us,
            expires_us=action.expires_us,
            executor=claims.get(action.id, ""),
        )
        for action in sorted(left, key=lambda action: (action.issued_us, action.id))
    ]


def levels(reader: Reader, settings: Settings) -> list[PairLevel]:
    """Return the level of every pair of a recurring pattern (and what is novel) and a declared action."""
    orders = Orders()
    for event in _events(reader, "control"):
        if isinstance(event, Control):
            hear(orders, event, event.time_us)
    names = {NOVEL: "what matches no recurring pattern"}
    for event in _events(reader, "patterns"):
        if isinstance(event, Pattern):
            if event.status == "recurring":
                names[event.pattern] = event.name
            else:
                names.pop(event.pattern, None)
    return [
        PairLevel(
            pattern=pattern,
            pattern_name=name,
            action=action.name,
            level=level_of(orders, settings.levels, pattern, action),
            ordered=f"{pattern}/{action.name}" in orders.levels or f"*/{action.name}" in orders.levels,
        )
        for pattern, name in names.items()
        for action in settings.actions.values()
    ]


def _events(reader: Reader, *topics: str) -> Iterator[Event]:
    return (event for _, event in reader.events(*topics))

"""How far each action may go by itself against each pattern, as the topics tell it."""

from collections.abc import Iterable, Iterator

import msgspec

from schemas.events import NOVEL, Blocked, Control, Event, LevelChange, Pattern
from streams.loop.gate import Level
from streams.loop.gate.evidence import Pair
from streams.loop.gate.orders import hear, level_of, lower, most_of
from streams.loop.gate.pairs import Pairs
from streams.loop.gate.settings import ANY_PATTERN
from streams.loop.gate.state import Orders
from streams.operate.story import Reader
from streams.operate.story_text import level_text
from streams.settings import Settings


class PairLevel(msgspec.Struct, frozen=True, kw_only=True):
    """How far one action may go by itself against one pattern (`pattern_name` in words); `ordered` by a person, `named`
    is what they ordered of this very pair. At `most` so far loop.toml lets it go.

    `changed` is what the gate last said of it, with the numbers, and `changed_us` when. `lowered`: it lowered the level
    below what people say.
    """

    pattern: str
    pattern_name: str
    action: str
    level: Level
    ordered: bool
    named: Level | None = None
    most: Level = "act"
    lowered: bool = False
    changed: str = ""
    changed_us: int | None = None

    @property
    def pair(self) -> str:
        """Return it as orders name it: `PATTERN/ACTION`."""
        return f"{self.pattern}/{self.action}"

    def why(self, ordered: Level) -> str:
        """Say why it is not at a level that was ordered."""
        if self.level == self.most and lower(ordered, self.most) == self.most:
            return "loop.toml lets it go no further"
        if self.lowered:
            return self.changed or "lowered by the gate"
        if self.named == self.level:
            return "ordered by its own name"
        if (self.level, ordered) == ("approve", "act"):
            return "after a promotion, or where all levels.pairs are taken, nothing acts by itself"
        return self.changed or "that order was not obeyed"


def levels(reader: Reader, settings: Settings, *, now_us: int) -> list[PairLevel]:
    """Return the level of every pair of a recurring pattern (and what is novel) and a declared action, and of every
    other that people ordered by its name.
    """
    told = _Told.read(reader, settings)
    recurring = _recurring(reader)
    actions = settings.actions
    found = [told.pair(pattern, action, recurring[pattern], now_us) for pattern in recurring for action in actions]
    for pair in told.orders.levels:
        pattern, _, action = pair.rpartition("/")
        merged = told.pairs.names.of(pattern) != pattern
        if action in actions and not merged and pattern not in (ANY_PATTERN, *recurring):
            found.append(told.pair(pattern, action, "does not recur now", now_us))
    return found


def lowered(reader: Reader, settings: Settings) -> dict[str, Level]:
    """Return every pair, `PATTERN/ACTION`, that the gate lowered below what people say, with its level."""
    told = _Told.read(reader, settings)
    known = [pair for pair in told.pairs if told.pairs.names.of(pair.pattern) == pair.pattern]
    return {f"{one.pattern}/{one.action}": told.standing(one.pattern, one.action) for one in known if told.fell(one)}


def otherwise(found: Iterable[PairLevel], pair: str, level: Level) -> list[str]:
    """Say which of the pairs that an order is about (`*` for any pattern) stay at another level, and why."""
    pattern, _, action = pair.rpartition("/")
    about = [one for one in found if one.action == action and pattern in (ANY_PATTERN, one.pattern)]
    return [f"{one.pair} stays at {one.level}: {one.why(level)}" for one in about if one.level != level]


class _Told:
    """What people and the gate said of levels; but not what it said before it began afresh: it forgot that."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.orders = Orders()
        self.pairs = Pairs(settings.levels, actions=settings.actions, baseline=settings.policy.baseline)
        self._changes: dict[tuple[str, str], LevelChange] = {}

    @classmethod
    def read(cls, reader: Reader, settings: Settings) -> "_Told":
        """Fold what lies on the topics; raises `BrokerError`."""
        told = cls(settings)
        machines_raise = settings.levels.raising == "auto"
        for event in sorted(_events(reader, "control", "patterns"), key=lambda event: event.time_us):
            if isinstance(event, Control):
                control = told.pairs.names.renamed(event)
                hear(told.orders, control, event.time_us, machines_raise=machines_raise)
            elif isinstance(event, Pattern) and event.alias_of is not None:
                told.pairs.join(event.pattern, event.alias_of, told.orders)
        for change in _remembered(_events(reader, "verdicts")):
            told.pairs.recall(change)
            told._changes[change.pattern, change.action] = change
        return told

    def standing(self, pattern: str, action: str) -> Level:
        """Return the level of a pair, on probation or not."""
        return self.pairs.standing(self.orders, pattern, action)

    def fell(self, pair: Pair) -> bool:
        """Return whether the gate lowered a pair below what people say."""
        if pair.action not in self._settings.actions:
            return False
        start = level_of(self.orders, self._settings.levels, pair.pattern, self._settings.actions[pair.action])
        standing = self.standing(pair.pattern, pair.action)
        return standing != start and lower(standing, start) == standing

    def pair(self, pattern: str, action: str, name: str, now_us: int) -> PairLevel:
        """Return what is true of a pair of a declared action now."""
        change = self._changes.get((pattern, action))
        known = self.pairs.find(pattern, action)
        named = self.orders.levels.get(f"{pattern}/{action}")
        return PairLevel(
            pattern=pattern,
            pattern_name=name,
            action=action,
            level=self.pairs.level(self.orders, pattern, action, now_us),
            ordered=named is not None or f"{ANY_PATTERN}/{action}" in self.orders.levels,
            named=named,
            most=most_of(self._settings.levels, pattern, self._settings.actions[action]),
            lowered=known is not None and self.fell(known),
            changed="" if change is None else level_text(change),
            changed_us=None if change is None else change.time_us,
        )


def _remembered(verdicts: Iterable[Event]) -> list[LevelChange]:
    """Return the changes that the gate told since it last lost its state: it begins by telling all that is blocked."""
    found: list[LevelChange] = []
    for event in verdicts:
        if isinstance(event, LevelChange):
            found.append(event)
        elif isinstance(event, Blocked) and event.whole:
            found = [change for change in found if change.time_us >= event.time_us]
    return found


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

"""The pairs of pattern and action that are followed, the level of each, and how a change of it is told."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from schemas.events import Event, LevelChange
from schemas.ids import derive
from streams.loop.actions import ActionSettings
from streams.loop.gate.density import LACKS, Lack, Thin
from streams.loop.gate.evidence import Compared, Contrast, Pair
from streams.loop.gate.names import Names
from streams.loop.gate.orders import level_of, lower, merge, most_of, ordered_patterns
from streams.loop.gate.settings import Level, LevelSettings
from streams.loop.gate.state import Orders
from streams.loop.occasion import Occasion

Key = tuple[str, str]
"""Pattern and action."""
_OTHER_SETTINGS = "other settings"
"""What is told of an order that is no person's on `control`, but settings that they activated."""
AGAIN = "told again after a loss"
"""What is told of a level that was told before."""
Reason = Literal["decided", "earned", "harm", "worse", "missing", "merged", "ordered"] | Lack


class Given(msgspec.Struct, frozen=True):
    """On what a level is judged: what people say now, the occasion, and the proposal and the episode at hand."""

    orders: Orders
    on: Occasion
    proposal: str = ""
    episode: str = ""


class Pairs:
    """What people say (`Orders`, the settings) is where a pair starts, and starts again when they say something else;
    but what was lowered is raised by their orders alone. A pattern that was merged counts as the one that took it in.

    Bounded: the pair not heard of for longest is forgotten for another one, but never one whose level the gate changed;
    what finds no room goes no further than `approve`. What a merge lowers is followed though there is no room: beyond
    the bound there are no more than people named pairs of patterns that were merged since. Until `probation_us` nothing
    goes further than `approve`. `untold`: other settings may have changed a level that was not told yet.
    """

    def __init__(self, settings: LevelSettings, *, actions: Mapping[str, ActionSettings], baseline: str) -> None:
        self._settings = settings
        self._actions = actions
        self._baseline = baseline
        self._pairs: dict[Key, Pair] = {}
        self.names = Names(settings.pairs)
        self.untold = False
        self.probation_us = 0

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._pairs.values())

    def adopt(self, pairs: Iterable[Pair], joined: Iterable[tuple[str, str]], orders: Orders) -> None:
        """Replace all pairs; where the settings are others than those that they were made under, those count."""
        self._pairs = {(pair.pattern, pair.action): pair for pair in pairs}
        self.names.adopt(joined)
        for pair in self:
            if pair.action in self._actions:
                self._renew(pair, orders)
        self.untold = any(pair.was is not None for pair in self)

    def join(self, pattern: str, into: str, orders: Orders) -> bool:
        """Let a pattern count as another one from now on, for later orders as well; return False where it does, or
        where that counts as it.
        """
        if not self.names.join(pattern, into, ordered_patterns(orders, self._settings)):
            return False
        for key in [key for key in self._pairs if key[0] == pattern]:
            del self._pairs[key]
        merge(orders, pattern, self.names.of(into))
        return True

    def find(self, pattern: str, action: str) -> Pair | None:
        """Return what is known of a pair."""
        return self._pairs.get((self.names.of(pattern), action))

    def follow(self, pattern: str, action: str, *, beyond: bool = False) -> Pair | None:
        """Return what is known of a pair from now on; None where nothing can be, as too many others are followed, and
        this is not to go `beyond` the bound.
        """
        key = self.names.of(pattern), action
        if action not in self._actions or not (beyond or key in self._pairs or self._has_room()):
            return None
        known = self._pairs.pop(key, None)
        if known is None:
            unchanged = (key for key, pair in self._pairs.items() if pair.level is None)
            for other in list(itertools.islice(unchanged, max(0, len(self._pairs) + 1 - self._settings.pairs))):
                del self._pairs[other]
        self._pairs[key] = known or self._fresh(key)
        return self._pairs[key]

    def level(self, orders: Orders, pattern: str, action: str, now_us: int) -> Level:
        """Return how far an action may go by itself against a pattern now."""
        pair = self.find(pattern, action)
        level = self._standing_as(pair, orders, pattern, action)
        if level == "act" and (now_us < self.probation_us or (pair is None and not self._has_room())):
            return "approve"
        return level

    def standing(self, orders: Orders, pattern: str, action: str) -> Level:
        """Return the level of a pair, on probation or not."""
        return self._standing_as(self.find(pattern, action), orders, pattern, action)

    def raised_from(self, pair: Pair, orders: Orders) -> Level | None:
        """Return what people say of a pair that the gate raised above that; None of one that it did not raise."""
        start = level_of(orders, self._settings, pair.pattern, self._actions[pair.action])
        standing = self._standing_of(pair, orders)
        return start if lower(standing, start) != standing else None

    def raised_patterns(self) -> set[str]:
        """Return the patterns of pairs that the gate let ask or act."""
        return {pair.pattern for pair in self if pair.level in ("approve", "act")}

    def _standing_as(self, pair: Pair | None, orders: Orders, pattern: str, action: str) -> Level:
        declared = self._actions.get(action)
        start = level_of(orders, self._settings, self.names.of(pattern), declared)
        if declared is None or pair is None or pair.level is None:
            return start
        if pair.start == start:
            return lower(pair.level, most_of(self._settings, pair.pattern, declared))
        return lower(pair.level, start) if pair.fell else start

    def may_rise(self, pair: Pair, level: Level) -> bool:
        """Return whether an action may ever reach a level."""
        most = most_of(self._settings, pair.pattern, self._actions[pair.action])
        return lower(level, most) == level

    def span(self, pair: Pair, compared: Compared) -> tuple[float, float]:
        """Return between what an effect lies: rewards are in [0, 1] less the cost of what was done."""
        other = self._actions.get(self._baseline) if compared == "baseline" else None
        saved = (other.cost if other is not None else 0.0) - self._actions[pair.action].cost
        return saved - 1.0, saved + 1.0

    def say(self, pair: Pair, given: Given, *, why: Reason | Thin) -> list[Event]:
        """Tell, once, why a level stays as it is."""
        reason = why.lack if isinstance(why, Thin) else why
        if pair.said == reason:
            return []
        pair.said = reason
        return [self._told(pair, self._standing_of(pair, given.orders), given, why=why)]

    def change(self, pair: Pair, level: Level, given: Given, *, why: Reason | Thin) -> list[Event]:
        """Give a pair another level, and tell it with the numbers that led to it; what follows is counted afresh. That
        outcomes became too thin is no fault of its own: what they proved counts when it climbs again.
        """
        was = self._standing_of(pair, given.orders)
        pair.start = level_of(given.orders, self._settings, pair.pattern, self._actions[pair.action])
        pair.level = level
        told = self._told(pair, was, given, why=why)
        if isinstance(why, Thin) or (why == "decided" and pair.has_evidence):
            pair.begin_asking()
        else:
            pair.begin(lowered=lower(level, was) == level)
        return [told]

    def tell_renewed(self, pattern: str, action: str, given: Given) -> list[Event]:
        """Tell, once, that other settings gave a pair another level."""
        pair = self.find(pattern, action)
        if pair is None or pair.was is None or action not in self._actions:
            return []
        was, pair.was = pair.was, None
        return [self._told(pair, was, given, why="ordered", detail=_OTHER_SETTINGS)]

    def tell_raised(self, given: Given) -> list[Event]:
        """Tell once more of the pairs that it raised above what people say."""
        raised = [(pair, self.raised_from(pair, given.orders)) for pair in self if pair.action in self._actions]
        return [
            self._told(pair, start, given, why="earned" if pair.level == "act" else "decided", detail=AGAIN)
            for pair, start in raised
            if start is not None
        ]

    def restart(self, pair: Pair, given: Given) -> list[Event]:
        """Let what people say hold again; it is told where the gate had made something else of it."""
        was, pair.level, pair.fell = pair.level, None, False
        outputs: list[Event] = []
        if was is not None and pair.action in self._actions:
            outputs.append(self._told(pair, was, given, why="ordered"))
        pair.begin()
        return outputs

    def recall(self, change: LevelChange) -> None:
        """Take over a change that was told: the levels without the state that led to them."""
        if change.reason == "promotion":
            self.probation_us = change.until_us or 0
        elif change.action in self._actions:
            pair = self._pairs.setdefault((change.pattern, change.action), self._fresh((change.pattern, change.action)))
            if change.reason == "ordered" and change.detail == _OTHER_SETTINGS:
                pair.start, pair.level = change.start, change.level if pair.fell else None
            elif change.reason == "ordered":
                pair.level, pair.fell = None, False
            elif change.level != change.was:
                pair.start, pair.level = change.start, change.level
                fell = change.reason not in LACKS and lower(change.level, change.was) == change.level
                pair.fell = pair.fell or fell

    def _has_room(self) -> bool:
        return len(self._pairs) < self._settings.pairs or any(pair.level is None for pair in self)

    def _fresh(self, key: Key) -> Pair:
        against: dict[Compared, Contrast] = {"none": Contrast()}
        if key[1] != self._baseline:
            against["baseline"] = Contrast()
        return Pair(pattern=key[0], action=key[1], against=against, basis=self._basis(key[1]))

    def _basis(self, action: str) -> str:
        """Return what tells whether outcomes are still those of the same action, held against the same baseline."""
        meanings = [_meaning(self._actions.get(name)) for name in (action, self._baseline)]
        return derive("basis", self._baseline, *meanings)

    def _renew(self, pair: Pair, orders: Orders) -> None:
        """Let a pair begin anew where people say something else now, or mean something else by its action."""
        start = level_of(orders, self._settings, pair.pattern, self._actions[pair.action])
        other = pair.basis != self._basis(pair.action)
        was = pair.was or pair.level
        renewed = pair.level is not None and (other or start != pair.start)
        if pair.level is not None and renewed:
            pair.level = lower(pair.level, start) if pair.fell else None
            pair.start = start
        if renewed or other:
            pair.begin(other=other)
            pair.was = None if was == self._standing_of(pair, orders) else was
        if other:
            fresh = self._fresh((pair.pattern, pair.action))
            pair.basis, pair.against = fresh.basis, fresh.against

    def _standing_of(self, pair: Pair, orders: Orders) -> Level:
        return self.standing(orders, pair.pattern, pair.action)

    def _told(self, pair: Pair, was: Level, given: Given, *, why: Reason | Thin, detail: str = "") -> LevelChange:
        """Return the event of a change with its numbers: of the effect, those against what it exceeds least."""
        alpha = pair.alpha(self._settings.wrong)
        found = [
            (*contrast.bounds(low=span[0], high=span[1], alpha=alpha), contrast.effect, name)
            for name, contrast in pair.against.items()
            if contrast.rounds
            for span in [self.span(pair, name)]
        ]
        low, high, effect, name = min(found, default=(None, None, None, ""))
        return LevelChange(
            id=given.on.id(),
            time_us=given.on.now.us,
            causes=given.on.causes,
            pattern=pair.pattern,
            action=pair.action,
            level=self._standing_of(pair, given.orders),
            was=was,
            start=level_of(given.orders, self._settings, pair.pattern, self._actions[pair.action]),
            reason=why.lack if isinstance(why, Thin) else why,
            detail=why.detail if isinstance(why, Thin) else detail,
            remedy=why.remedy if isinstance(why, Thin) else "",
            earned="act" if why == "earned" else None,
            decided=pair.decided,
            outcomes=pair.outcomes,
            missing=pair.missing,
            reward=pair.rewards.mean if pair.rewards.count else None,
            effect=effect,
            effect_low=low,
            effect_high=high,
            compared=self._baseline if name == "baseline" else name,
            proposal=given.proposal,
            episode=given.episode,
        )


def _meaning(action: ActionSettings | None) -> str:
    """Return all of a declaration that its effect and its reward depend on."""
    if action is None:
        return ""
    return repr((action.executor, sorted(action.parameters.items()), action.dry_run, action.cost))

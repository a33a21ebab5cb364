"""The pairs of pattern and action that are followed, the level of each, and how a change of it is told."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from schemas.events import Event, LevelChange, Proposal
from streams.loop.actions import ActionSettings
from streams.loop.gate.evidence import Compared, Contrast, Pair
from streams.loop.gate.orders import level_of, lower, most_of
from streams.loop.gate.settings import Level, LevelSettings
from streams.loop.gate.state import Orders
from streams.loop.occasion import Occasion

Key = tuple[str, str]
"""Pattern and action."""
Reason = Literal["decided", "earned", "harm", "worse", "missing", "sparse", "merged", "ordered"]


class Pairs:
    """What people say (`Orders`, the settings) is where a pair starts, and starts again when they say something else;
    but what was lowered is raised by their orders alone.

    Bounded: a pair whose level the gate changed is never forgotten for another one; what finds no room goes no further
    than `approve`. Until `probation_us` nothing does.
    """

    def __init__(self, settings: LevelSettings, *, actions: Mapping[str, ActionSettings], baseline: str) -> None:
        self._settings = settings
        self._actions = actions
        self._baseline = baseline
        self._pairs: dict[Key, Pair] = {}
        self.probation_us = 0

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._pairs.values())

    def adopt(self, pairs: Iterable[Pair]) -> None:
        """Replace all pairs."""
        self._pairs = {(pair.pattern, pair.action): pair for pair in pairs}
        for key, pair in self._pairs.items():
            fresh = self._fresh(key)
            if set(pair.against) != set(fresh.against):  # another baseline now
                pair.against = fresh.against

    def find(self, pattern: str, action: str) -> Pair | None:
        """Return what is known of a pair."""
        return self._pairs.get((pattern, action))

    def follow(self, pattern: str, action: str) -> Pair | None:
        """Return what is known of a pair from now on; None where nothing can be, as too many others are followed."""
        key = pattern, action
        if action not in self._actions or (key not in self._pairs and not self._has_room()):
            return None
        if key not in self._pairs:
            if len(self._pairs) >= self._settings.pairs:
                del self._pairs[next(key for key, pair in self._pairs.items() if pair.level is None)]
            self._pairs[key] = self._fresh(key)
        return self._pairs[key]

    def drop(self, pattern: str, action: str) -> None:
        """Forget a pair."""
        self._pairs.pop((pattern, action), None)

    def level(self, orders: Orders, pattern: str, action: str, now_us: int) -> Level:
        """Return how far an action may go by itself against a pattern now."""
        level = self.standing(orders, pattern, action)
        unfollowed = (pattern, action) not in self._pairs and not self._has_room()
        return lower(level, "approve") if unfollowed or now_us < self.probation_us else level

    def standing(self, orders: Orders, pattern: str, action: str) -> Level:
        """Return the level of a pair, on probation or not."""
        declared = self._actions.get(action)
        start = level_of(orders, self._settings, pattern, declared)
        pair = self._pairs.get((pattern, action))
        if declared is None or pair is None or pair.level is None:
            return start
        if pair.start == start:
            return lower(pair.level, most_of(self._settings, pattern, declared))
        return lower(pair.level, start) if lower(pair.level, pair.start) == pair.level else start

    def may_rise(self, pair: Pair, level: Level) -> bool:
        """Return whether an action may ever reach a level."""
        most = most_of(self._settings, pair.pattern, self._actions[pair.action])
        return lower(level, most) == level

    def span(self, pair: Pair, compared: Compared) -> tuple[float, float]:
        """Return between what an effect lies: rewards are in [0, 1] less the cost of what was done."""
        other = self._actions.get(self._baseline) if compared == "baseline" else None
        saved = (other.cost if other is not None else 0.0) - self._actions[pair.action].cost
        return saved - 1.0, saved + 1.0

    def say(
        self, pair: Pair, orders: Orders, on: Occasion, *, reason: Reason, proposal: Proposal, detail: str = ""
    ) -> list[Event]:
        """Tell, once, why a level stays as it is."""
        if pair.said == reason:
            return []
        pair.said = reason
        was = self._standing_of(pair, orders)
        return [self._told(pair, was, orders, on, reason=reason, proposal=proposal, detail=detail)]

    def change(
        self,
        pair: Pair,
        level: Level,
        orders: Orders,
        on: Occasion,
        *,
        reason: Reason,
        proposal: Proposal | None = None,
    ) -> list[Event]:
        """Give a pair another level, and tell it with the numbers that led to it; what follows is counted afresh."""
        was = self._standing_of(pair, orders)
        pair.start = level_of(orders, self._settings, pair.pattern, self._actions[pair.action])
        pair.level = level
        told = self._told(pair, was, orders, on, reason=reason, proposal=proposal)
        pair.begin(lowered=lower(level, was) == level)
        return [told]

    def restart(self, pair: Pair, orders: Orders, on: Occasion) -> list[Event]:
        """Let what people say hold again; it is told where the gate had made something else of it."""
        if pair.level is None or pair.action not in self._actions:
            pair.level = None
            pair.begin(lowered=False)
            return []
        was, pair.level = pair.level, None
        told = self._told(pair, was, orders, on, reason="ordered")
        pair.begin(lowered=False)
        return [told]

    def recall(self, change: LevelChange) -> None:
        """Take over a change that was told: the levels without the state that led to them."""
        if change.reason == "promotion":
            self.probation_us = change.until_us or 0
        elif change.action in self._actions:
            pair = self._pairs.setdefault((change.pattern, change.action), self._fresh((change.pattern, change.action)))
            if change.level != change.was:
                pair.start, pair.level = change.start, change.level
            if change.reason == "ordered":
                pair.level = None

    def _has_room(self) -> bool:
        return len(self._pairs) < self._settings.pairs or any(pair.level is None for pair in self)

    def _fresh(self, key: Key) -> Pair:
        against: dict[Compared, Contrast] = {"none": Contrast()}
        if key[1] != self._baseline:
            against["baseline"] = Contrast()
        return Pair(pattern=key[0], action=key[1], against=against)

    def _standing_of(self, pair: Pair, orders: Orders) -> Level:
        return self.standing(orders, pair.pattern, pair.action)

    def _told(
        self,
        pair: Pair,
        was: Level,
        orders: Orders,
        on: Occasion,
        *,
        reason: Reason,
        proposal: Proposal | None = None,
        detail: str = "",
    ) -> LevelChange:
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
            id=on.id(),
            time_us=on.now.us,
            causes=on.causes,
            pattern=pair.pattern,
            action=pair.action,
            level=self._standing_of(pair, orders),
            was=was,
            start=level_of(orders, self._settings, pair.pattern, self._actions[pair.action]),
            reason=reason,
            detail=detail,
            earned="act" if reason == "earned" else None,
            decided=pair.decided,
            outcomes=pair.outcomes,
            missing=pair.missing,
            reward=pair.rewards.mean if pair.rewards.count else None,
            effect=effect,
            effect_low=low,
            effect_high=high,
            compared=self._baseline if name == "baseline" else name,
            proposal="" if proposal is None else proposal.id,
            episode="" if proposal is None else proposal.episode,
        )

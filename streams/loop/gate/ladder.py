"""The levels of pairs of pattern and action: earned step by step from what is decided and what comes of it, lost at once.

Up to `approve` a pair climbs by episodes in which it was proposed, where outcomes are dense enough to learn from; to
`act` by the lower confidence bound of its effect, over runs whose end an executor signed.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Literal

from schemas.events import NONE, NOVEL, Event, Experience, LevelChange, Pattern, Promotion, Proposal, Verdict
from schemas.keyring import LOOP
from streams.loop.actions import ActionSettings
from streams.loop.gate.density import Feedback, too_thin
from streams.loop.gate.evidence import Contrast, Pair
from streams.loop.gate.orders import level_of, lower, most_of
from streams.loop.gate.settings import ANY_PATTERN, LEVELS, Level, LevelSettings
from streams.loop.gate.state import LadderState, Orders
from streams.loop.occasion import Occasion
from streams.loop.remembering import forget_oldest, remember

_KNOWN_ENDS = ("succeeded", "failed")
_DOUBLINGS = 8
"""So often at most the number of episodes is doubled for a pair that was lowered."""
Key = tuple[str, str]
"""Pattern and action."""
Compared = Literal["none", "baseline"]
Reason = Literal["decided", "earned", "harm", "worse", "missing", "sparse", "merged", "ordered"]


class Ladder:
    """Folds decisions, ends and experiences; tells every change of level.

    What people say (`Orders`, the settings) is where a pair starts, and starts again when they say something else.
    `orders` is the gate's own: it is only read here.
    """

    def __init__(
        self, settings: LevelSettings, *, actions: Mapping[str, ActionSettings], baseline: str, remembered: int
    ) -> None:
        self._settings = settings
        self._actions = actions
        self._baseline = baseline
        self._remembered = remembered
        self.adopt(LadderState())

    def adopt(self, state: LadderState) -> None:
        """Replace the state."""
        self._pairs = {(one.pattern, one.action): one for one in state.pairs}
        self._feedback = OrderedDict(state.feedback)
        self._ends = OrderedDict(state.ends)
        self._seen = OrderedDict.fromkeys(state.seen)
        self._probation_us = state.probation_us

    def state(self) -> LadderState:
        """Return the whole state."""
        return LadderState(
            pairs=list(self._pairs.values()),
            feedback=list(self._feedback.items()),
            ends=list(self._ends.items()),
            seen=list(self._seen),
            probation_us=self._probation_us,
        )

    def level(self, orders: Orders, pattern: str, action: str, now_us: int) -> Level:
        """Return how far an action may go by itself against a pattern now."""
        level = self._standing(orders, (pattern, action))
        unfollowed = (pattern, action) not in self._pairs and not self._has_room()
        return lower(level, "approve") if unfollowed or now_us < self._probation_us else level

    def decided(self, verdict: Verdict, orders: Orders, on: Occasion) -> list[Event]:
        """Note that the loop wanted an action which its level kept back."""
        proposal = verdict.proposal
        pair = self._pair(proposal)
        if pair is None or verdict.decided_by != "level":
            return []
        pair.decided += 1
        raised: Level = "suggest" if verdict.level == "observe" else "approve"
        if pair.decided < self._settings.episodes << min(pair.lowered, _DOUBLINGS) or not self._may_rise(pair, raised):
            return []
        if raised == "approve":
            thin = too_thin(self._feedback.get(pair.pattern), self._settings, on.now.us)
            if thin is not None:
                return self._say(pair, "sparse", orders, on, proposal, thin)
        return self._change(pair, raised, "decided", orders, on, proposal)

    def ended(self, action: str, state: str) -> None:
        """Note how an action of the gate's own ended, as its executor says; what a person settled says nothing here."""
        self._ends[action] = state
        forget_oldest(self._ends, self._remembered)

    def learned(self, experience: Experience, verdict: Verdict | None, orders: Orders, on: Occasion) -> list[Event]:
        """Count what became of a proposal; `verdict` is the gate's own, None where it is forgotten."""
        if experience.id in self._seen:
            return []
        remember(self._seen, experience.id, self._remembered)
        if verdict is None or verdict.verdict != "allow" or verdict.proposal.by != LOOP:
            return []
        proposal = verdict.proposal
        if experience.state != "late":
            self._feed(experience, proposal, on)
        if proposal.action == NONE:
            nothing = experience.reward if experience.state == "observed" else None
            return [] if nothing is None else self._compare("none", nothing, proposal, orders, on)
        pair = self._pair(proposal)
        known = self._ends.get(verdict.action or "") in _KNOWN_ENDS and experience.effective == proposal.action
        if experience.state in ("observed", "late") and known and experience.reward is not None:
            return self._count(pair, experience.reward, proposal, orders, on)
        if pair is None or experience.state in ("late", "censored"):  # of what is late the default was counted
            return []
        pair.miss(self._settings.missing)
        return self._judge(pair, orders, on, proposal)

    def promoted(self, promotion: Promotion, on: Occasion) -> list[Event]:
        """Let nothing act by itself for a while: other models speak now than those that earned it."""
        if promotion.id in self._seen or promotion.decision == "hold":
            return []
        remember(self._seen, promotion.id, self._remembered)
        self._probation_us = max(self._probation_us, on.now.us + self._settings.probation_us)
        return [
            LevelChange(
                id=on.id(),
                time_us=on.now.us,
                causes=on.causes,
                pattern=ANY_PATTERN,
                action=ANY_PATTERN,
                level="approve",
                was="act",
                start="act",
                reason="promotion",
                detail=f"{promotion.component} {promotion.version}: {promotion.decision}",
                until_us=self._probation_us,
            )
        ]

    def merged(self, pattern: Pattern, orders: Orders, on: Occasion) -> list[Event]:
        """Give a pattern the lower level of its own and of one that was merged into it."""
        if pattern.status != "merged" or pattern.alias_of is None:
            return []
        outputs: list[Event] = []
        for name in self._actions:
            old, new = (pattern.pattern, name), (pattern.alias_of, name)
            if old not in self._pairs:
                continue
            level = self._standing(orders, old)
            del self._pairs[old]
            if level != self._standing(orders, new) and lower(level, self._standing(orders, new)) == level:
                pair = self._pairs.setdefault(new, self._fresh(new))
                outputs += self._change(pair, level, "merged", orders, on)
        return outputs

    def ordered(self, target: str, orders: Orders, on: Occasion) -> list[Event]:
        """Begin anew with what a person ordered about a pair (`*` for any pattern), whatever was earned or lost."""
        pattern, _, action = target.rpartition("/")
        outputs: list[Event] = []
        for key, pair in self._pairs.items():
            if key[1] != action or pattern not in (key[0], ANY_PATTERN):
                continue
            if pair.level is not None:
                was, pair.level = self._standing(orders, key), None
                outputs.append(self._told(pair, was, "ordered", orders, on))
            pair.begin(lowered=False)
        return outputs

    def _standing(self, orders: Orders, key: Key) -> Level:
        """Return the level of a pair, on probation or not: what the gate made of what people said, while they say it."""
        start = level_of(orders, self._settings, key[0], self._actions.get(key[1]))
        pair = self._pairs.get(key)
        if pair is None or pair.level is None:
            return start
        if pair.start == start or lower(pair.level, pair.start) == pair.level:  # what was lowered stays so
            return lower(pair.level, start) if pair.start != start else pair.level
        return start

    def _pair(self, proposal: Proposal) -> Pair | None:
        """Return what is known of a pair; None where nothing can be, as too many others are followed."""
        key = proposal.pattern, proposal.action
        if key not in self._pairs:
            if proposal.action not in self._actions or not self._has_room():
                return None
            if len(self._pairs) >= self._settings.pairs:
                del self._pairs[next(key for key, pair in self._pairs.items() if pair.level is None)]
            self._pairs[key] = self._fresh(key)
        return self._pairs[key]

    def _fresh(self, key: Key) -> Pair:
        against = {"none": Contrast()}
        if key[1] != self._baseline:
            against["baseline"] = Contrast()
        return Pair(pattern=key[0], action=key[1], against=against)

    def _has_room(self) -> bool:
        """Return whether one more pair can be followed. One whose level the gate changed is never forgotten."""
        return len(self._pairs) < self._settings.pairs or any(pair.level is None for pair in self._pairs.values())

    def _feed(self, experience: Experience, proposal: Proposal, on: Occasion) -> None:
        known = self._feedback.setdefault(proposal.pattern, Feedback(experience.decided_us))
        known.add(
            decided_us=experience.decided_us,
            now_us=on.now.us,
            reward=experience.reward,
            nothing=proposal.action == NONE,
        )
        forget_oldest(self._feedback, self._settings.pairs)

    def _count(
        self, pair: Pair | None, reward: float, proposal: Proposal, orders: Orders, on: Occasion
    ) -> list[Event]:
        outputs: list[Event] = []
        if pair is not None:
            pair.add(reward, cost=self._actions[pair.action].cost, missing=self._settings.missing)
            outputs += self._judge(pair, orders, on, proposal)
        if proposal.action == self._baseline and proposal.hold_out is not None and proposal.hold_out.arm == "baseline":
            outputs += self._compare("baseline", reward, proposal, orders, on)
        return outputs

    def _compare(
        self, other: Compared, reward: float, proposal: Proposal, orders: Orders, on: Occasion
    ) -> list[Event]:
        """Hold what doing nothing, or the baseline, earned against all other actions of the pattern."""
        outputs: list[Event] = []
        for action in self._actions:
            pair = self._pairs.get((proposal.pattern, action))
            if pair is not None and other in pair.against:
                pair.against[other].add(reward, mine=False)
                outputs += self._judge(pair, orders, on, proposal)
        return outputs

    def _judge(self, pair: Pair, orders: Orders, on: Occasion, proposal: Proposal) -> list[Event]:
        """Lower a pair that harms, fell, or went silent; raise one that has earned it."""
        standing = self._standing(orders, (pair.pattern, pair.action))
        if LEVELS.index(standing) < LEVELS.index("approve"):
            return []
        alpha, rich = pair.alpha(self._settings.wrong), self._settings.alarm_every
        below = LEVELS[LEVELS.index(standing) - 1]
        if any(contrast.harms(alpha=alpha) for contrast in pair.against.values()):
            return self._change(pair, below, "harm", orders, on, proposal)
        if standing == "act" and pair.falling >= rich:
            return self._change(pair, below, "worse", orders, on, proposal)
        if standing == "act" and pair.silence >= rich:
            return self._change(pair, below, "missing", orders, on, proposal)
        if standing == "act" or pair.silence >= rich or not self._has_earned(pair, alpha):
            return []
        if self._settings.raising == "signed":
            return self._say(pair, "earned", orders, on, proposal)
        return self._change(pair, "act", "earned", orders, on, proposal)

    def _has_earned(self, pair: Pair, alpha: float) -> bool:
        cost = self._actions[pair.action].cost
        return (
            self._may_rise(pair, "act")
            and pair.outcomes >= self._settings.outcomes
            and all(one.earns(self._settings.effect, cost=cost, alpha=alpha) for one in pair.against.values())
        )

    def _may_rise(self, pair: Pair, level: Level) -> bool:
        """Return whether a pair may reach a level by itself."""
        most = most_of(self._settings, pair.pattern, self._actions[pair.action])
        return self._settings.raising != "never" and pair.pattern != NOVEL and lower(level, most) == level

    def _say(
        self, pair: Pair, reason: Reason, orders: Orders, on: Occasion, proposal: Proposal, detail: str = ""
    ) -> list[Event]:
        """Tell once why a level stays as it is."""
        if pair.said == reason:
            return []
        pair.said = reason
        standing = self._standing(orders, (pair.pattern, pair.action))
        return [self._told(pair, standing, reason, orders, on, proposal, detail)]

    def _change(
        self,
        pair: Pair,
        level: Level,
        reason: Reason,
        orders: Orders,
        on: Occasion,
        proposal: Proposal | None = None,
    ) -> list[Event]:
        was = self._standing(orders, (pair.pattern, pair.action))
        pair.start = level_of(orders, self._settings, pair.pattern, self._actions[pair.action])
        pair.level = level
        told = self._told(pair, was, reason, orders, on, proposal)
        pair.begin(lowered=lower(level, was) == level)
        return [told]

    def _told(
        self,
        pair: Pair,
        was: Level,
        reason: Reason,
        orders: Orders,
        on: Occasion,
        proposal: Proposal | None = None,
        detail: str = "",
    ) -> LevelChange:
        """Return the event of a change, with the numbers that led to it."""
        action, alpha = self._actions[pair.action], pair.alpha(self._settings.wrong)
        bounds = {
            name: (one.low(cost=action.cost, alpha=alpha), one) for name, one in pair.against.items() if one.rounds
        }
        name = min(bounds, key=lambda name: bounds[name][0], default=None)
        low, contrast = (None, None) if name is None else bounds[name]
        return LevelChange(
            id=on.id(),
            time_us=on.now.us,
            causes=on.causes,
            pattern=pair.pattern,
            action=pair.action,
            level=self._standing(orders, (pair.pattern, pair.action)),
            was=was,
            start=level_of(orders, self._settings, pair.pattern, action),
            reason=reason,
            detail=detail,
            earned="act" if reason == "earned" else None,
            decided=pair.decided,
            outcomes=pair.outcomes,
            missing=pair.missing,
            reward=pair.rewards.mean if pair.rewards.count else None,
            effect=None if contrast is None else contrast.effect,
            effect_low=low,
            effect_high=None if contrast is None else contrast.high(alpha=alpha),
            compared="" if name is None else NONE if name == "none" else self._baseline,
            proposal="" if proposal is None else proposal.id,
            episode="" if proposal is None else proposal.episode,
        )

"""The levels of pairs of pattern and action: earned step by step by what is decided and comes of it, lost at once.

Up to `approve` a pair climbs by episodes in which it was wanted, where outcomes are dense enough to learn from; to
`act` by the lower confidence bound of its effect, over runs whose end an executor signed.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from schemas.events import NONE, NOVEL, Event, Experience, LevelChange, Pattern, Promotion, Proposal, Verdict
from schemas.keyring import LOOP
from streams.loop.actions import ActionSettings
from streams.loop.gate.density import Feedback, too_thin
from streams.loop.gate.evidence import Compared, Pair
from streams.loop.gate.orders import lower
from streams.loop.gate.pairs import Pairs
from streams.loop.gate.settings import ANY_PATTERN, LEVELS, Level, LevelSettings
from streams.loop.gate.state import LadderState, Orders
from streams.loop.occasion import Occasion
from streams.loop.remembering import forget_oldest, remember

_KNOWN_ENDS = ("succeeded", "failed")
_DOUBLINGS = 8
"""So often at most the number of episodes is doubled for a pair that was lowered."""


class Ladder:
    """Folds decisions, ends and experiences, and tells every change of level. `orders` is the gate's own, only read."""

    def __init__(
        self, settings: LevelSettings, *, actions: Mapping[str, ActionSettings], baseline: str, remembered: int
    ) -> None:
        self._settings = settings
        self._actions = actions
        self._baseline = baseline
        self._remembered = remembered
        self._pairs = Pairs(settings, actions=actions, baseline=baseline)
        self._feedback: OrderedDict[str, Feedback] = OrderedDict()
        self._ends: OrderedDict[str, str] = OrderedDict()
        self._seen: OrderedDict[str, None] = OrderedDict()

    def adopt(self, state: LadderState) -> None:
        """Replace the state."""
        self._pairs.adopt(state.pairs)
        self._pairs.probation_us = state.probation_us
        self._feedback = OrderedDict(state.feedback)
        self._ends = OrderedDict(state.ends)
        self._seen = OrderedDict.fromkeys(state.seen)

    def state(self) -> LadderState:
        """Return the whole state."""
        return LadderState(
            pairs=list(self._pairs),
            feedback=list(self._feedback.items()),
            ends=list(self._ends.items()),
            seen=list(self._seen),
            probation_us=self._pairs.probation_us,
        )

    def level(self, orders: Orders, pattern: str, action: str, now_us: int) -> Level:
        """Return how far an action may go by itself against a pattern now."""
        return self._pairs.level(orders, pattern, action, now_us)

    def decided(self, verdict: Verdict, orders: Orders, on: Occasion) -> list[Event]:
        """Note that the loop wanted an action which its level kept back."""
        proposal = verdict.proposal
        pair = self._pairs.follow(proposal.pattern, proposal.action)
        if pair is None or verdict.decided_by != "level":
            return []
        pair.decided += 1
        raised: Level = "suggest" if verdict.level == "observe" else "approve"
        wanted = self._settings.episodes << min(pair.lowered, _DOUBLINGS)
        if pair.decided < wanted or not self._may_rise(pair, raised):
            return []
        if raised == "approve":
            thin = too_thin(self._feedback.get(pair.pattern), self._settings, on.now.us)
            if thin is not None:
                return self._pairs.say(pair, orders, on, reason="sparse", proposal=proposal, detail=thin)
        return self._pairs.change(pair, raised, orders, on, reason="decided", proposal=proposal)

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
        proposal, late = verdict.proposal, experience.state == "late"
        if not late:
            self._feed(experience, proposal, on)
        if proposal.action == NONE:
            nothing = experience.reward if experience.state == "observed" else None
            return [] if nothing is None else self._compare("none", nothing, proposal, orders, on)
        known = self._ends.get(verdict.action or "") in _KNOWN_ENDS and experience.effective == proposal.action
        if known and experience.reward is not None and (late or experience.state == "observed"):
            return self._count(experience.reward, proposal, orders, on)
        pair = self._pairs.follow(proposal.pattern, proposal.action)
        if pair is None or late or experience.state == "censored":  # of what is late the default was counted
            return []
        pair.miss(self._settings.missing)
        return self._judge(pair, orders, on, proposal)

    def promoted(self, promotion: Promotion, on: Occasion) -> list[Event]:
        """Let nothing act by itself for a while: other models speak now than those that earned it."""
        if promotion.id in self._seen or promotion.decision == "hold":
            return []
        remember(self._seen, promotion.id, self._remembered)
        until_us = max(self._pairs.probation_us, on.now.us + self._settings.probation_us)
        self._pairs.probation_us = until_us
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
                until_us=until_us,
            )
        ]

    def merged(self, pattern: Pattern, orders: Orders, on: Occasion) -> list[Event]:
        """Give a pattern the lower level of its own and of one that was merged into it."""
        if pattern.status != "merged" or pattern.alias_of is None:
            return []
        outputs: list[Event] = []
        for action in self._actions:
            if self._pairs.find(pattern.pattern, action) is None:
                continue
            level = self._pairs.standing(orders, pattern.pattern, action)
            self._pairs.drop(pattern.pattern, action)
            own = self._pairs.standing(orders, pattern.alias_of, action)
            pair = self._pairs.follow(pattern.alias_of, action)
            if pair is not None and level != own and lower(level, own) == level:
                outputs += self._pairs.change(pair, level, orders, on, reason="merged")
        return outputs

    def ordered(self, target: str, orders: Orders, on: Occasion) -> list[Event]:
        """Begin anew with what a person ordered about a pair (`*` for any pattern), whatever was earned or lost."""
        pattern, _, action = target.rpartition("/")
        outputs: list[Event] = []
        for pair in self._pairs:
            if pair.action == action and pattern in (pair.pattern, ANY_PATTERN):
                outputs += self._pairs.restart(pair, orders, on)
        return outputs

    def _feed(self, experience: Experience, proposal: Proposal, on: Occasion) -> None:
        known = self._feedback.setdefault(proposal.pattern, Feedback(experience.decided_us))
        known.add(
            decided_us=experience.decided_us,
            now_us=on.now.us,
            reward=experience.reward,
            nothing=proposal.action == NONE,
        )
        forget_oldest(self._feedback, self._settings.pairs)

    def _count(self, reward: float, proposal: Proposal, orders: Orders, on: Occasion) -> list[Event]:
        outputs: list[Event] = []
        pair = self._pairs.follow(proposal.pattern, proposal.action)
        if pair is not None:
            pair.add(reward, cost=self._actions[pair.action].cost, missing=self._settings.missing)
            outputs += self._judge(pair, orders, on, proposal)
        if proposal.action == self._baseline and proposal.hold_out is not None and proposal.hold_out.arm == "baseline":
            outputs += self._compare("baseline", reward, proposal, orders, on)
        return outputs

    def _compare(self, other: Compared, reward: float, proposal: Proposal, orders: Orders, on: Occasion) -> list[Event]:
        """Hold what doing nothing, or the baseline, earned against all other actions of the pattern."""
        outputs: list[Event] = []
        for action in self._actions:
            pair = self._pairs.find(proposal.pattern, action)
            if pair is not None and other in pair.against:
                pair.against[other].add(reward, mine=False)
                outputs += self._judge(pair, orders, on, proposal)
        return outputs

    def _judge(self, pair: Pair, orders: Orders, on: Occasion, proposal: Proposal) -> list[Event]:
        """Lower a pair that harms, fell, or went silent; raise one that has earned it."""
        standing = self._pairs.standing(orders, pair.pattern, pair.action)
        if standing not in ("approve", "act"):
            return []
        alpha, rich = pair.alpha(self._settings.wrong), self._settings.alarm_every
        below = LEVELS[LEVELS.index(standing) - 1]
        bars: Iterable[Compared] = pair.against if pair.level == "act" else ("none",)  # those that it was raised over
        if any(pair.against[one].harms(high=self._pairs.span(pair, one)[1], alpha=alpha) for one in bars):
            return self._pairs.change(pair, below, orders, on, reason="harm", proposal=proposal)
        if standing == "act" and pair.falling >= rich:
            return self._pairs.change(pair, below, orders, on, reason="worse", proposal=proposal)
        if standing == "act" and pair.silence >= rich:
            return self._pairs.change(pair, below, orders, on, reason="missing", proposal=proposal)
        if standing == "act" or pair.silence >= rich or not self._has_earned(pair, alpha):
            return []
        if self._settings.raising == "signed":
            return self._pairs.say(pair, orders, on, reason="earned", proposal=proposal)
        return self._pairs.change(pair, "act", orders, on, reason="earned", proposal=proposal)

    def _has_earned(self, pair: Pair, alpha: float) -> bool:
        return (
            pair.outcomes >= self._settings.outcomes
            and self._may_rise(pair, "act")
            and all(
                contrast.earns(self._settings.effect, low=self._pairs.span(pair, name)[0], alpha=alpha)
                for name, contrast in pair.against.items()
            )
        )

    def _may_rise(self, pair: Pair, level: Level) -> bool:
        """Return whether a pair may reach a level by what it earns; what is novel never does: it is many things."""
        return self._settings.raising != "never" and pair.pattern != NOVEL and self._pairs.may_rise(pair, level)

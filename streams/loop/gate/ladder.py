"""The levels of pairs of pattern and action: earned step by step by what is decided and comes of it, lost at once.

Up to `approve` a pair climbs by episodes in which it was wanted; to `act` by the lower confidence bound of its effect,
over runs whose end an executor signed: both where outcomes are dense enough to learn from.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from schemas.events import NOVEL, Event, Experience, LevelChange, Promotion, Proposal, Verdict
from schemas.keyring import LOOP
from streams.loop.actions import ActionSettings
from streams.loop.asking import unasked
from streams.loop.gate.density import Thin, too_thin
from streams.loop.gate.evidence import Compared, Pair
from streams.loop.gate.feedback import Feedbacks
from streams.loop.gate.left_alone import LeftAlone, LeftAlones
from streams.loop.gate.names import Names
from streams.loop.gate.orders import is_named, lower
from streams.loop.gate.pairs import AGAIN, Given, Pairs
from streams.loop.gate.runs import Run, Runs
from streams.loop.gate.settings import ANY_PATTERN, LEVELS, Level, LevelSettings
from streams.loop.gate.state import LadderState, Orders
from streams.loop.gate.table import SHOWN
from streams.loop.occasion import Occasion
from streams.loop.remembering import remember
from streams.loop.rewards import reward_of, within_range

_DOUBLINGS = 8
"""So often at most the number of episodes is doubled for a pair that was lowered."""


class Ladder:
    """Folds decisions, ends and experiences, and tells every change of level. `orders` is the gate's own, only read."""

    def __init__(
        self,
        settings: LevelSettings,
        *,
        actions: Mapping[str, ActionSettings],
        baseline: str,
        remembered: int,
        awaited: int,
    ) -> None:
        """Of at most `remembered` runs, and of `awaited` proposals to do nothing, it waits for what comes of them."""
        self._settings = settings
        self._actions = actions
        self._baseline = baseline
        self._remembered = remembered
        self._pairs = Pairs(settings, actions=actions, baseline=baseline)
        self._feedback = Feedbacks(
            fade_us=settings.earn_within_us, limit=settings.pairs, kept=self._pairs.raised_patterns
        )
        self._runs = Runs(remembered)
        self._left_alone = LeftAlones(awaited)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._levels: dict[tuple[str, str], Level] = {}
        """What was looked up of late, until something may change it: see `begin_moment`."""

    def adopt(self, state: LadderState, orders: Orders) -> None:
        """Replace the state."""
        self._pairs.adopt(state.pairs, state.joined, orders)
        self._pairs.probation_us = state.probation_us
        self._feedback.adopt(state.feedback)
        self._runs.adopt(state.runs)
        self._left_alone.adopt(state.left_alone)
        self._seen = OrderedDict.fromkeys(state.seen)

    def state(self) -> LadderState:
        """Return the whole state."""
        return LadderState(
            pairs=list(self._pairs),
            feedback=self._feedback.state(),
            runs=self._runs.state(),
            seen=list(self._seen),
            joined=self.names.state(),
            probation_us=self._pairs.probation_us,
            left_alone=self._left_alone.state(),
        )

    @property
    def names(self) -> Names:
        """Return as what merged patterns count."""
        return self._pairs.names

    def level(self, orders: Orders, pattern: str, action: str, now_us: int) -> Level:
        """Return how far an action may go by itself against a pattern now."""
        level = self._levels.get((pattern, action))
        if level is None:
            level = self._levels[pattern, action] = self._pairs.level(orders, pattern, action, now_us)
        return level

    def begin_moment(self) -> None:
        """Look levels up again: time went on, or what came may have changed them."""
        self._levels.clear()

    def proposed(self, proposal: Proposal, orders: Orders, on: Occasion) -> list[Event]:
        """Lower what the gate raised above `suggest`, before it acts or people are asked, where outcomes no longer
        suffice to learn from, by the time of the proposal: while it is down it hears none. What people order is theirs.
        """
        pair = self._pairs.find(proposal.pattern, proposal.action)
        if pair is None or pair.level is None or proposal.action not in self._actions or proposal.by != LOOP:
            return []
        start = self._pairs.raised_from(pair, orders)
        if start is None or pair.level in ("observe", "suggest"):
            return []
        thin = self._too_thin(pair, min(proposal.time_us, on.now.us), raised=True)
        if thin is None or thin.lack == "unknown":
            return []
        self._levels.clear()
        given = Given(orders, on, proposal.id, proposal.episode)
        return self._pairs.change(pair, start if start == "approve" else "suggest", given, why=thin)

    def decided(self, verdict: Verdict, orders: Orders, on: Occasion, *, wanted: str | None = None) -> list[Event]:
        """Note that the loop wanted an action which its level kept back: one that was proposed, or (`wanted`) that it
        left out for its level and nothing else would have kept from being shown. Of an episode once.
        """
        proposal = verdict.proposal
        is_shown = verdict.decided_by == "level"
        if not is_shown and wanted is None and not self._pairs.untold:
            return []
        outputs: list[Event] = []
        given = Given(orders, on, proposal.id, proposal.episode)
        for action in (proposal.action,) if wanted is None else (proposal.action, wanted):
            outputs += self._pairs.tell_renewed(proposal.pattern, action, given)
        if is_shown:
            outputs += self._want(proposal, proposal.action, verdict.level, given)
        if wanted is not None:
            level = self.level(orders, proposal.pattern, wanted, on.now.us)
            outputs += self._want(proposal, wanted, level, given)
        return outputs

    def _want(self, proposal: Proposal, action: str, level: Level, given: Given) -> list[Event]:
        wanted = f"{proposal.episode}/{action}"
        if level not in SHOWN or wanted in self._seen:
            return []
        remember(self._seen, wanted, self._remembered)
        self._levels.clear()
        pair = self._pairs.follow(proposal.pattern, action)
        if pair is None:
            return []
        pair.decided += 1
        return self._climb(pair, "suggest" if level == "observe" else "approve", given)

    def began(self, verdict: Verdict, orders: Orders, on: Occasion) -> list[Event]:
        """Note an action that was let through; of too many the oldest counts as one of which nobody tells what came. A
        dry run proves nothing.
        """
        if verdict.action is None or verdict.dry_run or verdict.proposal.by != LOOP:
            return []
        given_up = self._runs.begin(verdict.action, verdict)
        return [] if given_up is None else self._miss(given_up, Given(orders, on, given_up.proposal))

    def left_alone(self, verdict: Verdict) -> LeftAlone | None:
        """Note that nothing is done, as the loop wanted; of too many return the oldest: nothing is learned of it."""
        if verdict.verdict != "allow" or verdict.proposal.by != LOOP:
            return None
        return self._left_alone.begin(verdict.proposal)

    def ended(self, action: str, state: str) -> None:
        """Note how an action of the gate's own ended, as its executor says; what a person settled says nothing here."""
        self._runs.end(action, state)

    def learned(self, experience: Experience, verdict: Verdict | None, orders: Orders, on: Occasion) -> list[Event]:
        """Count what became of a proposal; `verdict` is the gate's own, None where it is forgotten. What is
        foretold alone proves nothing. What a person was asked about by choice counts as any approved action does, but
        not where the action stands at `act`: a person picks the cases for which it helps, the action by itself does
        not. Nor does what it is compared with, where the loop would have asked.
        """
        if not experience.is_outcome:
            return []
        experience = unasked(experience)
        given = Given(orders, on, experience.proposal, experience.episode)
        issued = None if verdict is None else verdict.action  # none either where it came again, and that was denied
        run = self._runs.of(issued or experience.action or "", experience)
        if run is not None:
            return self._ran(run, experience, given)
        left = self._left_alone.of(experience)
        return [] if left is None else self._did_nothing(experience, left, given)

    def promoted(self, promotion: Promotion, on: Occasion) -> list[Event]:
        """Let nothing act by itself for a while: other models speak now than those that earned it."""
        if promotion.id in self._seen or promotion.decision == "hold":
            return []
        remember(self._seen, promotion.id, self._remembered)
        self._pairs.probation_us = max(self._pairs.probation_us, on.now.us + self._settings.probation_us)
        return [self._on_probation(f"{promotion.component} {promotion.version}: {promotion.decision}", on)]

    def tell_again(self, orders: Orders, on: Occasion) -> list[Event]:
        """Tell the levels that it raised above what people say, and until when none acts: what it told before counts no
        more where it tells all that is blocked. Levels that it lowered are ordered by who accepts a loss.
        """
        outputs = self._pairs.tell_raised(Given(orders, on))
        if self._pairs.probation_us > on.now.us:
            outputs.append(self._on_probation(AGAIN, on))
        return outputs

    def _on_probation(self, detail: str, on: Occasion) -> LevelChange:
        return LevelChange(
            id=on.id(),
            time_us=on.now.us,
            causes=on.causes,
            pattern=ANY_PATTERN,
            action=ANY_PATTERN,
            level="approve",
            was="act",
            start="act",
            reason="promotion",
            detail=detail,
            until_us=self._pairs.probation_us,
        )

    def merged(self, old: str, into: str, orders: Orders, on: Occasion) -> list[Event]:
        """Give a pattern the lower level of its own and of one that was merged into it."""
        stood = {
            action: self._pairs.standing(orders, old, action)
            for action in self._actions
            if self._pairs.find(old, action) is not None or is_named(orders, self._settings, old, action)
        }
        if not self._pairs.join(old, into, orders):
            return []
        self._feedback.join(old, self.names.of(into))
        outputs: list[Event] = []
        for action, level in stood.items():
            own = self._pairs.standing(orders, into, action)
            pair = self._pairs.follow(into, action, beyond=True) if lower(level, own) != own else None
            outputs += [] if pair is None else self._pairs.change(pair, level, Given(orders, on), why="merged")
        return outputs

    def ordered(self, target: str, orders: Orders, on: Occasion) -> list[Event]:
        """Begin anew with what a person ordered about a pair (`*` for any pattern that no order names), whatever was
        earned or lost. Where an order names the pattern, one for `*` says nothing of it: what was lowered stays so.
        """
        pattern, _, action = target.rpartition("/")
        outputs: list[Event] = []
        for pair in self._pairs:
            named = f"{pair.pattern}/{action}" in orders.levels
            if pair.action == action and pattern == (pair.pattern if named else ANY_PATTERN):
                outputs += self._pairs.restart(pair, Given(orders, on))
        return outputs

    def _climb(self, pair: Pair, raised: Level, given: Given) -> list[Event]:
        """Raise a pair by one level, up to `approve`, once it was wanted often enough."""
        enough = self._settings.episodes << min(pair.lowered, _DOUBLINGS)
        if pair.decided < enough or not self._may_rise(pair, raised):
            return []
        if raised == "approve":
            thin = self._too_thin(pair, given.on.now.us)
            if thin is not None:
                return self._pairs.say(pair, given, why=thin)
        return self._pairs.change(pair, raised, given, why="decided")

    def _too_thin(self, pair: Pair, now_us: int, *, raised: bool = False) -> Thin | None:
        return too_thin(
            self._feedback.of(pair.pattern),
            self._settings,
            now_us,
            alpha=pair.alpha(self._settings.wrong),
            cost=self._actions[pair.action].cost,
            raised=raised,
        )

    def _did_nothing(self, experience: Experience, left: LeftAlone, given: Given) -> list[Event]:
        """Count what doing nothing came to."""
        self._feedback.feed(self.names.of(left.pattern), experience, nothing=True)
        reward = reward_of(experience)
        if left.arm != "none" or experience.state != "observed" or reward is None:
            return []
        return self._compare("none", left, within_range(reward, cost=0.0), given)

    def _ran(self, run: Run, experience: Experience, given: Given) -> list[Event]:
        """Count a run as an outcome, or, once, as one of which nobody tells what came; one that never began as none."""
        reward = reward_of(experience)
        if experience.state != "censored":
            self._feedback.feed_run(self.names.of(run.pattern), run, experience)
        if run.tells(experience) and reward is not None:
            return self._count(reward, run, given)
        if run.missed or experience.state == "censored":
            return []
        run.missed = True
        return self._miss(run, given)

    def _count(self, reward: float, run: Run, given: Given) -> list[Event]:
        pair = self._pairs.follow(run.pattern, run.action)
        if pair is None:
            return []
        cost = self._actions[pair.action].cost
        reward = within_range(reward, cost=cost)
        apart, outputs = self._is_apart(pair, run, given), list[Event]()
        if not apart or run.arm != "loop":
            chosen = run.chosen == run.action and not apart
            pair.add(reward, cost=cost, missing=self._settings.missing, chosen=chosen)
            outputs += self._judge(pair, given)
        if run.action == self._baseline and run.arm == "baseline":
            outputs += self._compare("baseline", run, reward, given)
        return outputs

    def _miss(self, run: Run, given: Given) -> list[Event]:
        self._levels.clear()
        pair = self._pairs.follow(run.pattern, run.action)
        if pair is None or (run.arm == "loop" and self._is_apart(pair, run, given)):
            return []
        pair.miss(self._settings.missing)
        return self._judge(pair, given)

    def _compare(self, other: Compared, one: Run | LeftAlone, reward: float, given: Given) -> list[Event]:
        """Hold what doing nothing, or the baseline, earned against the action that the loop would have chosen."""
        pair = self._pairs.find(one.pattern, one.chosen)
        if pair is None or pair.action not in self._actions or other not in pair.against:
            return []
        if self._is_apart(pair, one, given):
            return []
        pair.against[other].add(reward, mine=False)
        return self._judge(pair, given)

    def _is_apart(self, pair: Pair, one: Run | LeftAlone, given: Given) -> bool:
        """Return whether it is a case in which people are asked, of a pair that else acts by itself."""
        return one.asked and self._pairs.standing(given.orders, pair.pattern, pair.action) == "act"

    def _judge(self, pair: Pair, given: Given) -> list[Event]:
        """Lower a pair that harms, fell, or went silent; raise one that has earned it."""
        standing = self._pairs.standing(given.orders, pair.pattern, pair.action)
        if standing not in ("approve", "act"):
            return []
        alpha, rich = pair.alpha(self._settings.wrong), self._settings.alarm_every
        below = LEVELS[LEVELS.index(standing) - 1]
        bars: Iterable[Compared] = pair.against if pair.level == "act" else ("none",)  # those that it was raised over
        if any(pair.against[one].harms(high=self._pairs.span(pair, one)[1], alpha=alpha) for one in bars):
            return self._pairs.change(pair, below, given, why="harm")
        if standing == "act" and pair.falling >= rich:
            return self._pairs.change(pair, below, given, why="worse")
        if standing == "act" and pair.silence >= rich:
            return self._pairs.change(pair, below, given, why="missing")
        if standing == "act" or pair.silence >= rich or not self._has_earned(pair, alpha):
            return []
        thin = self._too_thin(pair, given.on.now.us)
        if thin is not None:
            return self._pairs.say(pair, given, why=thin)
        if self._settings.raising == "signed":
            return self._pairs.say(pair, given, why="earned")
        return self._pairs.change(pair, "act", given, why="earned")

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

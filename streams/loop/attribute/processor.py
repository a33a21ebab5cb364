"""Verdict, outcome and measurements to experience: exactly one per proposal, and a correction after a default."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from schemas.events import NONE, Episode, Event, Experience, Measurement, Outcome, Verdict
from schemas.ids import Cause, Mint
from schemas.keyring import LOOP
from streams.loop.actions import ActionSettings
from streams.loop.attribute.ahead import counts_ahead
from streams.loop.attribute.asking import earned, follow_answers, is_no_question, note_answer, unasked_reward
from streams.loop.attribute.experiences import State, experience_of
from streams.loop.attribute.following import Following
from streams.loop.attribute.foretelling import Foretelling
from streams.loop.attribute.joins import (
    Join,
    Window,
    as_heard,
    begun,
    effective_of,
    end_of_all,
    is_judged,
    is_refused,
    keep,
    note_claim,
    note_end,
    run_of,
    settles,
    window_of,
)
from streams.loop.attribute.reward import Measured, outcome_of
from streams.loop.attribute.settings import AttributeSettings
from streams.loop.attribute.sharing import Sharing, SharingState
from streams.loop.occasion import Occasion, fold_events
from streams.loop.processor import Input, Now
from streams.loop.remembering import forget_oldest
from streams.loop.turned_away import TurnedAway
from streams.loop.untold import Untold
from streams.loop.versions import refuse_other_version

STATE_VERSION = 5
RECENT_WINDOWS = 8
"""Windows kept per entity before its verdict comes: verdicts and measurements travel on different topics."""
LATE_LIMIT = "outcome.late_limit"
WINDOWS_LIMIT = "outcome.windows_limit"


class _State(msgspec.Struct):
    version: int
    joins: list[Join]
    late: list[Join]
    recent: list[tuple[str, list[Window]]]
    shares: list[tuple[str, dict[str, float]]]
    closed: list[tuple[str, int]]
    done: list[str]
    ahead: list[tuple[str, list[tuple[str, Outcome]]]]
    stood: Untold
    left_out: Untold
    foretelling: bytes
    forgot: bool = False
    sharing: SharingState = msgspec.field(default_factory=SharingState)


class Attribute:
    """Follows every proposal from its verdict to its one experience.

    Not executed (denied, shadowed, refused, never approved): `censored`, at once; where a group refused what none had
    claimed, or what several groups do, when the horizon ends without a claim by another. Executed, or not although the
    loop chose to ask a person and one was asked: judged from the entity's measurements when the horizon ends:
    `observed`, or `unobservable` when they tell nothing. No end heard by then (where several groups claimed it, from
    each of them): `defaulted`; the effective action is the proposed one if it was claimed and `none` if nobody started
    it. An end that comes after that gives `late`. Neither has a reward where nothing was measured: that says nothing,
    and what is missing more often would look worse. An end `unknown` was started: it is observed, and `outcome` says
    so.
    A dry run is judged as doing nothing, which it is, at no cost.

    With early signals, what they foretell of the loop's own decision on an episode is told before: `early`. Whatever
    comes next of it retracts that.

    Where another action on the entity, as a person's own, was let through within the horizon, a recovery before that
    counts. What had not recovered by then counts as not recovered, whatever came after, unless that action never ran.
    What was let through before the decision is not looked at.
    """

    name = "attribute"

    def __init__(
        self, settings: AttributeSettings, *, loop: str, actions: dict[str, ActionSettings], look_cost: float = 0.0
    ) -> None:
        """`look_cost` is what a person's look costs where the loop chose to ask for it, in units of reward."""
        self._settings = settings
        self._look_cost = look_cost
        self._loop = loop
        self._costs = {name: action.cost for name, action in actions.items()}
        self._following = Following(settings, {name: action.expires_us for name, action in actions.items()})
        self._recent: OrderedDict[str, list[Window]] = OrderedDict()
        self._shares: OrderedDict[str, dict[str, float]] = OrderedDict()
        """Of what an episode was made, of those heard of last; and whether any was forgotten."""
        self._forgot = False
        self._closed: OrderedDict[str, int] = OrderedDict()
        self._ahead: OrderedDict[str, list[tuple[str, Outcome]]] = OrderedDict()
        """Outcomes heard ahead of their verdict."""
        self._sharing = Sharing(self._costs, limit=settings.open_limit)
        self._stood, self._left_out = TurnedAway(LATE_LIMIT), TurnedAway(WINDOWS_LIMIT)
        self._foretelling = None if settings.early is None else Foretelling(settings.early, settings)

    def on_batch(self, inputs: Sequence[Input], now: Now) -> list[Event]:
        """Fold records in order."""
        return fold_events(inputs, now, Mint(loop=self._loop, processor=self.name), self._fold)

    def on_time(self, now: Now) -> list[Event]:
        """Read early signals, judge the proposals whose window ended, and let defaults stand that nobody corrected."""
        mint = Mint(loop=self._loop, processor=self.name)
        self._following.let_stand(now.us)
        outputs: list[Event] = []
        for due_us, key in self._following.due(now.us):
            join = self._following.open[key]
            if join.early_us == due_us:
                on = Occasion(Cause(f"timer:{self.name}:early/{key}", 0, due_us), now, mint)
                outputs += self._read_signal(join, on)
            else:
                outputs += self._end_window(join, Occasion(Cause(f"timer:{self.name}:{key}", 0, due_us), now, mint))
        for limit, of in ((LATE_LIMIT, self._stood), (WINDOWS_LIMIT, self._left_out)):
            rest_us = of.next_us()
            if rest_us is not None and rest_us <= now.us:
                outputs += of.tell(Occasion(Cause(f"timer:{self.name}:{limit}", 0, rest_us), now, mint))
        return outputs

    def next_time(self) -> int | None:
        """Return when the next window ends, the next early signal is read, or the rest of an overflow is told."""
        times = (self._following.next_us(), self._stood.next_us(), self._left_out.next_us())
        return min((us for us in times if us is not None), default=None)

    def snapshot(self) -> bytes:
        """Return the whole state."""
        joins, late, done = self._following.snapshot()
        state = _State(
            version=STATE_VERSION,
            joins=joins,
            late=late,
            recent=list(self._recent.items()),
            shares=list(self._shares.items()),
            closed=list(self._closed.items()),
            done=done,
            ahead=list(self._ahead.items()),
            stood=self._stood.columns(),
            left_out=self._left_out.columns(),
            foretelling=b"" if self._foretelling is None else self._foretelling.snapshot(),
            forgot=self._forgot,
            sharing=self._sharing.state(),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the state; raises `RecoveryError` when it is of another version."""
        refuse_other_version(snapshot, of=self.name, version=STATE_VERSION)
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._following.adopt(open_=state.joins, late=state.late, done=state.done)
        self._recent = OrderedDict(state.recent)
        self._shares = OrderedDict(state.shares)
        self._closed = OrderedDict(state.closed)
        self._ahead = OrderedDict(state.ahead)
        self._stood.restore(state.stood)
        self._left_out.restore(state.left_out)
        self._forgot = state.forgot
        self._sharing.restore(state.sharing)
        if self._foretelling is not None and state.foretelling:
            self._foretelling.restore(state.foretelling)

    def _fold(self, event: Event, on: Occasion) -> list[Event]:
        match event:
            case Measurement():
                return self._see(event, on)
            case Episode():
                self._follow_episode(event)
            case Verdict():
                return self._decided(event, on)
            case Outcome():
                return self._ended(event, on)
            case _:
                pass
        return []

    def _follow_episode(self, episode: Episode) -> None:
        """Note what made an episode, and when it was over."""
        joins = self._following.of_episode(episode.episode, episode.entity)
        if episode.phase == "closed" and episode.closed_us is not None:
            closed_us = self._closed.setdefault(episode.episode, episode.closed_us)
            forget_oldest(self._closed, self._settings.remembered)
            for join in joins:
                join.closed_us = closed_us if join.closed_us is None else join.closed_us
        elif episode.shares:
            self._shares[episode.episode] = episode.shares
            self._forgot |= len(self._shares) > self._settings.open_limit
            forget_oldest(self._shares, self._settings.open_limit)
            for join in joins:
                join.shares = episode.shares

    def _shares_of(self, episode: str) -> dict[str, float] | None:
        """Return what made an episode: nothing where nobody told, None where that may have been forgotten."""
        return self._shares.get(episode, None if episode and self._forgot else {})

    def _see(self, measurement: Measurement, on: Occasion) -> list[Event]:
        """Keep a window for the open proposals of its entity, and for a verdict that is still under way. Of the parts
        of a window that a silence cut in two, which begin at the same time, the first counts.
        """
        window = window_of(measurement, self._settings, self._shares_of(measurement.episode))
        recent = self._recent.setdefault(measurement.entity, [])
        self._recent.move_to_end(measurement.entity)
        is_newer = not recent or window.start_us > recent[-1].start_us
        if is_newer:
            recent.append(window)
            del recent[:-RECENT_WINDOWS]
        forget_oldest(self._recent, self._settings.open_limit)
        joins = self._following.of_entity(measurement.entity, measurement.start_us)
        full = [keep(join, window_of(measurement, self._settings, join.shares), self._settings) for join in joins]
        return self._left_out.note(measurement.entity, on) if is_newer and any(full) else []

    def _decided(self, verdict: Verdict, on: Occasion) -> list[Event]:
        following, key = self._following, verdict.proposal.id
        known = following.open.get(key) or following.late.get(key)
        if key in following.done or (known is not None and not settles(known.verdict, verdict)):
            note_answer(known, verdict)
            return []
        if known is not None:
            following.leave(known)
        join = Join(verdict=msgspec.structs.replace(verdict, checks=()), verdict_at=str(on.cause), due_us=0)
        episode = verdict.proposal.episode
        join.shares, join.closed_us = self._shares_of(episode), self._closed.get(episode)
        if known is not None:
            join.shares, join.closed_us = known.shares, known.closed_us
        follow_answers(join, known)
        if is_no_question(join):
            return [self._censor(join, on)]
        self._set_timers(join)
        for window in self._recent.get(verdict.proposal.entity, ()):
            keep(join, window, self._settings)
        following.mix(verdict)
        outputs = self._make_room(on)
        following.follow(join)
        for at, outcome in self._ahead.pop(verdict.action or "", ()):
            outputs += self._hear_of(outcome, at, on)
        return outputs

    def _set_timers(self, join: Join) -> None:
        settings, decided_us = self._settings, join.verdict.time_us
        if join.verdict.verdict == "escalate":
            join.due_us = decided_us + settings.escalation_us
            return
        join.due_us = decided_us + settings.horizon_us + settings.grace_us
        if settings.early is None or join.asked_us is not None:  # a signal since the question foretells another thing
            return
        if join.proposal.episode and join.proposal.by == LOOP:
            join.early_us = decided_us + settings.early.after_us + settings.grace_us

    def _ended(self, outcome: Outcome, on: Occasion) -> list[Event]:
        outcome = as_heard(outcome, on.now.us)
        if self._following.of_action(outcome.action) is not None or outcome.action in self._following.done:
            return self._hear_of(outcome, str(on.cause), on)
        heard = self._ahead.setdefault(outcome.action, [])
        if counts_ahead([other for _, other in heard], outcome):
            heard.append((str(on.cause), outcome))
        forget_oldest(self._ahead, self._settings.open_limit)
        return []

    def _hear_of(self, outcome: Outcome, at: str, on: Occasion) -> list[Event]:
        """Hear of an action that is followed, or of which all was told."""
        join = self._following.of_action(outcome.action)
        if join is not None:
            return self._hear(join, outcome, at, on)
        if outcome.state == "claimed":
            self._sharing.claimed_late(outcome.action, outcome.group)
        return []

    def _hear(self, join: Join, outcome: Outcome, at: str, on: Occasion) -> list[Event]:
        """Note a claim, or an end: of what was claimed when each group that did has ended it. Of what nobody had
        claimed, or of what several groups do, a refusal is the end only when the horizon is: another may run it.
        """
        if outcome.state == "claimed":
            self._sharing.claimed(join.proposal.action, outcome.group)
            note_claim(join, outcome)
            return []
        if outcome.state == "refused" and join.claim is None and join.end is None and not join.waits_for_late:
            join.refusal, join.refusal_at = (outcome, at) if join.refusal is None else (join.refusal, join.refusal_at)
            return []
        ended = end_of_all(join) if note_end(join, outcome, at) else None
        if ended is None:
            return []
        join.end, join.end_at = ended.outcome, ended.at
        if join.waits_for_late:
            return self._correct(join, on)
        is_over = join.end.state == "refused" and not self._sharing.is_shared(join.proposal.action)
        return [self._censor(join, on)] if is_over else []

    def _read_signal(self, join: Join, on: Occasion) -> list[Event]:
        """Read how far the recovery is, and hand out the reward that this foretells."""
        join.early_us = None
        effective = begun(join)
        if self._settings.early is None or self._foretelling is None or effective is None:
            return []
        so_far = self._measure(join, effective, on, self._settings.early.after_us)
        join.signal = None if so_far is None else so_far.left
        expected = None if join.signal is None else self._foretelling.expect(join.signal)
        if expected is None or join.due_us <= on.now.us:
            return []
        experience = self._write(join, on, None, state="early", effective=effective, foretold=expected)
        join.foretold = experience.reward
        return [experience]

    def _end_window(self, join: Join, on: Occasion) -> list[Event]:
        if join.verdict.verdict == "escalate" or is_refused(join):
            return [self._censor(join, on)]
        if join.end is None and join.verdict.action is not None and is_judged(join.proposal):
            return self._default(join, on)
        effective = effective_of(join)
        measured = self._measure(join, effective, on)
        self._following.finish(join)
        state: State = "observed" if measured else "unobservable"
        return [self._write(join, on, measured, state=state, effective=effective), *self._learn(join, measured, on)]

    def _default(self, join: Join, on: Occasion) -> list[Event]:
        effective = run_of(join) if join.claim else NONE
        measured = self._measure(join, effective, on)
        experience = self._write(join, on, measured, state="defaulted", effective=effective)
        join.waits_for_late, join.defaulted = True, experience.reward
        join.due_us = join.verdict.time_us + self._settings.horizon_us + self._settings.late_us
        stands = self._following.wait_for_late(join)
        return [experience, *([] if stands is None else self._stood.note(stands.proposal.entity, on))]

    def _correct(self, join: Join, on: Occasion) -> list[Event]:
        refused = join.end is not None and join.end.state == "refused"
        effective = NONE if refused else run_of(join)
        measured = self._measure(join, effective, on)
        self._following.finish(join)
        experience = self._write(join, on, measured, state="late", effective=effective)
        return [experience, *([] if refused else self._learn(join, measured, on))]

    def _censor(self, join: Join, on: Occasion) -> Experience:
        if is_refused(join) and join.end is None:
            join.end, join.end_at = join.refusal, join.refusal_at
        if join.end is not None and join.verdict.action is not None:
            self._sharing.refused(join.verdict.action, join.proposal.action)
        self._following.finish(join)
        return self._write(join, on, None, state="censored", effective=NONE)

    def _learn(self, join: Join, measured: Measured | None, on: Occasion) -> list[Event]:
        """Learn how the early signal of a decision foretold its outcome, where both are known."""
        if self._foretelling is None or join.signal is None or measured is None:
            return []
        return self._foretelling.learn(join.signal, measured.left, on)

    def _measure(self, join: Join, effective: str, on: Occasion, horizon_us: int | None = None) -> Measured | None:
        return outcome_of(
            join,
            effective,
            since_us=join.began_us,
            horizon_us=self._settings.horizon_us if horizon_us is None else horizon_us,
            others_us=self._following.others_us(join, on.now.us),
            settings=self._settings,
        )

    def _cost(self, effective: str) -> float:
        return 0.0 if effective == NONE else self._costs.get(effective, 0.0)

    def _write(
        self,
        join: Join,
        on: Occasion,
        measured: Measured | None,
        *,
        state: State,
        effective: str,
        foretold: float | None = None,
    ) -> Experience:
        """Write an experience: its reward is the share of the horizon that recovery left over, less the costs; where
        nothing was measured, by the share that was `foretold`.
        """
        left, cost = foretold if measured is None else measured.left, self._cost(effective)
        others_us = self._following.others_us(join, on.now.us)
        unasked = unasked_reward(join, measured, effective, cost=cost, others_us=others_us, settings=self._settings)
        came_to = earned(join, left, cost=cost, look_cost=self._look_cost, unasked=unasked)
        return experience_of(join, on, measured, state=state, effective=effective, earned=came_to)

    def _make_room(self, on: Occasion) -> list[Event]:
        """Give up the oldest proposal when too many are followed; it is still told once."""
        if len(self._following.open) < self._settings.open_limit:
            return []
        oldest = next(iter(self._following.open.values()))
        if is_refused(oldest):
            return [self._censor(oldest, on)]
        self._following.finish(oldest)
        return [self._write(oldest, on, None, state="unobservable", effective=effective_of(oldest))]

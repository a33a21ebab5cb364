"""The policy: recurrences in, proposals out, and what came of them learned."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from schemas.events import (
    ASK,
    NONE,
    Blocked,
    Episode,
    Event,
    Experience,
    Measurement,
    Pattern,
    Proposal,
    Recurrence,
    Storm,
    Verdict,
)
from schemas.ids import Cause, Mint
from streams.loop.actions import ActionSettings
from streams.loop.occasion import Occasion, fold_events
from streams.loop.policy.answers import adopted, came_too_late, take, waits_longer
from streams.loop.policy.choice import dry_of, features_of, time_of_day
from streams.loop.policy.drawing import Drawing
from streams.loop.policy.held_back import HeldBack
from streams.loop.policy.learning import teach, teach_again
from streams.loop.policy.lives import Lives
from streams.loop.policy.masks import eligible, scopes_in_force
from streams.loop.policy.openings import NEVER_US, Openings
from streams.loop.policy.queue import LIMIT, Queue
from streams.loop.policy.recent import RecentActions
from streams.loop.policy.reward_models import reward_model
from streams.loop.policy.settings import PolicySettings
from streams.loop.policy.silence import Silence
from streams.loop.policy.state import STATE_VERSION, Open, State, Timer, Waiting
from streams.loop.policy.values import see, values_of
from streams.loop.processor import Input, Now
from streams.loop.remembering import forget_oldest, remember
from streams.loop.versions import refuse_other_version


class Policy:
    """Decides each episode once, by hold-out and contextual bandit, and learns from experience.

    An entity has one open proposal at a time: the next episode waits until the outcome window closed, and is dropped
    if it is over by then. A proposal that was denied with a time is repeated while the episode is open, `attempts` in
    all; the arm stays the same. One that was never answered is, too, at the cost of no attempt, the more rarely the
    longer nobody answers. Limits that the gate told (`Blocked`) mask actions beforehand. What it keeps back of a
    pattern at its level (`HeldBack`) the loop's arm leaves out as long as another action may run; it tells what it
    would have drawn otherwise. What was denied for what rests on the action alone is decided again at once, without
    it.

    Where they leave no action (the loop is paused, say), or for a known time none that may run, an episode is not
    decided: it waits for that to end, as does one whose proposal a pause denied, or what ends by itself at a time that
    nobody knows (`denials`), at the cost of no attempt, and is dropped if it is over by then. Of those that waited, or
    were never answered, one is proposed at a time, the next when that is answered, so that limits hold the others back
    beforehand.
    Where a storm by declared calls says that the trouble began at another entity that can be acted on, the episode
    waits for `hold`, and is dropped if it is over by then.

    With `ask_cost`, to ask a person is one more choice, beside the actions: it proposes the likeliest of them, to be
    approved.

    The action of `renewal` is left to `Lives`; without that setting every decision is one of an episode.
    """

    name = "policy"
    learned_from = (Blocked.TOPIC, Experience.TOPIC)

    def __init__(self, settings: PolicySettings, *, loop: str, seed: int, actions: dict[str, ActionSettings]) -> None:
        self._settings = settings
        self._loop = loop
        self._seed = seed
        renewal = settings.renewal
        later = NONE if renewal is None else renewal.action
        self._drawing = Drawing(settings, seed=seed, dry=dry_of(actions))
        self._actions = tuple(sorted(name for name in actions if name not in (NONE, later)))
        self._asks = () if settings.ask_cost is None else (ASK,)
        self._new_model = partial(reward_model, settings, actions)
        self._model = self._new_model()
        self._open: OrderedDict[str, Open] = OrderedDict()
        self._queue = Queue(settings)
        self._decided: OrderedDict[str, None] = OrderedDict()
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._blocked: dict[str, int] = {}
        self._asked = ""
        self._told_us = 0
        self._silence = Silence()
        self._held_back = HeldBack(limit=settings.remembered)
        self._recent = RecentActions(limit=settings.open_limit)
        self._lives: Lives | None = None
        if renewal is not None:
            self._lives = Lives(settings, renewal, loop=loop, seed=seed, masks=self._masks)

    def on_batch(self, inputs: Sequence[Input], now: Now) -> list[Event]:
        """Fold records in order."""
        return fold_events(inputs, now, Mint(loop=self._loop, processor=self.name), self._fold)

    def on_time(self, now: Now) -> list[Event]:
        """Give up on proposals without an answer, and repeat those whose time has come."""
        mint = Mint(loop=self._loop, processor=self.name)
        outputs: list[Event] = []
        while (timer := min(self._timers(), default=None)) is not None and timer[0] <= now.us:
            due_us, kind, _, entity = timer
            what = self._queue.retried(entity) if kind == "retry" else entity
            on = Occasion(Cause(f"timer:{self.name}:{kind}:{what}", 0, due_us), now, mint)
            if kind == "free":
                outputs += self._give_up(entity, on)
            elif kind == "overflow":
                outputs += self._queue.turned_away.tell(on)
            else:
                self._asked = entity
                outputs += self._next(entity, on)
        return outputs

    def next_time(self) -> int | None:
        """Return when a proposal is next given up or repeated."""
        return min((timer[0] for timer in self._timers()), default=None)

    def snapshot(self) -> bytes:
        """Return the whole state."""
        state = State(
            version=STATE_VERSION,
            model=self._model.snapshot(),
            open=list(self._open.items()),
            waiting=list(self._queue.waiting.items()),
            decided=list(self._decided),
            closed=list(self._closed),
            blocked=dict(sorted(self._blocked.items())),
            seen=list(self._seen),
            held=list(self._queue.held.items()),
            lives=b"" if self._lives is None else self._lives.snapshot(),
            held_back=self._held_back.columns(),
            silence=self._silence,
            recent=self._recent.columns(),
            asked=self._asked,
            told_us=self._told_us,
            turned_away=self._queue.turned_away.columns(),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the state; raises `RecoveryError` when it is of another version."""
        refuse_other_version(snapshot, of=self.name, version=STATE_VERSION)
        state = msgspec.msgpack.decode(snapshot, type=State)
        self._model.restore(state.model)
        self._open = OrderedDict(state.open)
        self._queue.adopt(state.waiting, state.held)
        self._queue.turned_away.restore(state.turned_away)
        self._decided = OrderedDict((key, None) for key in state.decided)
        self._closed = OrderedDict((key, None) for key in state.closed)
        self._seen = OrderedDict((key, None) for key in state.seen)
        self._blocked = state.blocked
        self._asked, self._told_us = state.asked, state.told_us
        self._held_back.restore(state.held_back)
        self._silence = state.silence
        self._recent.restore(state.recent)
        if self._lives is not None and state.lives:
            self._lives.restore(state.lives)

    def relearn(self, events: Iterable[Event]) -> None:
        """Learn from these experiences alone, and from what was let through, is blocked and is held back. Of lives
        nothing is told: they are followed anew.
        """
        self._model, self._seen, self._blocked = self._new_model(), OrderedDict(), {}
        self._held_back.restore(())
        for event in events:
            if isinstance(event, Blocked):
                event.bring_up_to_date(self._blocked)
                self._told_us = event.time_us
            elif isinstance(event, Verdict):
                self._note(event)
            elif isinstance(event, Experience):
                teach_again(self._model, event, self._seen, remembered=self._settings.remembered)

    def _timers(self) -> list[Timer]:
        timers: list[Timer] = [(one.free_us, "free", 0, entity) for entity, one in self._open.items()]
        overflow_us = self._queue.turned_away.next_us()
        if overflow_us is not None:
            timers.append((overflow_us, "overflow", 0, LIMIT))
        asked, openings = self._open.get(self._asked), self._openings()
        if openings.earliest_us == NEVER_US or (asked is not None and not asked.answered):
            return timers
        rest_us = self._silence.until_us
        return timers + self._queue.timers(self._open, openings, told_us=self._told_us, rest_us=rest_us)

    def _openings(self) -> Openings:
        return Openings(self._blocked, actions=self._actions, held_back=self._held_back)

    def _fold(self, event: Event, on: Occasion) -> list[Event]:
        outputs = [] if self._lives is None else self._lives.fold(event, on)
        return outputs + self._fold_episode(event, on)

    def _fold_episode(self, event: Event, on: Occasion) -> list[Event]:
        match event:
            case Recurrence():
                return self._recur(event, on)
            case Measurement():
                self._see(event)
            case Storm() if event.phase == "open" and event.calls == "declared":
                self._queue.hold(event)
            case Pattern() if event.status == "merged" and event.alias_of is not None:
                self._rename(event.pattern, event.alias_of)
            case Verdict():
                self._answer(event, on.now.us)
            case Blocked() if event.id not in self._seen:
                remember(self._seen, event.id, self._settings.remembered)
                event.bring_up_to_date(self._blocked)
                self._told_us = on.now.us
                self._silence.end()
            case Episode() if event.phase == "closed":
                self._close(event)
            case Experience():
                return self._learn(event, on)
            case _:
                pass
        return []

    def _recur(self, recurrence: Recurrence, on: Occasion) -> list[Event]:
        """Decide an episode, or let it wait: for the end of its entity's open proposal, or for an action to choose."""
        episode = recurrence.episode
        if episode in self._decided:
            return []
        remember(self._decided, episode, self._settings.remembered)
        held_us = self._queue.held.get(episode, 0)
        due_us = held_us if held_us > on.now.us else None
        waiting = Waiting(recurrence=recurrence, attempt=1, due_us=due_us)
        blocked = self._openings().opens_us(waiting) > on.now.us
        if recurrence.entity in self._open or due_us is not None or blocked:
            return self._queue.put(waiting, on)
        self._queue.waiting.pop(recurrence.entity, None)
        return [self._propose(waiting, on)]

    def _see(self, measurement: Measurement) -> None:
        if not self._settings.values:
            return
        for one in (self._open.get(measurement.entity), self._queue.waiting.get(measurement.entity)):
            if one is not None:
                see(one, measurement, self._settings.values)

    def _note(self, verdict: Verdict) -> None:
        self._held_back.hear(verdict)
        if verdict.action is not None and verdict.acts:
            self._recent.note(verdict.proposal.entity, verdict.action, verdict.time_us)

    def _answer(self, verdict: Verdict, now_us: int) -> None:
        self._note(verdict)
        one = self._open.get(verdict.proposal.entity)
        if one is None or one.proposal != verdict.proposal.id:
            one = self._adopt(verdict)
        if not came_too_late(verdict, was_escalated=one is not None and one.escalated):
            self._silence.end()
        elif one is not None:
            expires_us = self._settings.expires_us
            self._silence.note(verdict.proposal.time_us, verdict.time_us, expires_us=expires_us)
        if one is None:
            return
        wait_us = self._settings.outcome_wait_us
        take(one, verdict, outcome_wait_us=wait_us, others_us=self._others_us(one, verdict, now_us))

    def _others_us(self, one: Open, verdict: Verdict, now_us: int) -> int:
        """Return when the first of the actions is free that might run in place of the proposed one, once nothing is
        paused: 0 where one is, `NEVER_US` where nobody knows, or there is none.
        """
        gone = {*one.refused, verdict.proposal.action, *self._held_back.of(one.recurrence.pattern)}
        first_us = self._openings().first_us(name for name in self._actions if name not in gone)
        return first_us if first_us > now_us else 0

    def _adopt(self, verdict: Verdict) -> Open | None:
        """Take up a proposal again whose answer comes after it was given up; return it, or None."""
        entity = verdict.proposal.entity
        waiting = self._queue.waiting.get(entity)
        one = None if verdict.proposal.id in self._seen else adopted(verdict, self._open.get(entity, waiting))
        if one is not None:
            self._open[entity] = one
            forget_oldest(self._open, self._settings.open_limit)
            self._queue.drop(entity, verdict.proposal.episode)
        return one

    def _rename(self, pattern: str, into: str) -> None:
        """Propose what waits, or may be proposed again, as what its pattern was merged into."""
        self._held_back.merge(pattern, into)
        known: list[Open | Waiting] = [*self._open.values(), *self._queue.waiting.values()]
        for one in known:
            if one.recurrence.pattern == pattern:
                one.recurrence = msgspec.structs.replace(one.recurrence, pattern=into)

    def _close(self, episode: Episode) -> None:
        remember(self._closed, episode.episode, self._settings.remembered)
        self._queue.drop(episode.entity, episode.episode)

    def _learn(self, experience: Experience, on: Occasion) -> list[Event]:
        teach(self._model, experience, self._seen, remembered=self._settings.remembered)
        if not experience.is_outcome or experience.state == "late" or experience.proposal in self._seen:
            return []
        remember(self._seen, experience.proposal, self._settings.remembered)
        one = self._open.get(experience.entity)
        if one is None or one.proposal != experience.proposal:
            return []
        del self._open[experience.entity]
        outputs = [] if one.retry_us is None else self._repeat(one, one.retry_us, on)
        return outputs + (self._next(experience.entity, on) if self._is_due(experience.entity, on) else [])

    def _give_up(self, entity: str, on: Occasion) -> list[Event]:
        """Free an entity whose proposal got no answer, or whose experience never came."""
        one = self._open[entity]
        if one.answered:
            del self._open[entity]
            return self._next(entity, on) if self._is_due(entity, on) else []
        expires_us = self._settings.expires_us
        if waits_longer(one, on.now.us, expires_us=expires_us):
            return []
        del self._open[entity]
        self._silence.note(one.free_us - expires_us, on.now.us, expires_us=expires_us)
        one.spared += 1
        return self._repeat(one, on.now.us, on)  # by a timer: one of those that wait after the other

    def _repeat(self, one: Open, due_us: int, on: Occasion) -> list[Event]:
        """Let an episode be decided again, unless it is over, tried often enough, or a newer one waits."""
        recurrence = one.recurrence
        over = recurrence.episode in self._closed or one.attempt - one.spared >= self._settings.attempts
        if over or recurrence.entity in self._queue.waiting:
            return []
        return self._queue.put(one.again(due_us), on)

    def _is_due(self, entity: str, on: Occasion) -> bool:
        return self._queue.is_due(entity, self._openings(), now_us=on.now.us, rest_us=self._silence.until_us)

    def _next(self, entity: str, on: Occasion) -> list[Event]:
        return [self._propose(self._queue.waiting.pop(entity), on)]

    def _propose(self, waiting: Waiting, on: Occasion) -> Proposal:
        recurrence = waiting.recurrence
        blocked = self._masks(recurrence.entity, recurrence.pattern, (*self._actions, *self._asks), on.now.us)
        names = eligible(blocked, actions=self._actions, asks=self._asks)
        proposal = self._drawing.propose(
            self._model,
            waiting,
            on,
            blocked=blocked,
            features=self._features(recurrence, on.now.us),
            names=names,
            held_back=self._held_back.of(recurrence.pattern),
        )
        self._open[recurrence.entity] = waiting.opened(proposal.id, proposal.expires_us)
        forget_oldest(self._open, self._settings.open_limit)
        return proposal

    def _features(self, recurrence: Recurrence, now_us: int) -> dict[str, float]:
        """Return what is known of an episode, of its entity and what was done about it lately, and the time."""
        values = values_of(recurrence.state, self._settings.values)
        lately = self._recent.features(recurrence.entity, now_us)
        return features_of(recurrence) | values | lately | time_of_day(now_us)

    def _masks(self, entity: str, pattern: str, actions: tuple[str, ...], now_us: int) -> tuple[str, ...]:
        return scopes_in_force(self._blocked, entity, pattern, actions, now_us)

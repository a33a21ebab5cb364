"""The processor `gate`: proposals and people's answers in, verdicts and actions out."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from schemas.events import (
    ASK,
    NONE,
    Approval,
    Blocked,
    Census,
    Check,
    Control,
    Episode,
    Event,
    Experience,
    Outcome,
    Pattern,
    Promotion,
    Proposal,
)
from schemas.ids import Cause, Mint
from schemas.keyring import LOOP
from streams.loop.actions import ActionSettings
from streams.loop.gate.blocked import Blocks
from streams.loop.gate.book import Book
from streams.loop.gate.budgets import budget
from streams.loop.gate.checks import all_checks, checks_of_none
from streams.loop.gate.decider import Decider
from streams.loop.gate.escalations import Escalations
from streams.loop.gate.facts import Facts
from streams.loop.gate.guards import Guards
from streams.loop.gate.ladder import Ladder
from streams.loop.gate.maintenance import Maintenance
from streams.loop.gate.orders import hear, is_target, look_here
from streams.loop.gate.settings import GateSettings, LevelSettings
from streams.loop.gate.state import STATE_VERSION, GateState, read_state
from streams.loop.occasion import Occasion, fold_events
from streams.loop.processor import Input, Now
from streams.loop.turned_away import TurnedAway

AWAITED_LIMIT = "gate.tracked"
"""What bounds how many proposals to do nothing are followed until it is known what came of them."""


class Gate:
    """Turns each proposal into one verdict, and into an action when every check passes; only then it reserves.

    An escalation ends once: approved by enough people (all checks run again), rejected by one, expired, or lapsed with
    its episode. A proposal that was decided gets its recorded verdict again. `none` is allowed at no cost, unless it is
    of an episode and not valid any more: the episode is decided anew.
    A pattern that was merged counts as the one that took it in, in all that is checked and learned.
    """

    name = "gate"

    def __init__(
        self,
        settings: GateSettings,
        *,
        loop: str,
        settings_hash: str,
        actions: dict[str, ActionSettings],
        levels: LevelSettings | None = None,
        baseline: str = "",
        may_ask: bool = False,
    ) -> None:
        """`baseline` is the action that every other one must earn more than before it acts by itself; `may_ask`: the
        loop may choose to ask a person, and so is told while the limits leave nobody to ask.
        """
        self._loop = loop
        self._machines_raise = levels is not None and levels.raising == "auto"
        self._ladder = Ladder(
            levels or LevelSettings(),
            actions=actions,
            baseline=baseline,
            remembered=settings.remembered,
            awaited=settings.tracked,
        )
        self._book = Book(settings, actions=actions)
        maintenance = Maintenance(settings.maintenance)
        self._facts = Facts(
            settings=settings,
            settings_hash=settings_hash,
            actions=actions,
            book=self._book,
            maintenance=maintenance,
            guards=Guards(settings.guards),
            names=self._ladder.names,
        )
        self._decider = Decider(self._facts, self._ladder)
        self._escalations = Escalations(self._decider, self._facts)
        choices = (*actions, ASK) if may_ask else tuple(actions)
        self._blocks = Blocks(
            settings, book=self._book, maintenance=maintenance, actions=choices, names=self._ladder.names
        )
        self._given_up = TurnedAway(AWAITED_LIMIT)

    def on_batch(self, inputs: Sequence[Input], now: Now) -> list[Event]:
        """Fold records in order."""
        self._begin_moment()
        return fold_events(inputs, now, Mint(loop=self._loop, processor=self.name), self._fold)

    def on_time(self, now: Now) -> list[Event]:
        """Give up on actions whose end never came, and on escalations that nobody answered."""
        mint = Mint(loop=self._loop, processor=self.name)
        self._begin_moment()
        outputs = self._look_here(Occasion(Cause(f"timer:{self.name}:stop-file", 0, now.us), now, mint))
        for due_us, kind, key in sorted(self._timers()):
            if due_us > now.us:
                break
            on = Occasion(Cause(f"timer:{self.name}:{kind}:{key}", 0, due_us), now, mint)
            if kind == "action":
                self._book.give_up(key, now.us)
            elif kind == "overflow":
                outputs += self._given_up.tell(on)
            else:
                outputs += self._escalations.end(key, on, "expiry", "nobody answered in time")
            outputs += self._tell_blocked(on)
        return outputs

    def on_loss(self) -> None:
        """Tell all that is blocked again, and which levels it raised: of what was told since, steps may be left out."""
        self._blocks.forget_told()

    def next_time(self) -> int | None:
        """Return when the next action or escalation is given up, or told how many others were."""
        times = [action.deadline_us for action in self._book.field.in_flight.values()]
        times += [one.until_us for one in self._escalations.open.values()]
        told_us = self._given_up.next_us()
        return min(times if told_us is None else [*times, told_us], default=None)

    def snapshot(self) -> bytes:
        """Return the whole state."""
        state = GateState(
            version=STATE_VERSION,
            orders=self._facts.orders,
            field=self._book.field,
            shares=self._book.health.shares,
            stormy_us=self._book.health.stormy_us,
            ends=self._book.ends.of,
            tripped_us=self._book.ends.tripped_us,
            spent=self._book.spending.spent,
            windows=self._book.windows.state(),
            recorded=list(self._decider.recorded.values()),
            decided=list(self._facts.decided.items()),
            forgotten_us=self._facts.forgotten_us,
            escalations=self._escalations.open,
            told=self._blocks.told(),
            told_open_us=self._blocks.told_open_us,
            ladder=self._ladder.state(),
            given_up=self._given_up.columns(),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the state; raises `RecoveryError` when it is of another version. What was spent stays spent."""
        state = read_state(snapshot)
        self._facts.orders = state.orders
        self._facts.decided = OrderedDict(state.decided)
        self._facts.forgotten_us = state.forgotten_us
        self._book.adopt(state.field)
        self._book.health.adopt(state.shares, stormy_us=state.stormy_us)
        self._book.ends.adopt(state.ends, state.tripped_us)
        self._book.spending.adopt(state.spent)
        self._book.windows.restore(state.windows)
        self._decider.recorded = OrderedDict((verdict.proposal.id, verdict) for verdict in state.recorded)
        self._escalations.open = state.escalations
        self._blocks.adopt(state.told, state.told_open_us)
        self._ladder.adopt(state.ladder, state.orders)
        self._given_up.restore(state.given_up)

    def _begin_moment(self) -> None:
        """Look all up again: time went on, or what came was no proposal. What is decided changes none of it."""
        self._facts.moment.clear()
        self._ladder.begin_moment()

    def _timers(self) -> list[tuple[int, str, str]]:
        timers = [(action.deadline_us, "action", key) for key, action in self._book.field.in_flight.items()]
        timers += [(one.until_us, "escalation", key) for key, one in self._escalations.open.items()]
        told_us = self._given_up.next_us()
        return timers if told_us is None else [*timers, (told_us, "overflow", AWAITED_LIMIT)]

    def _look_here(self, on: Occasion) -> list[Event]:
        """Tell at once where the step is the first beside a stop file, or the first without."""
        if not look_here(self._facts.orders, on.now):
            return []
        self._book.touched.add("loop")
        self._begin_moment()
        return self._tell_blocked(on)

    def _fold(self, event: Event, on: Occasion) -> list[Event]:
        return self._look_here(on) + self._take(event, on)

    def _take(self, event: Event, on: Occasion) -> list[Event]:
        if isinstance(event, Proposal):
            return self._propose(event, on) + self._tell_blocked(on)
        self._begin_moment()
        match event:
            case Approval() as approval:
                outputs = self._escalations.answer(approval, on)
            case Episode() as episode:
                self._book.see_episode(episode, on.now.us)
                if episode.phase == "closed":
                    return self._escalations.lapse(episode, on)
                return self._leave(episode, on) if episode.phase == "opened" else []
            case Control() as control:
                outputs = self._hear(control, on)
            case Census() as census:
                outputs = []
                self._book.see_census(census, on.now.us)
            case Outcome() as outcome:
                outputs = []
                state = self._book.see_outcome(outcome, on.now.us)
                if state is not None:
                    self._ladder.ended(outcome.action, state)
            case Experience() as experience:
                verdict = self._decider.recorded.get(experience.proposal)
                return self._ladder.learned(experience, verdict, self._facts.orders, on)
            case Pattern() as pattern:
                outputs = self._merge(pattern, on)
            case Promotion() as promotion:
                return self._ladder.promoted(promotion, on)
            case _:
                return []
        return outputs + self._tell_blocked(on)

    def _leave(self, episode: Episode, on: Occasion) -> list[Event]:
        """Tell people where an entity is in trouble again though no attempts are left to the loop."""
        check = budget("attempts", f"entity:{episode.entity}", self._facts, on.now.us)
        return [] if check.next_us is None else self._tell_blocked(on, left={episode.entity: check})

    def _merge(self, pattern: Pattern, on: Occasion) -> list[Event]:
        old, into = pattern.pattern, pattern.alias_of
        if pattern.status != "merged" or into is None:
            return []
        self._book.touched.update(self._facts.names.all_scopes())  # one of them may be forgotten
        outputs = self._ladder.merged(old, into, self._facts.orders, on)
        name = self._facts.names.of(old)
        if name != old:
            self._book.join(old, name)
        return outputs

    def _hear(self, control: Control, on: Occasion) -> list[Event]:
        control = self._facts.names.renamed(control)
        if not hear(self._facts.orders, control, on.now.us, machines_raise=self._machines_raise):
            return []
        self._book.touched.add("loop")  # orders of too much stop it, whatever they are about
        if control.kind in ("pause", "stop", "rearm") and is_target(control.target):
            self._book.touched.add(control.target)
        if control.kind == "rearm":
            self._book.rearm(control.target)
        elif control.kind == "settle" and control.value in ("succeeded", "failed", "unknown"):
            self._book.settle(control.target, control.value, on.now.us)
        elif control.kind == "keyring":
            return self._escalations.withdraw(control.value, on)
        elif control.kind == "level" and self._facts.orders.levels.get(control.target) == control.value:
            return self._ladder.ordered(control.target, self._facts.orders, on)
        return []

    def _propose(self, proposal: Proposal, on: Occasion) -> list[Event]:
        recorded = self._decider.recorded.get(proposal.id)
        if recorded is not None:
            return [recorded]
        outputs = self._ladder.proposed(proposal, self._facts.orders, on)
        wanted = self._decider.wanted(proposal, on)
        question = self._decider.question(proposal, on, proposal.expires_us)
        if proposal.action == NONE:
            outputs += self._decider.decide(question, checks_of_none(self._facts, question), on)
            verdict = self._decider.recorded[proposal.id]
            if wanted is not None:
                outputs += self._ladder.decided(verdict, self._facts.orders, on, wanted=wanted)
            given_up = self._ladder.left_alone(verdict)
            return outputs if given_up is None else outputs + self._given_up.note(given_up.entity, on)
        outputs += self._decider.decide(question, all_checks(self._facts, question), on)
        verdict = self._decider.recorded[proposal.id]
        if proposal.by == LOOP:
            outputs += self._ladder.decided(verdict, self._facts.orders, on, wanted=wanted)
        if verdict.verdict == "escalate":
            outputs += self._escalations.ask(proposal, on)
        return outputs

    def _tell_blocked(self, on: Occasion, left: dict[str, Check] | None = None) -> list[Event]:
        whole = self._blocks.silent
        changed = self._blocks.changes(self._facts.orders, on.now.us)
        if not self._blocks.breakers_changed() and not changed and not whole and not left:
            return []
        blocked = Blocked(
            id=on.id(),
            time_us=on.now.us,
            causes=on.causes,
            until_us=changed,
            whole=whole,
            breakers=self._blocks.told_open_us,
            left=left or {},
        )
        return [blocked, *self._ladder.tell_again(self._facts.orders, on)] if whole else [blocked]

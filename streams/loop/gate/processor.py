"""The processor `gate`: proposals and people's answers in, verdicts and actions out."""

from collections.abc import Sequence

import msgspec

from schemas.events import (
    NONE,
    Action,
    Approval,
    Blocked,
    Census,
    Check,
    Control,
    Episode,
    Event,
    Experience,
    FinalAction,
    Outcome,
    Pattern,
    Promotion,
    Proposal,
    Verdict,
)
from schemas.ids import Cause, Mint
from schemas.keyring import LOOP
from streams.loop.actions import ActionSettings
from streams.loop.gate.approvals import final_action, fits, with_approval, without_withdrawn
from streams.loop.gate.blocked import Blocks
from streams.loop.gate.book import ESCALATING, Book
from streams.loop.gate.checks import Answer, all_checks, decide, one_check, with_remedy
from streams.loop.gate.facts import Facts
from streams.loop.gate.guards import Guards
from streams.loop.gate.ladder import Ladder
from streams.loop.gate.maintenance import Maintenance
from streams.loop.gate.orders import hear, is_target, lower
from streams.loop.gate.settings import LEVELS, GateSettings, LevelSettings
from streams.loop.gate.state import STATE_VERSION, Escalation, GateState, Question, read_state
from streams.loop.occasion import Occasion, fold_events
from streams.loop.processor import Input, Now


class Gate:
    """Turns each proposal into one verdict, and into an action when every check passes; only then it reserves.

    An escalation ends once: approved by enough people (all checks run again), rejected by one, expired, or lapsed with
    its episode. A proposal that was decided gets its recorded verdict again. `none` is always allowed, at no cost.
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
    ) -> None:
        """`baseline` is the action that every other one must earn more than before it acts by itself."""
        self._settings = settings
        self._loop = loop
        self._hash = settings_hash
        self._actions = actions
        self._ladder = Ladder(
            levels or LevelSettings(), actions=actions, baseline=baseline, remembered=settings.remembered
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
        )
        self._recorded: dict[str, Verdict] = {}
        self._escalations: dict[str, Escalation] = {}
        self._blocks = Blocks(settings, book=self._book, maintenance=maintenance, actions=actions)

    def on_batch(self, inputs: Sequence[Input], now: Now) -> list[Event]:
        """Fold records in order."""
        return fold_events(inputs, now, Mint(loop=self._loop, processor=self.name), self._fold)

    def on_time(self, now: Now) -> list[Event]:
        """Give up on actions whose end never came, and on escalations that nobody answered."""
        mint = Mint(loop=self._loop, processor=self.name)
        outputs: list[Event] = []
        for due_us, kind, key in sorted(self._timers()):
            if due_us > now.us:
                break
            on = Occasion(Cause(f"timer:{self.name}:{kind}:{key}", 0, due_us), now, mint)
            if kind == "action":
                self._book.give_up(key, now.us)
            else:
                outputs += self._end_escalation(key, on, "expiry", "nobody answered in time")
            outputs += self._tell_blocked(on)
        return outputs

    def next_time(self) -> int | None:
        """Return when the next action or escalation is given up."""
        actions = [action.deadline_us for action in self._book.field.in_flight.values()]
        return min(actions + [one.until_us for one in self._escalations.values()], default=None)

    def snapshot(self) -> bytes:
        """Return the whole state."""
        state = GateState(
            version=STATE_VERSION,
            orders=self._facts.orders,
            field=self._book.field,
            shares=self._book.health.shares,
            stormy=self._book.health.stormy,
            ends=self._book.ends.of,
            spent=self._book.spending.spent,
            windows=self._book.windows.state(),
            recorded=list(self._recorded.values()),
            forgotten_us=self._facts.forgotten_us,
            escalations=self._escalations,
            told=self._blocks.told(),
            ladder=self._ladder.state(),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the state; raises `RecoveryError` when it is of another version. What was spent stays spent."""
        state = read_state(snapshot)
        self._facts.orders = state.orders
        self._facts.forgotten_us = state.forgotten_us
        self._book.adopt(state.field)
        self._book.health.adopt(state.shares, stormy=state.stormy)
        self._book.ends.adopt(state.ends)
        self._book.spending.adopt(state.spent)
        self._book.windows.restore(state.windows)
        self._recorded = {verdict.proposal.id: verdict for verdict in state.recorded}
        self._escalations = state.escalations
        self._blocks.adopt(state.told)
        self._ladder.adopt(state.ladder)

    def _timers(self) -> list[tuple[int, str, str]]:
        actions = [(action.deadline_us, "action", key) for key, action in self._book.field.in_flight.items()]
        return actions + [(one.until_us, "escalation", key) for key, one in self._escalations.items()]

    def _fold(self, event: Event, on: Occasion) -> list[Event]:
        match event:
            case Proposal() as proposal:
                outputs = self._propose(proposal, on)
            case Approval() as approval:
                outputs = self._answer(approval, on)
            case Episode() as episode:
                self._book.see_episode(episode, on.now.us)
                return self._lapse(episode, on) if episode.phase == "closed" else []
            case Control() as control:
                outputs = self._hear(control, on)
            case Census() as census:
                outputs = []
                self._book.health.see(census, on.now.us)
            case Outcome() as outcome:
                outputs = []
                if self._book.see_outcome(outcome, on.now.us):
                    self._ladder.ended(outcome.action, outcome.state)
            case Experience() as experience:
                verdict = self._recorded.get(experience.proposal)
                return self._ladder.learned(experience, verdict, self._facts.orders, on)
            case Pattern() as pattern:
                return self._ladder.merged(pattern, self._facts.orders, on)
            case Promotion() as promotion:
                return self._ladder.promoted(promotion, on)
            case _:
                return []
        return outputs + self._tell_blocked(on)

    def _hear(self, control: Control, on: Occasion) -> list[Event]:
        if not hear(self._facts.orders, control, on.now.us):
            return []
        if control.kind in ("pause", "stop", "rearm") and is_target(control.target):
            self._book.touched.add(control.target)
        if control.kind == "rearm":
            self._book.rearm(control.target)
        elif control.kind == "settle" and control.value in ("succeeded", "failed", "unknown"):
            self._book.settle(control.target, control.value, on.now.us)
        elif control.kind == "keyring":
            return self._withdraw(control.value, on)
        elif control.kind == "level" and control.value in LEVELS:
            return self._ladder.ordered(control.target, self._facts.orders, on)
        return []

    def _propose(self, proposal: Proposal, on: Occasion) -> list[Event]:
        recorded = self._recorded.get(proposal.id)
        if recorded is not None:
            return [recorded]
        question = self._question(proposal, on, proposal.expires_us)
        if proposal.action == NONE:
            check = one_check("duplicate", self._facts, question)
            return self._decide(question, (check,), on)
        outputs = self._decide(question, all_checks(self._facts, question), on)
        if proposal.by == LOOP:
            outputs += self._ladder.decided(self._recorded[proposal.id], self._facts.orders, on)
        if self._recorded[proposal.id].verdict == "escalate":
            until_us = on.now.us + self._settings.approval_window_us
            self._book.windows.reserve(ESCALATING, on.now.us)
            self._escalations[proposal.id] = Escalation(proposal, until_us)
            if len(self._escalations) > self._settings.remembered:
                oldest = next(iter(self._escalations))
                outputs += self._end_escalation(oldest, on, "expiry", "too many others wait for a person")
        return outputs

    def _answer(self, approval: Approval, on: Occasion) -> list[Event]:
        """Count a person's answer; one out of date, to another text or action, or to nothing open is none."""
        open_one = self._escalations.get(approval.proposal)
        if open_one is None:
            return []
        declared = self._actions.get(open_one.proposal.action)
        if declared is None:
            return self._end_escalation(approval.proposal, on, "declared", "", approval)
        final = final_action(open_one.proposal, declared, self._hash)
        if not fits(approval, open_one, final, on.now.us) or approval.id in {one.id for one in open_one.approvals}:
            return []
        if approval.decision == "reject":
            detail = f"rejected by {approval.person}" + (f": {approval.reason}" if approval.reason else "")
            return self._end_escalation(approval.proposal, on, "approval", detail, approval)
        return self._weigh(with_approval(open_one, approval, final, on.now.us), on, approval)

    def _weigh(self, escalation: Escalation, on: Occasion, approval: Approval) -> list[Event]:
        """Ask all again where enough people approved; else tell who did so far, and wait for others."""
        question = self._question(escalation.proposal, on, escalation.until_us, approval, escalation.approvals)
        check = one_check("approval", self._facts, question)
        if not check.passed:
            self._escalations[escalation.proposal.id] = escalation
            return self._decide(question, (check,), on)
        del self._escalations[escalation.proposal.id]
        return self._decide(question, all_checks(self._facts, question), on)

    def _withdraw(self, keyring_text: str, on: Occasion) -> list[Event]:
        """Take back approvals by keys that a new keyring no longer trusts."""
        outputs: list[Event] = []
        for escalation in list(self._escalations.values()):
            left = without_withdrawn(escalation, keyring_text, on.now.us)
            if left is not escalation and left.proposal.action not in self._actions:
                outputs += self._end_escalation(left.proposal.id, on, "declared", "")
            elif left is not escalation:
                self._escalations[left.proposal.id] = left
                question = self._question(left.proposal, on, left.until_us, approvals=left.approvals)
                check = one_check("approval", self._facts, question)
                outputs += [] if check.passed else self._decide(question, (check,), on)
        return outputs

    def _lapse(self, episode: Episode, on: Occasion) -> list[Event]:
        lapsed = [key for key, one in self._escalations.items() if one.proposal.episode == episode.episode]
        outputs: list[Event] = []
        for key in lapsed:
            outputs += self._end_escalation(key, on, "episode", "it ended before a person answered")
        return outputs

    def _end_escalation(
        self, key: str, on: Occasion, name: str, detail: str, approval: Approval | None = None
    ) -> list[Event]:
        """Deny what waited for a person, for one named reason."""
        ended = self._escalations.pop(key)
        question = self._question(ended.proposal, on, ended.until_us, approval)
        check = Check(name=name, passed=False, detail=detail)
        if name not in ("approval", "episode"):  # what was rejected, or is over, nothing brings back
            check = with_remedy(check, question)
        return self._decide(question, (check,), on, answer="deny")

    def _question(
        self,
        proposal: Proposal,
        on: Occasion,
        until_us: int,
        approval: Approval | None = None,
        approvals: tuple[Approval, ...] = (),
    ) -> Question:
        level = self._ladder.level(self._facts.orders, proposal.pattern, proposal.action, on.now.us)
        if proposal.by != LOOP:  # who proposes by hand chose the pattern: another person must agree
            level = lower(level, "approve")
        return Question(
            proposal=proposal,
            now_us=on.now.us,
            control_heard_us=on.now.control_heard_us,
            level=level,
            until_us=until_us,
            approval=approval,
            approvals=approvals,
        )

    def _decide(
        self,
        question: Question,
        checks: tuple[Check, ...],
        on: Occasion,
        answer: Answer | None = None,
    ) -> list[Event]:
        """Write the verdict that the first failed check decides, and the action when none failed."""
        decided, by = decide(checks)
        verdict_id = on.id()
        said = answer or decided
        action = self._act(question, on) if by is None and question.proposal.action != NONE else None
        verdict = Verdict(
            id=verdict_id,
            time_us=question.now_us,
            causes=on.causes,
            proposal=question.proposal,
            verdict=said,
            level=question.level,
            checks=checks,
            settings_hash=self._hash,
            decided_by=by,
            action=action.id if action else None,
            retry_after_us=None if by is None else _retry_after(checks),
            approval=question.approval.id if question.approval else None,
            approvals=question.approval_ids,
            final=self._final(question.proposal) if said == "escalate" else None,
        )
        self._record(verdict)
        return [verdict] if action is None else [verdict, action]

    def _final(self, proposal: Proposal) -> FinalAction:
        return final_action(proposal, self._actions[proposal.action], self._hash)

    def _act(self, question: Question, on: Occasion) -> Action:
        proposal = question.proposal
        declared, final = self._actions[proposal.action], self._final(proposal)
        action = Action(
            id=on.id(),
            time_us=question.now_us,
            causes=on.causes,
            entity=proposal.entity,
            action=proposal.action,
            proposal=proposal.id,
            episode=proposal.episode,
            pattern=proposal.pattern,
            issued_us=question.now_us,
            expires_us=question.now_us + declared.expires_us,
            settings_hash=self._hash,
            parameters=final.parameters,
            dry_run=final.dry_run,
            approvals=question.approval_ids,
            answers=question.approvals,
        )
        self._book.reserve(proposal, action)
        return action

    def _record(self, verdict: Verdict) -> None:
        """Remember a verdict; those pushed out leave a mark, so that their proposals never pass as new.

        A proposal too far ahead was denied for that: its time is no mark, or nothing would be new until then.
        """
        self._recorded.pop(verdict.proposal.id, None)
        self._recorded[verdict.proposal.id] = verdict
        if len(self._recorded) > self._settings.remembered:
            oldest = self._recorded.pop(next(iter(self._recorded)))
            mark_us = min(oldest.proposal.time_us, oldest.time_us + self._settings.clock_skew_us)
            self._facts.forgotten_us = max(self._facts.forgotten_us, mark_us)

    def _tell_blocked(self, on: Occasion) -> list[Event]:
        whole = self._blocks.silent
        changed = self._blocks.changes(self._facts.orders, on.now.us)
        if not changed and not whole:
            return []
        return [Blocked(id=on.id(), time_us=on.now.us, causes=on.causes, until_us=changed, whole=whole)]


def _retry_after(checks: tuple[Check, ...]) -> int | None:
    """Return from when on every failed check that knows its end passes; None when the first to fail does not know."""
    failed = [check for check in checks if not check.passed]
    if failed[0].next_us is None:
        return None
    return max(check.next_us for check in failed if check.next_us is not None)

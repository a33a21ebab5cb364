"""From checks to what is said and done: verdicts, the actions that come of them, and verdicts that were recorded."""

from collections import OrderedDict

from msgspec.structs import replace

from schemas.events import NONE, Action, Approval, Event, FinalAction, Proposal, Verdict
from schemas.keyring import LOOP
from streams.loop.gate.approvals import final_action, parameters_of
from streams.loop.gate.checks import Answer, Findings, before_level
from streams.loop.gate.facts import Facts
from streams.loop.gate.ladder import Ladder
from streams.loop.gate.orders import lower
from streams.loop.gate.state import Question, is_exploring, scopes_of
from streams.loop.gate.table import SHOWN
from streams.loop.occasion import Occasion
from streams.loop.remembering import forget_oldest


class Decider:
    """Writes verdicts and actions; `recorded` are the last verdicts, by proposal, in the order of decision."""

    def __init__(self, facts: Facts, ladder: Ladder) -> None:
        self._facts = facts
        self._ladder = ladder
        self.recorded: OrderedDict[str, Verdict] = OrderedDict()

    def question(
        self,
        proposal: Proposal,
        on: Occasion,
        until_us: int,
        approval: Approval | None = None,
        approvals: tuple[Approval, ...] = (),
    ) -> Question:
        """Return what the checks are asked about a proposal that is valid until `until_us`. Its level is at most
        approve where it asks for a person by itself.
        """
        level = self._ladder.level(self._facts.orders, proposal.pattern, proposal.action, on.now.us)
        if proposal.asked or proposal.by != LOOP:  # who proposes by hand chose the pattern: another person must agree
            level = lower(level, "approve")
        return Question(
            proposal=proposal,
            scopes=scopes_of(proposal, self._facts.names),
            now_us=on.now.us,
            control_heard_us=on.now.control_heard_us,
            level=level,
            until_us=until_us,
            exploring=is_exploring(proposal),
            approval=approval,
            approvals=approvals,
        )

    def decide(
        self,
        question: Question,
        findings: Findings,
        on: Occasion,
        answer: Answer | None = None,
    ) -> list[Event]:
        """Write the verdict that the first failed check decides (or the `answer`), and the action when none failed."""
        verdict_id, causes = on.id(), on.causes
        said = answer or findings.answer
        action = None
        if findings.decided_by is None and question.proposal.action != NONE:
            action = self._act(question, on.id(), causes)
        proposal = question.proposal
        says_held_back = proposal.hears_held_back(findings.decided_by)
        verdict = Verdict(
            id=verdict_id,
            time_us=question.now_us,
            causes=causes,
            proposal=question.proposal,
            verdict=said,
            level=question.level,
            checks=findings.checks,
            settings_hash=self._facts.settings_hash,
            decided_by=findings.decided_by,
            action=None if action is None else action.id,
            retry_after_us=findings.retry_after_us,
            approval=None if question.approval is None else question.approval.id,
            approvals=question.approval_ids,
            final=self.final(question.proposal) if said == "escalate" else None,
            dry_run=action is not None and action.dry_run,
            held_back=self._held_back(question) if says_held_back else (),
        )
        self._record(verdict)
        return [verdict] if action is None else [verdict, action, *self._ladder.began(verdict, self._facts.orders, on)]

    def wanted(self, proposal: Proposal, on: Occasion) -> str | None:
        """Return what the loop would have drawn if every level let it, where nothing but its level is in its way."""
        if proposal.wanted is None or proposal.by != LOOP:
            return None
        question = self.question(replace(proposal, action=proposal.wanted, asked=False), on, proposal.expires_us)
        passed = all(check.passed for check in before_level(self._facts, question))
        return proposal.wanted if passed else None

    def _held_back(self, question: Question) -> tuple[str, ...]:
        """Return the actions that would only be shown against the pattern."""
        pattern = question.proposal.pattern
        levels = (
            (name, self._ladder.level(self._facts.orders, pattern, name, question.now_us))
            for name in sorted(self._facts.actions)
        )
        return tuple(name for name, level in levels if level in SHOWN)

    def final(self, proposal: Proposal) -> FinalAction:
        """Return what a proposal of a declared action would do."""
        return final_action(proposal, self._facts.actions[proposal.action], self._facts.settings_hash)

    def _act(self, question: Question, action_id: str, causes: tuple[str, ...]) -> Action:
        proposal = question.proposal
        declared = self._facts.actions[proposal.action]
        action = Action(
            id=action_id,
            time_us=question.now_us,
            causes=causes,
            entity=proposal.entity,
            action=proposal.action,
            proposal=proposal.id,
            episode=proposal.episode,
            pattern=proposal.pattern,
            issued_us=question.now_us,
            expires_us=question.now_us + declared.expires_us,
            settings_hash=self._facts.settings_hash,
            parameters=parameters_of(proposal, declared),
            dry_run=declared.dry_run,
            approvals=question.approval_ids,
            answers=question.approvals,
        )
        self._facts.book.reserve(question, action)
        return action

    def _record(self, verdict: Verdict) -> None:
        """Remember a verdict, and for longer that there was one; what is pushed out of that leaves a mark, so that no
        proposal ever passes as new again.

        A proposal too far ahead was denied for that: its time is no mark, or nothing would be new until then.
        """
        proposal, settings, decided = verdict.proposal, self._facts.settings, self._facts.decided
        self.recorded.pop(proposal.id, None)
        self.recorded[proposal.id] = verdict
        forget_oldest(self.recorded, settings.remembered)
        decided.pop(proposal.id, None)
        decided[proposal.id] = min(proposal.time_us, verdict.time_us + settings.clock_skew_us)
        if len(decided) > max(settings.remembered, settings.tracked):
            self._facts.forgotten_us = max(self._facts.forgotten_us, decided.popitem(last=False)[1])

"""What waits for people: each escalation ends once, approved, rejected, expired or lapsed with its episode."""

from schemas.events import Approval, Check, Episode, Event, Proposal
from streams.loop.asking import ASK_SCOPE
from streams.loop.gate import safety
from streams.loop.gate.approvals import fits, with_approval, without_withdrawn
from streams.loop.gate.book import ESCALATING
from streams.loop.gate.checks import all_checks, findings_of, with_remedy
from streams.loop.gate.decider import Decider
from streams.loop.gate.facts import Facts
from streams.loop.gate.state import Escalation
from streams.loop.occasion import Occasion


class Escalations:
    """Those that are `open`, by proposal. When enough people approved, all checks run again."""

    def __init__(self, decider: Decider, facts: Facts) -> None:
        self._decider = decider
        self._facts = facts
        self.open: dict[str, Escalation] = {}

    def ask(self, proposal: Proposal, on: Occasion) -> list[Event]:
        """Let a proposal wait for people; of too many the oldest is given up."""
        until_us = on.now.us + self._facts.settings.approval_window_us
        self._facts.book.windows.reserve(ESCALATING, on.now.us)
        self._facts.book.touched.add(ASK_SCOPE)
        self.open[proposal.id] = Escalation(proposal, until_us)
        if len(self.open) <= self._facts.settings.remembered:
            return []
        return self.end(next(iter(self.open)), on, "expiry", "too many others wait for a person")

    def answer(self, approval: Approval, on: Occasion) -> list[Event]:
        """Count a person's answer; one out of date, to another text or action, or to nothing open is none."""
        open_one = self.open.get(approval.proposal)
        if open_one is None:
            return []
        if open_one.proposal.action not in self._facts.actions:
            return self.end(approval.proposal, on, "declared", "", approval)
        final = self._decider.final(open_one.proposal)
        if not fits(approval, open_one, final, on.now.us) or approval.id in {one.id for one in open_one.approvals}:
            return []
        if approval.decision == "reject":
            detail = f"rejected by {approval.person}" + (f": {approval.reason}" if approval.reason else "")
            return self.end(approval.proposal, on, "approval", detail, approval)
        return self._weigh(with_approval(open_one, approval, final, on.now.us), on, approval)

    def _weigh(self, escalation: Escalation, on: Occasion, approval: Approval) -> list[Event]:
        """Ask all again where enough people approved; else tell who did so far, and wait for others."""
        question = self._decider.question(escalation.proposal, on, escalation.until_us, approval, escalation.approvals)
        check = with_remedy(safety.approval(self._facts, question), question)
        if not check.passed:
            self.open[escalation.proposal.id] = escalation
            return self._decider.decide(question, findings_of(check), on)
        del self.open[escalation.proposal.id]
        return self._decider.decide(question, all_checks(self._facts, question), on)

    def withdraw(self, keyring_text: str, on: Occasion) -> list[Event]:
        """Take back approvals by keys that a new keyring no longer trusts."""
        outputs: list[Event] = []
        for escalation in list(self.open.values()):
            left = without_withdrawn(escalation, keyring_text, on.now.us)
            if left is not escalation and left.proposal.action not in self._facts.actions:
                outputs += self.end(left.proposal.id, on, "declared", "")
            elif left is not escalation:
                self.open[left.proposal.id] = left
                question = self._decider.question(left.proposal, on, left.until_us, approvals=left.approvals)
                check = with_remedy(safety.approval(self._facts, question), question)
                outputs += [] if check.passed else self._decider.decide(question, findings_of(check), on)
        return outputs

    def lapse(self, episode: Episode, on: Occasion) -> list[Event]:
        """End what waits about an episode that is over."""
        lapsed = [key for key, one in self.open.items() if one.proposal.episode == episode.episode]
        outputs: list[Event] = []
        for key in lapsed:
            outputs += self.end(key, on, "episode", "it ended before a person answered")
        return outputs

    def end(self, key: str, on: Occasion, name: str, detail: str, approval: Approval | None = None) -> list[Event]:
        """Deny what waited for a person, for one named reason."""
        ended = self.open.pop(key)
        question = self._decider.question(ended.proposal, on, ended.until_us, approval)
        check = Check(name=name, passed=False, detail=detail)
        if name not in ("approval", "episode"):  # what was rejected, or is over, nothing brings back
            check = with_remedy(check, question)
        return self._decider.decide(question, findings_of(check), on, answer="deny")

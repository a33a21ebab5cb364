"""Escalations: proposals that the gate handed to people, and that nobody has answered yet."""

import msgspec

from schemas.events import Approval, Proposal, Verdict
from streams.operate.topic_reader import TopicReader


class Escalation(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal that waits for a person, until when."""

    proposal: Proposal
    until_us: int


def open_escalations(reader: TopicReader, *, now_us: int, window_us: int) -> list[Escalation]:
    """Return proposals whose last verdict is `escalate`, unanswered within the gate's window, oldest first."""
    answered = {event.proposal for _, event in reader.events("approvals") if isinstance(event, Approval)}
    last = {event.proposal.id: event for _, event in reader.events("verdicts") if isinstance(event, Verdict)}
    waiting = [
        Escalation(proposal=verdict.proposal, until_us=verdict.time_us + window_us)
        for verdict in last.values()
        if verdict.verdict == "escalate" and verdict.proposal.id not in answered
    ]
    return [escalation for escalation in waiting if escalation.until_us > now_us]

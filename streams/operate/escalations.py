"""Escalations: proposals that the gate handed to people, and that nobody has answered yet."""

from schemas.events import Approval, Proposal, Verdict
from streams.operate.topic_reader import TopicReader


def open_escalations(reader: TopicReader, *, now_us: int) -> list[Proposal]:
    """Return proposals whose last verdict is `escalate`, without an answer and not expired, oldest first."""
    answered = {event.proposal for _, event in reader.events("approvals") if isinstance(event, Approval)}
    last = {event.proposal.id: event for _, event in reader.events("verdicts") if isinstance(event, Verdict)}
    return [
        verdict.proposal
        for verdict in last.values()
        if verdict.verdict == "escalate"
        and verdict.proposal.id not in answered
        and verdict.proposal.expires_us > now_us
    ]

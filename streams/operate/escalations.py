"""Escalations: proposals that the gate handed to people, and that wait for an answer that counts."""

import msgspec

from schemas.events import Proposal, Verdict
from streams.operate.topic_reader import TopicReader


class Escalation(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal that waits for a person, until when."""

    proposal: Proposal
    until_us: int


def open_escalations(reader: TopicReader, *, now_us: int, window_us: int) -> list[Escalation]:
    """Return proposals whose last verdict is `escalate`, while the gate's window is open, oldest first.

    An answer that the gate took is followed by another verdict; one that it ignored (late, of another hash) is not.
    """
    last = {event.proposal.id: event for _, event in reader.events("verdicts") if isinstance(event, Verdict)}
    waiting = [
        Escalation(proposal=verdict.proposal, until_us=verdict.time_us + window_us)
        for verdict in last.values()
        if verdict.verdict == "escalate"
    ]
    return [escalation for escalation in waiting if escalation.until_us > now_us]

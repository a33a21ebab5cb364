"""Escalations: proposals that the gate handed to people, and that wait for answers that count."""

import time
from collections.abc import Callable

import msgspec

from schemas.events import FinalAction, Proposal, Verdict
from streams.operate.topic_reader import TopicReader

POLL_S = 0.3


class Escalation(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal that waits for people, until when, what it would become, and how far that has got."""

    proposal: Proposal
    until_us: int
    final: FinalAction
    standing: str


def open_escalations(reader: TopicReader, *, now_us: int, window_us: int) -> list[Escalation]:
    """Return proposals whose last verdict is `escalate`, while the gate's window is open, oldest first.

    The window begins with the first such verdict; others tell who has approved by then. An answer that the gate took is
    followed by another verdict; one that it ignored (late, of another hash) is not.
    """
    first: dict[str, int] = {}
    last: dict[str, Verdict] = {}
    for _, event in reader.events("verdicts", kinds=(Verdict,)):
        if isinstance(event, Verdict):
            first.setdefault(event.proposal.id, event.time_us)
            last[event.proposal.id] = event
    waiting = [
        Escalation(
            proposal=verdict.proposal,
            until_us=first[key] + window_us,
            final=verdict.final,
            standing=standing(verdict),
        )
        for key, verdict in last.items()
        if verdict.verdict == "escalate" and verdict.final is not None
    ]
    return [escalation for escalation in waiting if escalation.until_us > now_us]


def standing(verdict: Verdict) -> str:
    """Return in a few words what the gate said, and why."""
    said = next((check.detail for check in verdict.checks if check.name == verdict.decided_by), "")
    return f"{verdict.verdict}: {said}" if said else verdict.verdict


def first_verdict(
    reader: TopicReader, wanted: Callable[[Verdict], bool], *, since_us: int, timeout_s: float
) -> Verdict | None:
    """Wait for a verdict that was written since; None when none came in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        for _, event in reader.events("verdicts", since_us=since_us, kinds=(Verdict,)):
            if isinstance(event, Verdict) and wanted(event):
                return event
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_S)

"""What an answer means for an open proposal: how long it is waited for, and when its episode is decided again."""

from collections.abc import Collection

from schemas.events import Verdict
from streams.loop.denials import UNTOLD, may_pass, without_it_us
from streams.loop.policy.openings import AGAIN_UNTOLD_US, AGAIN_US
from streams.loop.policy.state import Open


def take(one: Open, verdict: Verdict, *, outcome_wait_us: int, others: Collection[str]) -> None:
    """Take the answer to a proposal into what is known of it. `others` are the actions that might run in place of its
    own: where that alone was denied to the loop's arm, the episode is decided again without it as long as there are.
    """
    was_escalated = one.escalated
    if not one.answered or (was_escalated and verdict.verdict != "escalate"):  # the horizon begins with the last
        one.answered, one.escalated = True, verdict.verdict == "escalate"
        one.free_us = verdict.time_us + outcome_wait_us
    if verdict.verdict != "deny":
        return
    alone_us = without_it_us(verdict) if _is_drawn(verdict) else None
    if alone_us is not None and others:
        one.refused = tuple(dict.fromkeys((*one.refused, verdict.proposal.action)))
        one.retry_us = max(alone_us, verdict.time_us + AGAIN_US)
    elif verdict.decided_by != "pause" and not may_pass(verdict):
        one.retry_us = verdict.retry_after_us
    elif one.retry_us is None:
        one.retry_us = verdict.time_us + (AGAIN_UNTOLD_US if verdict.decided_by in UNTOLD else AGAIN_US)
        one.spared += 1


def _is_drawn(verdict: Verdict) -> bool:
    hold_out = verdict.proposal.hold_out
    return hold_out is None or hold_out.arm == "loop"

"""What an answer means for an open proposal: how long it is waited for, and when its episode is decided again."""

from schemas.events import Verdict
from schemas.keyring import LOOP
from streams.loop.denials import UNTOLD, may_pass, without_it_us
from streams.loop.policy.openings import AGAIN_UNTOLD_US, AGAIN_US, NEVER_US
from streams.loop.policy.state import Open, Waiting

AWAY_US = 5_000_000
"""Timers that fire so much too late tell that nobody looked meanwhile."""
_TOO_LATE = ("evidence", "expiry")
"""Checks of the gate that rest on the age of a proposal."""


def take(one: Open, verdict: Verdict, *, outcome_wait_us: int, others_us: int) -> None:
    """Take the answer to a proposal into what is known of it. `others_us` is when an action may run in place of its own
    (0: now): where that alone was denied to the loop's arm, the episode is decided again without it, now or, if it was
    denied without a time, then.
    """
    was_escalated = one.escalated
    if not one.answered or (was_escalated and verdict.verdict != "escalate"):  # the horizon begins with the last
        one.answered, one.escalated = True, verdict.verdict == "escalate"
        one.free_us = verdict.time_us + outcome_wait_us
    if verdict.verdict != "deny":
        return
    too_late = came_too_late(verdict, was_escalated=was_escalated)
    alone_us = without_it_us(verdict) if _is_drawn(verdict) else None
    is_in_time = others_us == 0 or (verdict.retry_after_us is None and others_us < NEVER_US)
    if alone_us is not None and is_in_time:
        one.refused = tuple(dict.fromkeys((*one.refused, verdict.proposal.action)))
        one.retry_us = max(alone_us, others_us, verdict.time_us + AGAIN_US)
    elif verdict.decided_by != "pause" and not may_pass(verdict) and not too_late:
        one.retry_us = verdict.retry_after_us
    elif one.retry_us is None:
        one.retry_us = verdict.time_us + (AGAIN_UNTOLD_US if verdict.decided_by in UNTOLD else AGAIN_US)
        one.spared += 1


def came_too_late(verdict: Verdict, *, was_escalated: bool) -> bool:
    """Return whether the gate came to a proposal when it was not valid any more, or what it rests on was too old: as
    good as no answer. Of one that was escalated people did not answer.
    """
    return verdict.verdict == "deny" and verdict.decided_by in _TOO_LATE and not was_escalated


def waits_longer(one: Open, now_us: int, *, expires_us: int) -> bool:
    """Return whether a proposal that got no answer is waited for once more, as nobody looked when its time was up: what
    was said of it meanwhile may still be to be read.
    """
    if one.late or now_us - one.free_us <= AWAY_US:
        return False
    one.late, one.free_us = True, now_us + expires_us
    return True


def adopted(verdict: Verdict, known: Open | Waiting | None) -> Open | None:
    """Return as open a proposal that was given up, whose answer has come: it was let through, or people are asked about
    it, so its episode is not decided again while that is under way. None of any other answer, and where what is `known`
    of its entity, open or waiting, is of another episode.
    """
    proposal = verdict.proposal
    is_of_it = known is not None and proposal.episode == known.recurrence.episode
    if known is None or not is_of_it or proposal.by != LOOP or verdict.verdict not in ("allow", "escalate"):
        return None
    return Open(
        proposal=proposal.id,
        recurrence=known.recurrence,
        attempt=known.attempt,
        free_us=verdict.time_us,
        spared=known.spared,
        refused=known.refused,
    )


def _is_drawn(verdict: Verdict) -> bool:
    hold_out = verdict.proposal.hold_out
    return hold_out is None or hold_out.arm == "loop"

"""Which denials without a time end by themselves: by what happens, or by an order that needs no other settings; and
which are of the one action alone.

Not among the former is what only new settings or another level free (`settings`, `declared`, `protected`, `guards`, a
limit of 0), and what is so of this proposal for good (`duplicate`, `expiry`, `episode`).
"""

from schemas.events import Verdict

TOLD = frozenset({"pause", "abnormal", "failures", "in-flight", "concurrency"})
"""Checks of the gate whose end is told by `Blocked`."""
UNTOLD = frozenset({"control", "healthy"})
"""Checks of the gate whose end nobody tells."""
OWN = frozenset({"declared", "guards", "exploration", "cost"})
"""Checks of the gate that rest on the action, its price, or that another one is likelier: while one action fails them,
another may pass."""


def may_pass(verdict: Verdict) -> bool:
    """Return whether a proposal was denied without a time, by what ends by itself."""
    return verdict.verdict == "deny" and verdict.retry_after_us is None and (verdict.decided_by in TOLD | UNTOLD)


def may_ask_again(verdict: Verdict) -> bool:
    """Return whether a proposal was denied only for a time, known or not."""
    return verdict.verdict == "deny" and (verdict.retry_after_us is not None or may_pass(verdict))


def without_it_us(verdict: Verdict) -> int | None:
    """Return from when on the episode may be decided again without the action, where that was denied for what rests on
    it alone: when all else that failed passes, as far as that is known. None where it was not, as where it was to ask
    about it that may not be tried.
    """
    if verdict.verdict != "deny" or verdict.decided_by not in OWN:
        return None
    if verdict.proposal.asked and verdict.decided_by == "exploration":
        return None
    others = (check for check in verdict.checks if not check.passed and check.name not in OWN)
    return max([verdict.time_us, *(check.next_us for check in others if check.next_us is not None)])

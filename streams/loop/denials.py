"""Which denials without a time end by themselves: by what happens, or by an order that needs no other settings.

Not among them is what only new settings or another level free (`settings`, `declared`, `protected`, `guards`, a limit
of 0), and what is so of this proposal for good (`duplicate`, `expiry`, `episode`).
"""

from schemas.events import Verdict

TOLD = frozenset({"pause", "abnormal", "failures", "in-flight", "concurrency"})
"""Checks of the gate whose end is told by `Blocked`."""
UNTOLD = frozenset({"control", "healthy"})
"""Checks of the gate whose end nobody tells."""


def may_pass(verdict: Verdict) -> bool:
    """Return whether a proposal was denied without a time, by what ends by itself."""
    return verdict.verdict == "deny" and verdict.retry_after_us is None and (verdict.decided_by in TOLD | UNTOLD)


def may_ask_again(verdict: Verdict) -> bool:
    """Return whether a proposal was denied only for a time, known or not."""
    return verdict.verdict == "deny" and (verdict.retry_after_us is not None or may_pass(verdict))

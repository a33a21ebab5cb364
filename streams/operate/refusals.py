"""Why a log cannot tell what a policy would have earned, in words, and what would change that."""

from collections.abc import Sequence
from typing import NamedTuple

from streams.learners.support import (
    LEAST_DECISIONS,
    LEAST_EFFECTIVE,
    LEAST_PROBABILITY,
    LITTLE,
    MOST_UNCOVERED,
    Support,
)

FOLLOWED = "the policy's model cannot be followed: the record begins after it had learned, or under other settings"
EXPLORE = "a larger floor or hold_out under [policy]"


class Refusal(NamedTuple):
    """Why there is no answer, and what would make one possible."""

    why: str
    remedy: str


def refusal_of(support: Support, actions: Sequence[str], *, followed: float) -> Refusal | None:
    """Return why there is no answer, None where there is one; `followed` is the share of the decisions at which the
    policy's choices can be told.
    """
    if followed < 1.0 and support.decisions < LEAST_DECISIONS:
        return Refusal(
            FOLLOWED, "a run from its first decision on, with the loop.toml that it was made under as --config"
        )
    if support.decisions < LEAST_DECISIONS:
        more = LEAST_DECISIONS - support.decisions
        return Refusal(
            f"expected at least {LEAST_DECISIONS} decisions that have ended, got {support.decisions}",
            f"{more} more decisions",
        )
    if support.misses:
        return _missed(support, actions)
    return _thin(support) if support.is_thin else None


def _missed(support: Support, actions: Sequence[str]) -> Refusal:
    share, worst = max(zip(support.uncovered, actions, strict=True))
    return Refusal(
        f"in {share:.0%} of the decisions it would end in {worst} where the log could hardly have shown that "
        f"(probability below {LEAST_PROBABILITY:g}); expected at most {MOST_UNCOVERED:.0%} in all",
        f"decisions in which {worst} is eligible, may act, is measured, and is tried now and then: {EXPLORE}, a level "
        "that lets it act, limits with room",
    )


def _thin(support: Support) -> Refusal:
    parts = [(support.overall, "all of it")]
    if support.differs > LITTLE:
        parts.append((support.effective, f"what it would do otherwise ({support.differs:.0%})"))
    worth, subject = min(parts)
    more = "more decisions with known rewards"
    if worth >= 1.0:
        more = f"about {support.decisions * (LEAST_EFFECTIVE / worth - 1.0):,.0f} more decisions like these"
    return Refusal(
        f"{subject} rests on {worth:.1f} decisions' worth of rewards, expected at least {LEAST_EFFECTIVE:g}",
        f"{more}, or {EXPLORE}",
    )

"""Why a log cannot tell what a policy would have earned, in words, and what would change that."""

from collections.abc import Sequence
from typing import NamedTuple

from streams.learners.support import (
    LEAST_DECISIONS,
    LEAST_EFFECTIVE,
    LEAST_ENTITIES,
    LEAST_PROBABILITY,
    LITTLE,
    MOST_UNCOVERED,
    Support,
)

FOLLOWED = "the policy's model cannot be followed: the record begins after it had learned, or under other settings"
FROM_THE_FIRST = (
    "a run from its first decision on, with the loop.toml that it was made under as --config: where verdicts and "
    "experience are no longer kept that long, a copy that `flyball replay --save FOLDER` made in time"
)
EXPLORE = "a larger floor or hold_out under [policy]"


class Refusal(NamedTuple):
    """Why there is no answer, and what would make one possible."""

    why: str
    remedy: str


def refusal_of(support: Support, actions: Sequence[str], *, met: int, before: int = 0) -> Refusal | None:
    """Return why there is no answer, None where there is one. Decisions that were `met` are more than those of the
    support where the policy's choices cannot be told at some; `before` were made under another baseline.
    """
    if support.decisions < LEAST_DECISIONS:
        return _short(met, before)
    if not support.rewards:
        return Refusal(
            f"no reward is known of any of the {support.decisions} decisions",
            "measuring: telemetry of the entities through the horizon after each decision, outcomes from executors, "
            "and levels that let something run",
        )
    if support.misses:
        return _missed(support, actions)
    if support.is_thin:
        return _thin(support)
    return _few(support) if support.is_of_few else None


def _short(met: int, before: int) -> Refusal:
    if met >= LEAST_DECISIONS:
        return Refusal(FOLLOWED, FROM_THE_FIRST)
    more = f"{LEAST_DECISIONS - met} more decisions"
    if before:
        return Refusal(
            f"{before} decisions were made under another baseline, or before one that was; {met} are left, "
            f"expected at least {LEAST_DECISIONS}",
            f"give the loop.toml of the run as --config; or {more}",
        )
    return Refusal(f"expected at least {LEAST_DECISIONS} decisions that have ended, got {met}", more)


def _few(support: Support) -> Refusal:
    return Refusal(
        f"its rewards are {support.entities:.1f} entities' worth, expected at least {LEAST_ENTITIES}: how far "
        "decisions of an entity are alike cannot be told",
        "decisions of more entities, each often enough",
    )


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

"""What a decision earned, and what to have asked a person for it cost."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.events import Verdict
from streams.loop.attribute.joins import Join
from streams.loop.attribute.reward import Measured, outcome_of
from streams.loop.attribute.settings import AttributeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """A reward, None where nothing was measured, and the cost that was taken off, of which `look_cost` is that of a
    person's look, None where there was none. `unasked` is the reward without that and without the wait, where the loop
    chose to ask.
    """

    reward: float | None
    cost: float
    look_cost: float | None = None
    unasked: float | None = None


def follow_answers(join: Join, known: Join | None) -> None:
    """Note since when a person is asked because the loop chose that, whether one answered, and what was measured while
    the answer was waited for.
    """
    if not join.proposal.asked:
        return
    verdict = join.verdict
    join.asked_us = verdict.time_us if verdict.verdict == "escalate" else None
    if known is not None:
        join.asked_us, join.looked = known.asked_us, known.looked
        join.windows, join.is_cut, join.others = known.windows, known.is_cut, known.others
    join.looked = join.looked or verdict.approval is not None


def note_answer(known: Join | None, verdict: Verdict) -> None:
    """Note the answer of one of several people who have to agree."""
    if known is not None and known.asked_us is not None:
        known.looked = known.looked or verdict.approval is not None


def is_no_question(join: Join) -> bool:
    """Return whether nothing is to be done, and nobody was asked by choice: that teaches nothing."""
    return join.verdict.verdict in ("deny", "shadow") and join.asked_us is None


def earned(join: Join, left: float | None, *, cost: float, look_cost: float, unasked: float | None = None) -> Earned:
    """Return what a decision earned that `left` a share of the horizon, with an action of this cost.

    Where the loop chose to ask, the horizon begins with the question, as that of any other choice does with the
    decision: the trouble lasts while the answer is waited for, or passes by itself.
    """
    looked = join.looked and join.proposal.asked
    both = cost + look_cost if looked else cost
    reward = None if left is None else left - both
    return Earned(reward=reward, cost=both, look_cost=look_cost if looked else None, unasked=unasked)


def unasked_reward(
    join: Join,
    measured: Measured | None,
    effective: str,
    *,
    cost: float,
    others_us: Sequence[int],
    settings: AttributeSettings,
) -> float | None:
    """Return what the effective action earned since the answer where the loop chose to ask; None where nothing was
    `measured` since the question, or since the answer.
    """
    if not join.proposal.asked or measured is None:
        return None
    since = outcome_of(
        join,
        effective,
        since_us=join.verdict.time_us,
        horizon_us=settings.horizon_us,
        others_us=others_us,
        settings=settings,
    )
    return None if since is None else since.left - cost

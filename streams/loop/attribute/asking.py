"""What a decision earned, and what to have asked a person for it cost."""

from dataclasses import dataclass

from schemas.events import Verdict
from streams.loop.attribute.joins import Join


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
    """Note since when a person is asked because the loop chose that, and whether one answered."""
    if not join.proposal.asked:
        return
    verdict = join.verdict
    join.asked_us = verdict.time_us if verdict.verdict == "escalate" else None
    if known is not None:
        join.asked_us, join.looked = known.asked_us, known.looked
    join.looked = join.looked or verdict.approval is not None


def note_answer(known: Join | None, verdict: Verdict) -> None:
    """Note the answer of one of several people who have to agree."""
    if known is not None and known.asked_us is not None:
        known.looked = known.looked or verdict.approval is not None


def earned(join: Join, left: float | None, *, cost: float, look_cost: float, horizon_us: int) -> Earned:
    """Return what a decision earned that `left` a share of the horizon after the verdict, with an action of this cost.

    Where the loop chose to ask, the horizon begins with the question, as that of any other choice does with the
    decision: the trouble lasted while the answer was waited for.
    """
    bare = None if left is None else left - cost
    if not join.proposal.asked:
        return Earned(reward=bare, cost=cost)
    waited_us = 0 if join.asked_us is None else join.verdict.time_us - join.asked_us
    both = cost + look_cost if join.looked else cost
    reward = None if left is None else max(0.0, left - waited_us / horizon_us) - both
    return Earned(reward=reward, cost=both, look_cost=look_cost if join.looked else None, unasked=bare)

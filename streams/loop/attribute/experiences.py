"""What is told of a proposal: one experience from all that was heard of it."""

from typing import Literal

from schemas.events import Experience
from streams.loop.attribute.asking import Earned
from streams.loop.attribute.joins import Join
from streams.loop.attribute.reward import Measured
from streams.loop.occasion import Occasion

State = Literal["observed", "defaulted", "late", "censored", "unobservable", "early"]


def experience_of(
    join: Join,
    on: Occasion,
    measured: Measured | None,
    *,
    state: State,
    effective: str,
    earned: Earned,
) -> Experience:
    """Return the experience; it retracts the reward that was handed out before, if any was."""
    proposal = join.proposal
    heard = join.end or join.claim
    causes = dict.fromkeys(text for text in (str(on.cause), join.verdict_at, join.end_at) if text)
    return Experience(
        id=on.id(),
        time_us=on.now.us,
        causes=tuple(causes),
        proposal=proposal.id,
        entity=proposal.entity,
        episode=proposal.episode,
        pattern=proposal.pattern,
        arm=proposal.hold_out.arm if proposal.hold_out else "loop",
        state=state,
        proposed=proposal.action,
        effective=effective,
        effective_probability=proposal.propensity,
        verdict=join.verdict.verdict,
        reward=earned.reward,
        retracted_reward=join.retracted,
        cost=earned.cost,
        action=join.verdict.action,
        outcome=heard.state if heard else None,
        decided_us=join.verdict.time_us,
        recovery_us=measured.recovery_us if measured else None,
        recovered=measured.recovered if measured else None,
        availability=measured.availability if measured else None,
        features=proposal.features,
        by=proposal.by,
        signal=join.signal,
        asked=proposal.asked,
        look_cost=earned.look_cost,
        unasked_reward=earned.unasked,
    )

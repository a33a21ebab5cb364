"""What each arm has been worth so far: sums from which counts, means and intervals are read."""

import msgspec

from schemas.events import Arm, Experience
from streams.learners.confidence_sequences import Moments, interval
from streams.loop.rewards import reward_of

REWARD_RANGE = (-1.0, 1.0)
"""Rewards are in [0, 1] less a cost of at most 1, that of asking a person included."""


class Score(msgspec.Struct, frozen=True, array_like=True):
    """What one experience counted as, kept as long as it may be corrected; what ran costs, measured or not, as does a
    person's look.
    """

    arm: Arm
    reward: float | None
    recovery_s: float | None
    availability: float | None
    cost: float


def score_of(experience: Experience) -> Score | None:
    """Return what an experience counts as; None where it tells neither a reward that can be one nor of a run or a
    look.
    """
    reward, recovery_us = reward_of(experience), experience.recovery_us
    if reward is None and experience.outcome is None and experience.look_cost is None:
        return None
    is_known = reward is not None
    return Score(
        arm=experience.arm,
        reward=reward,
        recovery_s=recovery_us / 1e6 if is_known and recovery_us is not None else None,
        availability=experience.availability if is_known else None,
        cost=experience.cost,
    )


class ArmSums(msgspec.Struct):
    """The sums of one arm. `recovery_range_s` is the longest recovery seen: that of what did not recover in time."""

    decisions: int = 0
    answers: int = 0
    cost: float = 0.0
    recovery_range_s: float = 0.0
    reward: Moments = msgspec.field(default_factory=Moments)
    recovery_s: Moments = msgspec.field(default_factory=Moments)
    availability: Moments = msgspec.field(default_factory=Moments)

    def add(self, score: Score) -> None:
        """Count one score."""
        self.cost += score.cost
        if score.reward is not None:
            self.reward.add(score.reward)
        if score.recovery_s is not None:
            self.recovery_s.add(score.recovery_s)
            self.recovery_range_s = max(self.recovery_range_s, score.recovery_s)
        if score.availability is not None:
            self.availability.add(score.availability)

    def remove(self, score: Score) -> None:
        """Take back one score that was counted."""
        self.cost -= score.cost
        if score.reward is not None:
            self.reward.remove(score.reward)
        if score.recovery_s is not None:
            self.recovery_s.remove(score.recovery_s)
        if score.availability is not None:
            self.availability.remove(score.availability)

    def numbers(self, *, minutes_per_answer: float) -> dict[str, float | int]:
        """Return the fields of a ledger entry; means that nothing tells are left out."""
        low, high = interval(self.reward, low=REWARD_RANGE[0], high=REWARD_RANGE[1])
        told: dict[str, float | int] = {
            "decisions": self.decisions,
            "observed": self.reward.count,
            "reward_mean": self.reward.mean,
            "reward_low": low,
            "reward_high": high,
            "cost": self.cost,
            "value": self.reward.total,
            "answers": self.answers,
            "minutes": minutes_per_answer * self.answers,
        }
        if self.recovery_s.count:
            told |= _named("recovery_s", self.recovery_s, self.recovery_range_s)
        if self.availability.count:
            told |= _named("availability", self.availability, 1.0)
        return told


def _named(name: str, moments: Moments, high: float) -> dict[str, float | int]:
    bounds = interval(moments, low=0.0, high=high)
    return {f"{name}_mean": moments.mean, f"{name}_low": bounds[0], f"{name}_high": bounds[1]}

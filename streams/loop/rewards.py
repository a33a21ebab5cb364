"""What rewards can be: the policy, the gate, the account and what reads logs count no others."""

from schemas.events import Experience

LEARNED = ("observed", "defaulted", "late", "early")
"""States of an experience of whose reward the policy learns."""
_ROUNDING = 1e-9


def is_possible(reward: float, *, cost: float) -> bool:
    """Return whether an action of this cost can have earned a reward: rewards are in [0, 1] less the cost."""
    return -_ROUNDING <= reward + cost <= 1.0 + _ROUNDING  # false of NaN


def reward_of(experience: Experience) -> float | None:
    """Return the reward that an experience tells; None where it tells none, or what cannot be one."""
    reward = experience.reward
    return reward if reward is not None and is_possible(reward, cost=experience.cost) else None


def taught_by(experience: Experience) -> float | None:
    """Return the reward that an experience teaches what to do about episodes; None where it teaches none: what lives
    are worth, lives tell.
    """
    return reward_of(experience) if experience.episode and experience.state in LEARNED else None


def within_range(reward: float, *, cost: float) -> float:
    """Return a reward as one within what those of an action of this cost can be: beyond it, it proves no more."""
    return min(max(reward, -cost), 1.0 - cost)

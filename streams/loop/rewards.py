"""What rewards can be: the policy, the gate, the account and what reads logs count no others."""

_ROUNDING = 1e-9


def is_possible(reward: float, *, cost: float) -> bool:
    """Return whether an action of this cost can have earned a reward: rewards are in [0, 1] less the cost."""
    return -_ROUNDING <= reward + cost <= 1.0 + _ROUNDING  # false of NaN

"""Why a choice was made: what spoke for it and against it, as a proposal carries it."""

from collections.abc import Mapping, Sequence
from heapq import nlargest
from math import hypot
from typing import Literal

from schemas.events import Why
from streams.learners.reward_model import Outlook, RewardModel
from streams.loop.policy.choice import Choice

FEW = 3
"""Parts that are told of either side."""
DIGITS = 3
"""Decimals of what is told: rewards are of the order of 1."""


def why_of(model: RewardModel, key: str, names: Sequence[str], outlook: Outlook, choice: Choice) -> Why:
    """Return why the eligible action was chosen, with the outlook that the model had of all of them, in order, at the
    decision just made under `key`.
    """
    action, chances = choice.action, choice.probabilities
    means, spreads = (dict(zip(names, numbers.tolist(), strict=True)) for numbers in outlook[:2])
    others = [name for name in names if name != action]
    if not others:
        return Why(mode=mode_of(choice), expected=_rounded(means[action]), spread=_rounded(spreads[action]))
    runner_up = max(others, key=lambda name: (chances[name], means[name]))
    reasons = model.reasons(key, action, runner_up)
    parts = reasons.features | {"constant": reasons.constant, "pattern": reasons.pattern, "cost": reasons.priors}
    return Why(
        mode=mode_of(choice),
        runner_up=runner_up,
        expected=_rounded(means[action]),
        runner_up_expected=_rounded(means[runner_up]),
        spread=_rounded(hypot(spreads[action], spreads[runner_up])),
        parts=largest(parts),
    )


def mode_of(choice: Choice) -> Literal["best", "explored", "held-out"]:
    """Return how the action came to be chosen."""
    if choice.hold_out.arm != "loop":
        return "held-out"
    chances = choice.probabilities
    return "best" if chances[choice.action] == max(chances.values()) else "explored"


def largest(parts: Mapping[str, float]) -> dict[str, float]:
    """Return the parts that count most on either side, rounded; those that round to nothing are left out."""
    told = {}
    for side in (1.0, -1.0):
        of_side = [(side * part, name) for name, part in parts.items() if side * part > 0.0]
        told |= {name: _rounded(side * size) for size, name in nlargest(FEW, of_side)}
    return {name: part for name, part in told.items() if part}


def _rounded(number: float) -> float:
    return round(number, DIGITS)

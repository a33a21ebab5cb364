"""Why a choice was made: what spoke for it and against it, as a proposal carries it."""

from collections.abc import Mapping, Sequence
from math import hypot
from typing import Literal

from schemas.events import Why
from streams.learners.reward_model import Outlook, RewardModel
from streams.loop.policy.choice import Choice

FEW = 3
"""Parts that are told of either side."""
DIGITS, LEAST = 3, 0.0005
"""Decimals of what is told, rewards being of the order of 1, and what would round to nothing."""


def why_of(model: RewardModel, key: str, names: Sequence[str], outlook: Outlook, choice: Choice) -> Why:
    """Return why the eligible action was chosen, with the outlook that the model had of all of them, in order, at the
    decision just made under `key`.
    """
    action, chances = choice.action, choice.probabilities
    means = dict(zip(names, outlook.means.tolist(), strict=True))
    spreads = dict(zip(names, outlook.spreads.tolist(), strict=True))
    others = [name for name in names if name != action]
    if not others:
        return Why(mode=mode_of(choice), expected=round(means[action], DIGITS), spread=round(spreads[action], DIGITS))
    runner_up = max(others, key=lambda name: (chances[name], means[name]))
    reasons = model.reasons(key, action, runner_up)
    parts = {**reasons.features, "constant": reasons.constant, "pattern": reasons.pattern, "cost": reasons.priors}
    return Why(
        mode=mode_of(choice),
        runner_up=runner_up,
        expected=round(means[action], DIGITS),
        runner_up_expected=round(means[runner_up], DIGITS),
        spread=round(hypot(spreads[action], spreads[runner_up]), DIGITS),
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
    ranked = sorted([(part, name) for name, part in parts.items() if not -LEAST <= part <= LEAST])
    told = [*(pair for pair in ranked[:FEW] if pair[0] < 0.0), *(pair for pair in ranked[-FEW:] if pair[0] > 0.0)]
    return {name: round(part, DIGITS) for part, name in told}

"""Which arm decides an episode, what it may choose, and with what probability: no state, no events."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from schemas.events import NONE, HoldOut, MetricSignature, Recurrence
from schemas.ids import seed_of
from streams.learners.bandit import inverse_gap, pick
from streams.loop.policy.settings import ARMS, PolicySettings

FEATURES = ("bias", "severity", "strength", "trend")
"""What the reward model sees, in this order; `bias` is 1, the others lie in [-1, 1]."""
Arm = Literal["loop", "baseline", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A chosen action with the probabilities of the loop arm and the propensity of the whole procedure."""

    action: str
    probabilities: dict[str, float]
    propensity: float
    hold_out: HoldOut


def uniform(*parts: str | int) -> float:
    """Return a number in [0, 1) that derives from the parts alone."""
    return (seed_of(*parts) >> 11) / float(1 << 53)


def hold_out_of(episode: str, *, seed: int, shares: Mapping[str, float]) -> HoldOut:
    """Return the arm of an episode: the same on every attempt, on every machine."""
    draw = uniform("hold-out", seed, episode)
    reached = 0.0
    for arm in ARMS:
        reached += shares[arm]
        if draw < reached:
            return HoldOut(draw=draw, arm=cast("Arm", arm), shares=dict(shares))
    return HoldOut(draw=draw, arm="none", shares=dict(shares))


def choose(
    eligible: Iterable[str],
    *,
    hold_out: HoldOut,
    draw: float,
    settings: PolicySettings,
    rewards: Callable[[list[str]], Mapping[str, float]],
    evidence: float,
) -> Choice:
    """Return what the arm chooses among the eligible actions, `none` always being one.

    The baseline's arm does nothing while its action is blocked: every arm lives under the same limits.
    """
    names = sorted({*eligible, NONE})
    gamma = settings.gamma * float(np.sqrt(1.0 + evidence))
    probabilities = inverse_gap(rewards(names), gamma=gamma, floor=settings.floor)
    baseline = settings.baseline if settings.baseline in names else NONE
    match hold_out.arm:
        case "loop":
            action = pick(probabilities, draw)
        case "baseline":
            action = baseline
        case _:
            action = NONE
    shares = settings.hold_out
    propensity = (
        shares["loop"] * probabilities[action]
        + shares["baseline"] * (action == baseline)
        + shares["none"] * (action == NONE)
    )
    return Choice(action=action, probabilities=probabilities, propensity=propensity, hold_out=hold_out)


def features_of(recurrence: Recurrence) -> dict[str, float]:
    """Return the numbers that speak for an action: how far, and in which direction, the entity left its normal."""
    metrics = [recurrence.signature[name] for name in sorted(recurrence.signature)]
    return {
        "bias": 1.0,
        "severity": _squash(recurrence.severity),
        "strength": _mean(metrics, lambda metric: abs(metric.mean)),
        "trend": _mean(metrics, lambda metric: metric.trend),
    }


def vector_of(features: Mapping[str, float]) -> tuple[float, ...]:
    """Return the features in the model's order; a person's own proposal has none but the constant."""
    return tuple(1.0 if name == "bias" else features.get(name, 0.0) for name in FEATURES)


def _squash(value: float) -> float:
    return float(np.tanh(value / 10.0))


def _mean(metrics: list[MetricSignature], number: Callable[[MetricSignature], float]) -> float:
    return sum(_squash(number(metric)) for metric in metrics) / len(metrics) if metrics else 0.0

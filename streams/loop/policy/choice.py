"""Which arm decides an episode, what it may choose, and with what probability: no state, no events."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from schemas.events import ARMS, ASK, NONE, HoldOut, MetricSignature, Recurrence
from schemas.ids import seed_of
from streams.learners.bandit import explore, pick
from streams.learners.reward_model import Outlook
from streams.loop.actions import ActionSettings
from streams.loop.policy.settings import PolicySettings

OF_EVERY_METRIC = ("severity", "strength", "trend")
"""The features of every episode, whatever is measured: what is usual among them is learned."""
OF_EVERY_MOMENT = ("acted", "acted:just", "day:cos", "day:sin")
"""The other features that every decision has: in [-1, 1] by what they are."""
DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A chosen action, or `ask`, with the probabilities of the loop arm and the propensity of the whole procedure.

    What the loop arm leaves out is not among its probabilities, but for the baseline's action: there with 0.
    """

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
            return HoldOut(draw=draw, arm=arm, shares=dict(shares))
    return HoldOut(draw=draw, arm="none", shares=dict(shares))


def dry_of(actions: Mapping[str, ActionSettings]) -> frozenset[str]:
    """Return the actions that are dry runs: nothing is done, and so nothing is learned of them."""
    return frozenset(name for name, action in actions.items() if action.dry_run)


def chances_of(
    names: Sequence[str], outlook: Outlook, settings: PolicySettings, *, dry: Collection[str] = ()
) -> dict[str, float]:
    """Return each name's probability. Dry runs have but their part of the floor where another action may be chosen: the
    benefit of the doubt, which nothing that comes of them takes away, would win for ever.
    """
    acting = [place for place, name in enumerate(names) if name not in dry]
    if len(acting) == len(names) or all(names[place] in (NONE, ASK) for place in acting):
        return explore(names, outlook, gamma=settings.gamma, optimism=settings.optimism, floor=settings.floor)
    share = settings.floor / len(names)
    left = 1.0 - share * (len(names) - len(acting))
    chances = explore(
        [names[place] for place in acting],
        Outlook(outlook.means[acting], outlook.spreads[acting], outlook.evidence),
        gamma=settings.gamma,
        optimism=settings.optimism,
        floor=settings.floor,
    )
    return {name: left * chances[name] if name in chances else share for name in names}


def choose(
    names: Sequence[str],
    outlook: Outlook,
    *,
    hold_out: HoldOut,
    draw: float,
    settings: PolicySettings,
    dry: Collection[str] = (),
    left_out: Collection[str] = (),
) -> Choice:
    """Return what the arm chooses among the eligible actions, in order of their names, `none` always being one, and
    `ask` where a person may be asked; of those that are `dry` runs see `chances_of`. `left_out` are other eligible
    actions, which the loop arm alone leaves out.

    The baseline's arm does nothing while its action is blocked: every arm lives under the same limits.
    """
    probabilities = chances_of(names, outlook, settings, dry=dry)
    baseline = settings.baseline if settings.baseline in (*names, *left_out) else NONE
    if baseline not in probabilities:
        probabilities = dict(sorted({**probabilities, baseline: 0.0}.items()))
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
    """Return the numbers, in [-1, 1], that speak for an action: how far, in which direction and in which metrics the
    entity left its normal. By the metrics, patterns alike share what is learned.
    """
    metrics = [recurrence.signature[name] for name in sorted(recurrence.signature)]
    base = (
        _squash(recurrence.severity),
        _mean(metrics, lambda metric: abs(metric.mean)),
        _mean(metrics, lambda metric: metric.trend),
    )
    return dict(zip(OF_EVERY_METRIC, base, strict=True)) | {
        f"mean:{name}": _squash(recurrence.signature[name].mean) for name in sorted(recurrence.signature)
    }


def time_of_day(now_us: int) -> dict[str, float]:
    """Return the time of the day (UTC) as a point on a circle, so that the last minute lies beside the first."""
    angle = 2.0 * pi * (now_us % DAY_US) / DAY_US
    return {"day:cos": cos(angle), "day:sin": sin(angle)}


def _squash(value: float) -> float:
    return float(np.tanh(value / 10.0))


def _mean(metrics: list[MetricSignature], number: Callable[[MetricSignature], float]) -> float:
    return sum(_squash(number(metric)) for metric in metrics) / len(metrics) if metrics else 0.0

"""What an unlucky gambler proves: bounds of a mean, and alarms when it falls, that hold however often one looks.

Who bets against "the mean is at most m" at fair odds is ever n times as rich as at first with a probability of at most
1 / n (Ville's inequality). Methods: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting"
(JRSS B, 2024), with a fixed mixture of stakes, so that counts of values, in any order, are all it needs; and for alarms
Shin, Ramdas and Rinaldo, "E-detectors" (NEJSDS, 2024): the gambler begins anew whenever he is poorer than at first.
"""

import math
from collections.abc import Mapping

STEP = 0.01
"""Values are counted in steps of this size."""
STAKES = (0.1, 0.3, 0.6, 0.9)
"""Shares of what may be staked at most; the gambler splits his money between them evenly."""
ALARM_STAKE = 0.8
_HALVINGS = 20


def step_of(value: float) -> int:
    """Return the step that a value falls into."""
    return math.floor(value / STEP + 1e-9)


def proves_more(counts: Mapping[int, int], than: float, *, low: float, alpha: float) -> bool:
    """Return whether `lower_bound` is at least `than`, at a fraction of its cost."""
    return _is_rich([(step * STEP, count) for step, count in counts.items()], than, low=low, alpha=alpha)


def proves_less(counts: Mapping[int, int], than: float, *, high: float, alpha: float) -> bool:
    """Return whether `upper_bound` is at most `than`."""
    return _is_rich([(-(step + 1) * STEP, count) for step, count in counts.items()], -than, low=-high, alpha=alpha)


def lower_bound(counts: Mapping[int, int], *, low: float, alpha: float) -> float:
    """Return the lower bound of the mean of values that are at least `low`, by the counts of their steps.

    It is above the mean at any time, however often one looks, with a probability of at most `alpha`.
    """
    values = [(step * STEP, count) for step, count in counts.items()]
    return _bound(values, low=low, alpha=alpha)


def upper_bound(counts: Mapping[int, int], *, high: float, alpha: float) -> float:
    """Return the upper bound of the mean of values that are at most `high`; see `lower_bound`."""
    values = [(-(step + 1) * STEP, count) for step, count in counts.items()]
    return -_bound(values, low=-high, alpha=alpha)


def alarm(capital: float, value: float, *, promised: float, low: float, high: float) -> float:
    """Return the capital of who bets that values fall below `promised`, after one more value within `low` and `high`.

    While their mean is at least what was promised, it takes 1 / alpha values on average until it reaches 1 / alpha.
    """
    clipped = min(max(value, low), high)
    return max(1.0, capital) * (1.0 + ALARM_STAKE * (promised - clipped) / (high - promised))


def _bound(values: list[tuple[float, int]], *, low: float, alpha: float) -> float:
    """Return the largest m such that every mean up to it would have made the gambler rich; found by halving."""
    below, above = low, max((value for value, _ in values), default=low)
    if above <= low:
        return low
    for _ in range(_HALVINGS):
        middle = (below + above) / 2
        if _is_rich(values, middle, low=low, alpha=alpha):
            below = middle
        else:
            above = middle
    return below


def _is_rich(values: list[tuple[float, int]], mean: float, *, low: float, alpha: float) -> bool:
    """Return whether who bets against a mean of at most `mean` has 1 / alpha times what he began with.

    Values below `low`, which must not be, count as `low`.
    """
    room = mean - low
    if room <= 0.0:
        return False
    logs = [
        sum(count * math.log1p(stake * (max(0.0, value - low) / room - 1.0)) for value, count in values)
        for stake in STAKES
    ]
    most = max(logs)
    return most + math.log(sum(math.exp(one - most) for one in logs) / len(logs)) >= math.log(1.0 / alpha)

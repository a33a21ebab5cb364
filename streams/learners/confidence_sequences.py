"""Intervals of a mean that hold at every sample size at once, so that looking often costs nothing.

Method: the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central
limit theory and asymptotic confidence sequences" (2021), theorem 2.2. It needs counts and sums only, so that a value
can be taken back when it is corrected.
"""

import math
from dataclasses import dataclass

ALPHA = 0.05
TIGHTEST_AT = 50
"""The number of values at which the interval is about as narrow as it can be."""


@dataclass(slots=True)
class Moments:
    """Count, sum and sum of squares of the values seen and not taken back."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.count += 1
        self.total += value
        self.squares += value * value

    def remove(self, value: float) -> None:
        """Take one value back that was added before."""
        self.count -= 1
        self.total -= value
        self.squares -= value * value

    @property
    def mean(self) -> float:
        """Return the mean; 0 without a value."""
        return self.total / self.count if self.count else 0.0

    @property
    def variance(self) -> float:
        """Return the unbiased variance; 0 below two values."""
        if self.count < 2:
            return 0.0
        return max(0.0, (self.squares - self.total * self.total / self.count) / (self.count - 1))


def interval(
    moments: Moments, *, low: float, high: float, alpha: float = ALPHA, tightest_at: int = TIGHTEST_AT
) -> tuple[float, float]:
    """Return the interval of the mean, cut to the range `low` to `high` of the values; below two values that range.

    The spread is never taken as smaller than that of one further value at the far end of the range: a few equal
    values prove little.
    """
    n = moments.count
    if n < 2:
        return low, high
    half = math.sqrt(cautious_variance(moments, low, high)) * _width(n, alpha, tightest_at)
    return max(low, moments.mean - half), min(high, moments.mean + half)


def _width(n: int, alpha: float, tightest_at: int) -> float:
    """Return the half width in standard deviations of one value."""
    rho2 = (2.0 * math.log(1.0 / alpha) + math.log1p(2.0 * math.log(1.0 / alpha))) / tightest_at
    scaled = n * rho2 + 1.0
    return math.sqrt(2.0 * scaled / (n * n * rho2) * math.log(math.sqrt(scaled) / alpha))


def cautious_variance(moments: Moments, low: float, high: float) -> float:
    """Return the variance with one further value at the far end of the range: a few equal values prove little."""
    far = low if moments.mean - low > high - moments.mean else high
    return Moments(moments.count + 1, moments.total + far, moments.squares + far * far).variance

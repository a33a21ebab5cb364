"""One life so far, as features: its age, and of each metric a quick and a slow average and how far it moved since the
beginning (exponential smoothing; Hunter, "The exponentially weighted moving average", Journal of Quality Technology
1986). Enough rows are kept to learn from it when it is over.
"""

import math
from collections.abc import Mapping

import msgspec

QUICK, SLOW, BEGINNING = 8, 30, 10
"""Over how many rows averages are taken; they begin as plain means."""


class Averages(msgspec.Struct, array_like=True):
    """What a metric was like: how often it was seen, and its averages."""

    count: int = 0
    quick: float = 0.0
    slow: float = 0.0
    beginning: float = 0.0

    def add(self, value: float) -> None:
        """Fold in one more value."""
        self.count += 1
        self.quick += (value - self.quick) / min(self.count, QUICK)
        self.slow += (value - self.slow) / min(self.count, SLOW)
        if self.count <= BEGINNING:
            self.beginning += (value - self.beginning) / self.count


class LifeCourse(msgspec.Struct, array_like=True):
    """`ages` and `rows` (float64, as bytes) are those kept, `limit` at most: all of the latest half, fewer before."""

    limit: int
    metric_limit: int
    averages: dict[str, Averages] = {}
    ages: list[float] = []
    rows: list[bytes] = []

    def see(self, values: Mapping[str, float], age: float) -> dict[str, float]:
        """Fold in one row of metrics; return the features. Metrics beyond the limit, and what is not finite, are left
        out.
        """
        for name in sorted(values):
            known = self.averages.get(name)
            if known is None and len(self.averages) < self.metric_limit:
                known = self.averages[name] = Averages()
            if known is not None and math.isfinite(values[name]):
                known.add(values[name])
        features = {"age": age}
        for name, one in self.averages.items():
            if one.count:
                features |= {
                    f"{name}:quick": one.quick,
                    f"{name}:slow": one.slow,
                    f"{name}:moved": one.quick - one.beginning,
                }
        return features

    def keep(self, age: float, row: bytes) -> None:
        """Keep a row; where there are too many, every other one of the older half goes."""
        self.ages.append(age)
        self.rows.append(row)
        if len(self.rows) > self.limit:
            half = self.limit // 2
            self.ages[:half] = self.ages[:half:2]
            self.rows[:half] = self.rows[:half:2]

"""What was done about an entity lately, as features: an action that was taken just now may not help again."""

from collections import OrderedDict
from math import exp2, tanh

from streams.loop.remembering import forget_oldest

HOUR_US = 3_600_000_000
HALF_US = 600_000_000
"""Time after which the last action counts half as recent."""
KEPT = 8
"""Actions of an entity that are counted: the latest."""
MANY = 4.0
"""Actions in an hour that count as many."""


class RecentActions:
    """When actions were let through, the latest of each of at most `limit` entities, whoever proposed them."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._times: OrderedDict[str, dict[str, int]] = OrderedDict()

    def note(self, entity: str, action: str, time_us: int) -> None:
        """Take it that an action, by its id, was let through; one that is told again counts once."""
        known = {action: time_us} | self._times.get(entity, {})
        latest = sorted(known.items(), key=lambda pair: (pair[1], pair[0]))[-KEPT:]
        self._times[entity] = {name: us for name, us in latest if latest[-1][1] - us < HOUR_US}
        self._times.move_to_end(entity)
        forget_oldest(self._times, self._limit)

    def features(self, entity: str, now_us: int) -> dict[str, float]:
        """Return how many there were in the last hour, and how recent the last one is: in [0, 1], 0 without any."""
        times = self._times.get(entity)
        if not times:
            return {"acted": 0.0, "acted:just": 0.0}
        ages_us = [max(0, now_us - time_us) for time_us in times.values()]
        lately = sum(age_us < HOUR_US for age_us in ages_us)
        return {"acted": tanh(lately / MANY), "acted:just": exp2(-min(ages_us) / HALF_US)}

    def columns(self) -> list[tuple[str, dict[str, int]]]:
        """Return the whole state."""
        return list(self._times.items())

    def restore(self, columns: list[tuple[str, dict[str, int]]]) -> None:
        """Replace the state by what `columns` returned."""
        self._times = OrderedDict(columns)

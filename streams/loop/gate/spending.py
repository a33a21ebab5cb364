"""What actions cost within a day, exactly: the sum over every interval of that length stays within a budget."""

import msgspec

DAY_US = 86_400_000_000
NANO = 1_000_000_000
"""Costs are kept in billionths of a unit of reward: whole numbers add up to the same sum in any order."""


class Spent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one action cost, in billionths, and when it was let through."""

    time_us: int
    nano: int


class Spending:
    """The costs of the last day, at most `entries`; while there are that many nothing more may be spent."""

    def __init__(self, *, budget: float, entries: int) -> None:
        self._budget = round(budget * NANO)
        self._entries = entries
        self.spent: list[Spent] = []
        self._sum = 0

    def adopt(self, spent: list[Spent]) -> None:
        """Replace all that was spent."""
        self.spent = spent
        self._sum = sum(one.nano for one in spent)

    def add(self, now_us: int, cost: float) -> None:
        """Spend. Time does not run backwards: an earlier `now_us` counts as the last one."""
        self._drop(now_us)
        nano = round(cost * NANO)
        if self.spent and self.spent[-1].time_us > now_us:
            now_us = self.spent[-1].time_us
        self.spent.append(Spent(now_us, nano))
        self._sum += nano

    def standing(self, now_us: int, cost: float) -> tuple[float, int | None]:
        """Return what was spent within the last day, in units of reward, and from when on so much more may be.

        That is `now_us`, later, or None where no waiting helps.
        """
        self._drop(now_us)
        nano = round(cost * NANO)
        if self._sum + nano <= self._budget and len(self.spent) < self._entries:
            return self._sum / NANO, now_us
        return self._sum / NANO, self._possible_from(now_us, nano)

    def _possible_from(self, now_us: int, nano: int) -> int | None:
        if nano > self._budget:
            return None
        left, number, until_us = self._sum, len(self.spent), now_us
        for one in self.spent:
            if left + nano <= self._budget and number < self._entries:
                break
            left, number, until_us = left - one.nano, number - 1, one.time_us + DAY_US
        return until_us

    def _drop(self, now_us: int) -> None:
        if not self.spent or self.spent[0].time_us > now_us - DAY_US:
            return
        old = next((place for place, one in enumerate(self.spent) if one.time_us > now_us - DAY_US), len(self.spent))
        self._sum -= sum(one.nano for one in self.spent[:old])
        del self.spent[:old]

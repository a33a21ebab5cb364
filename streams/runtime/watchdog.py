"""The watchdog: a process that has work and does not move is ended, so that another may take over."""

import time
from collections.abc import Callable, Iterable

from streams.runtime.partition import PartitionOwner


class Watchdog:
    """Looks from outside, at the journal: `stuck` returns what hangs, if anything does.

    `behind` returns how many records the broker holds for a partition that were not fetched yet.
    """

    def __init__(
        self, *, limit_s: float, behind: Callable[[int], int], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit_s = limit_s
        self._behind = behind
        self._now_s = now_s
        self._seen: dict[int, tuple[int, float]] = {}

    def slow(self, owners: Iterable[PartitionOwner]) -> str | None:
        """Return one line about the first partition whose step has taken more than half of what is allowed."""
        now = self._now_s()
        for owner in owners:
            if owner.paused is None and now - owner.moved_at > self._limit_s / 2:
                return f"partition {owner.partition}: a step has taken more than {self._limit_s / 2:.0f} s"
        return None

    def stuck(self, owners: Iterable[PartitionOwner]) -> str | None:
        """Return one line about the first partition that hangs."""
        now = self._now_s()
        for owner in owners:
            if owner.paused is not None:
                self._seen.pop(owner.partition, None)
                continue
            if now - owner.moved_at > self._limit_s:
                return f"partition {owner.partition}: a step has taken more than {self._limit_s:.0f} s"
            waiting = owner.inbox.records() + self._behind(owner.partition)
            step, since = self._seen.get(owner.partition, (-1, now))
            if step != owner.step or not waiting:
                self._seen[owner.partition] = (owner.step, now)
            elif now - since > self._limit_s:
                return f"partition {owner.partition}: {waiting} records wait and the journal stands at step {step}"
        return None

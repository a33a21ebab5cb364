"""When what the gate blocks leaves an action to choose again."""

from collections.abc import Mapping, Sequence

from schemas.events import Recurrence

NEVER_US = 1 << 62
"""A time that nobody knows yet."""
AGAIN_US = 1_000_000
"""What a pause denied is proposed again after so long at the earliest: by then it was heard what is paused."""
AGAIN_UNTOLD_US = 30_000_000
"""The same of what was denied by a check whose end nobody tells."""


class Openings:
    """From when on episodes have an action to choose, as scopes are blocked now (scope to time; 0: not known)."""

    def __init__(self, blocked: Mapping[str, int], *, actions: Sequence[str]) -> None:
        self._blocked = blocked
        first_us = min((self._until(f"action:{name}") for name in actions), default=0)
        self.earliest_us = max(self._until("loop"), first_us)
        """No episode has one before."""

    def opens_us(self, recurrence: Recurrence) -> int:
        """Return the time for one episode: 0 where nothing is in its way, `NEVER_US` where nobody knows."""
        return max(
            self.earliest_us, self._until(f"entity:{recurrence.entity}"), self._until(f"pattern:{recurrence.pattern}")
        )

    def _until(self, scope: str) -> int:
        until_us = self._blocked.get(scope)
        if until_us is None:
            return 0
        return until_us or NEVER_US

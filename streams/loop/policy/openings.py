"""When what the gate blocks leaves an action to choose again."""

from collections.abc import Iterable, Mapping, Sequence

from streams.loop.policy.held_back import HeldBack
from streams.loop.policy.state import Waiting

NEVER_US = 1 << 62
"""A time that nobody knows yet."""
AGAIN_US = 1_000_000
"""What a pause denied is proposed again after so long at the earliest: by then it was heard what is paused."""
AGAIN_UNTOLD_US = 30_000_000
"""The same of what was denied by a check whose end nobody tells."""


class Openings:
    """From when on episodes have an action to choose, as scopes are blocked now (scope to time; 0: not known)."""

    def __init__(self, blocked: Mapping[str, int], *, actions: Sequence[str], held_back: HeldBack) -> None:
        self._blocked = blocked
        self._actions = actions
        self._held_back = held_back
        self._any_us = self.first_us(actions) if actions else 0
        self._is_masked = any(f"action:{name}" in blocked for name in actions)
        self.earliest_us = max(self._until("loop"), self._any_us)
        """No episode has one before."""

    def opens_us(self, waiting: Waiting) -> int:
        """Return the time for one episode: 0 where nothing is in its way, `NEVER_US` where nobody knows.

        It has one with the first action that may run: that its pattern's level does not keep back, and that was not
        refused in it. Of which arm it is does not matter: all begin alike. Where nobody knows when any of those is
        free, it has one with the first of all, as where there are none: they are proposed to be shown.
        """
        recurrence = waiting.recurrence
        return max(
            self.earliest_us,
            self._runs_us(waiting),
            self._until(f"entity:{recurrence.entity}"),
            self._until(f"pattern:{recurrence.pattern}"),
        )

    def first_us(self, actions: Iterable[str]) -> int:
        """Return when limits leave the first of these actions, `NEVER_US` where nobody knows, or there is none."""
        return min((self._until(f"action:{name}") for name in actions), default=NEVER_US)

    def _runs_us(self, waiting: Waiting) -> int:
        gone = (*self._held_back.of(waiting.recurrence.pattern), *waiting.refused)
        if not self._is_masked or not gone:
            return self._any_us
        first_us = self.first_us(name for name in self._actions if name not in gone)
        return self._any_us if first_us == NEVER_US else first_us

    def _until(self, scope: str) -> int:
        until_us = self._blocked.get(scope)
        if until_us is None:
            return 0
        return until_us or NEVER_US

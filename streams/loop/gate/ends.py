"""How the runs of actions ended, and whether so many ended badly that an action has to stop."""

from streams.loop.gate.settings import GateSettings
from streams.loop.gate.state import End

KEPT = 1_000
"""Ends per action at most; of more within the window the latest count."""
_EVER, _NEVER = -1, 1 << 62


class Ends:
    """The ends of each action in order of time. Those older than `failed_window` go when the next one comes; until then
    they are passed over, so that asking changes nothing.
    """

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self.of: dict[str, list[End]] = {}
        self.turned: set[str] = set()
        self._passed: dict[str, tuple[int, int]] = {}
        """Of each action: how many of the oldest are passed over, and how many of the others were bad."""
        self._due_us = _EVER
        """Before this time no end that counts is too old."""

    def adopt(self, ends: dict[str, list[End]]) -> None:
        """Replace all ends."""
        self.of, self._due_us = ends, _EVER
        self._passed = {action: (0, sum(end.bad for end in known)) for action, known in ends.items()}

    def add(self, action: str, now_us: int, *, bad: bool) -> bool:
        """Note an end; return whether the action fails too often now."""
        known, passed, were_bad = self._recent(action, now_us)
        known = [*known[passed:], End(now_us, bad)]
        were_bad += bad
        if len(known) > KEPT:
            were_bad -= known[0].bad
            del known[0]
        self.of[action] = known
        self._passed[action] = (0, were_bad)
        self._due_us = min(self._due_us, known[0].time_us + self._settings.failed_window_us)
        return self._failing(len(known), were_bad)

    def pass_over(self, now_us: int) -> None:
        """Pass over all ends that are too old; of whom there were any, is then in `turned` until that is cleared."""
        if now_us < self._due_us:
            return
        self._due_us = _NEVER
        for action in self.of:
            known, passed, _ = self._recent(action, now_us)
            if passed < len(known):
                self._due_us = min(self._due_us, known[passed].time_us + self._settings.failed_window_us)

    def forget(self, action: str) -> None:
        """Forget how an action ended: a person re-armed it."""
        self.of.pop(action, None)
        self._passed.pop(action, None)

    def standing(self, action: str, now_us: int) -> tuple[int, int, int | None]:
        """Return how many runs of an action ended badly, and how many ended, within the window; and when the share of
        bad ones is low enough again if nothing else ends, or None when it is now.
        """
        known, passed, were_bad = self._recent(action, now_us)
        ended = len(known) - passed
        until_us, left, left_bad = None, ended, were_bad
        while self._failing(left, left_bad):
            oldest = known[-left]
            until_us = oldest.time_us + self._settings.failed_window_us
            left, left_bad = left - 1, left_bad - oldest.bad
        return were_bad, ended, until_us

    def failing_until(self, action: str, now_us: int) -> int | None:
        """Return when the share of bad ends is low enough again if nothing else ends, or None when it is now."""
        return self.standing(action, now_us)[2]

    def _recent(self, action: str, now_us: int) -> tuple[list[End], int, int]:
        """Return the ends of an action, how many of them are too old, and how many of the others were bad."""
        known = self.of.get(action)
        if known is None:
            return [], 0, 0
        passed, were_bad = self._passed[action]
        oldest_us = now_us - self._settings.failed_window_us
        if passed < len(known) and known[passed].time_us <= oldest_us:
            while passed < len(known) and known[passed].time_us <= oldest_us:
                were_bad -= known[passed].bad
                passed += 1
            self._passed[action] = (passed, were_bad)
            self.turned.add(action)
        return known, passed, were_bad

    def _failing(self, ended: int, bad: int) -> bool:
        return ended >= self._settings.failed_least and bad > self._settings.failed_share * ended

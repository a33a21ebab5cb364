"""How the runs of actions ended, and whether so many ended badly that an action has to stop."""

from streams.loop.gate.settings import GateSettings
from streams.loop.gate.state import End

KEPT = 1_000
"""Ends per action at most; of more within the window the latest count."""


class Ends:
    """The ends of each action within `failed_window`, in order of time; older ones are dropped as time goes on."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self.of: dict[str, list[End]] = {}
        self._bad: dict[str, int] = {}

    def adopt(self, ends: dict[str, list[End]]) -> None:
        """Replace all ends."""
        self.of = ends
        self._bad = {action: sum(end.bad for end in known) for action, known in ends.items()}

    def add(self, action: str, now_us: int, *, bad: bool) -> bool:
        """Note an end; return whether the action fails too often now."""
        known = self._recent(action, now_us)
        known.append(End(now_us, bad))
        self.of[action] = known
        self._bad[action] = self._bad.get(action, 0) + bad
        surplus = len(known) - KEPT
        if surplus > 0:
            self._drop(action, surplus)
        return self._failing(len(known), self._bad[action])

    def forget(self, action: str) -> None:
        """Forget how an action ended: a person re-armed it."""
        self.of.pop(action, None)
        self._bad.pop(action, None)

    def bad(self, action: str, now_us: int) -> tuple[int, int]:
        """Return how many runs of an action ended badly, and how many ended, within the window."""
        known = self._recent(action, now_us)
        return self._bad.get(action, 0), len(known)

    def failing_until(self, action: str, now_us: int) -> int | None:
        """Return when the share of bad ends is low enough again if nothing else ends, or None when it is now."""
        known = self._recent(action, now_us)
        bad = self._bad.get(action, 0)
        until_us = None
        for place, end in enumerate(known):
            if not self._failing(len(known) - place, bad):
                break
            until_us = end.time_us + self._settings.failed_window_us
            bad -= end.bad
        return until_us

    def _recent(self, action: str, now_us: int) -> list[End]:
        known = self.of.get(action)
        if known is None:
            return []
        oldest_us = now_us - self._settings.failed_window_us
        if not known or known[0].time_us > oldest_us:
            return known
        old = next((place for place, end in enumerate(known) if end.time_us > oldest_us), len(known))
        self._drop(action, old)
        return known

    def _drop(self, action: str, number: int) -> None:
        """Drop the oldest ends of an action."""
        known = self.of[action]
        self._bad[action] -= sum(end.bad for end in known[:number])
        del known[:number]

    def _failing(self, ended: int, bad: int) -> bool:
        return ended >= self._settings.failed_least and bad > self._settings.failed_share * ended

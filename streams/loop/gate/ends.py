"""How the runs of actions ended, and whether so many ended badly that an action has to stop."""

import msgspec

from streams.loop.durations import format_duration
from streams.loop.gate.settings import GateSettings
from streams.loop.gate.state import End

KEPT = 1_000
"""Ends per action at most; of more within the window the latest count."""
SECOND_US = 1_000_000
_EVER, _NEVER = -1, 1 << 62


def open_text(since_us: int, now_us: int) -> str:
    """Return for how long, in whole seconds, a breaker has been open that only a person closes."""
    return f"open for {format_duration((now_us - since_us) // SECOND_US * SECOND_US)}, until re-armed"


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How an action stands: how many of its runs ended badly (`bad` of `ended`, within the window), since when it is
    stopped for that (None: it is not), and until when if nothing else ends (0: until it is re-armed).
    """

    bad: int
    ended: int
    since_us: int | None = None
    until_us: int | None = None

    @property
    def stopped(self) -> bool:
        """Whether it may not run."""
        return self.since_us is not None

    def text(self, now_us: int) -> str:
        """Return it in words."""
        ends = f"{self.bad} of {self.ended} ends were failed or unknown"
        if self.since_us is None or self.until_us != 0:
            return ends
        return f"{open_text(self.since_us, now_us)}; {ends}"


class Ends:
    """The ends of each action in order of time. Those older than `failed_window` go when the next one comes; until then
    they are passed over.

    `tripped_us`: the breakers that are open, action to since when; only `forget` closes one, unless `rearm` is `auto`.
    """

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self.of: dict[str, list[End]] = {}
        self.tripped_us: dict[str, int] = {}
        self.turned: set[str] = set()
        self._passed: dict[str, tuple[int, int]] = {}
        """Of each action: how many of the oldest are passed over, and how many of the others were bad."""
        self._due_us = _EVER
        """Before this time no end that counts is too old."""

    def adopt(self, ends: dict[str, list[End]], tripped_us: dict[str, int]) -> None:
        """Replace all ends, and the breakers that are open."""
        self.of, self.tripped_us, self._due_us = ends, tripped_us, _EVER
        self._passed = {action: (0, sum(end.bad for end in known)) for action, known in ends.items()}

    def add(self, action: str, now_us: int, *, bad: bool, instead: End | None = None) -> bool:
        """Note an end, in place of one of the same run that was noted before and was not bad; return whether the action
        fails too often now.
        """
        known, passed, were_bad = self._recent(action, now_us)
        known = known[passed:]
        if instead is not None and instead in known:
            known.remove(instead)
        known.append(End(now_us, bad))
        were_bad += bad
        if len(known) > KEPT:
            were_bad -= known[0].bad
            del known[0]
        self.of[action] = known
        self._passed[action] = (0, were_bad)
        self._due_us = min(self._due_us, known[0].time_us + self._settings.failed_window_us)
        return self._judge(action, len(known), were_bad, now_us)

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
        """Forget how an action ended, and close its breaker: a person re-armed it."""
        self.tripped_us.pop(action, None)
        self.of.pop(action, None)
        self._passed.pop(action, None)

    def standing(self, action: str, now_us: int) -> Standing:
        """Return how an action stands."""
        known, passed, were_bad = self._recent(action, now_us)
        ended = len(known) - passed
        since_us = self.tripped_us.get(action)
        if since_us is None:
            return Standing(were_bad, ended)
        if self._settings.rearm == "signed":
            return Standing(were_bad, ended, since_us, 0)
        return Standing(were_bad, ended, since_us, self._low_from(known[passed:], were_bad))

    def stopped_until(self, action: str, now_us: int) -> int | None:
        """Return until when an action is stopped (0: until it is re-armed), or None when it is not."""
        return self.standing(action, now_us).until_us

    def _low_from(self, recent: list[End], bad: int) -> int | None:
        """Return when the share of bad ones is low enough if nothing else ends, or None when it is now."""
        until_us, left = None, len(recent)
        while self._failing(left, bad):
            oldest = recent[-left]
            until_us = oldest.time_us + self._settings.failed_window_us
            left, bad = left - 1, bad - oldest.bad
        return until_us

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
        self._judge(action, len(known) - passed, were_bad, now_us)
        return known, passed, were_bad

    def _judge(self, action: str, ended: int, bad: int, now_us: int) -> bool:
        """Open the breaker of an action that fails too often now, and return whether it does."""
        failing = self._failing(ended, bad)
        if failing:
            self.tripped_us.setdefault(action, now_us)
        elif self._settings.rearm == "auto":
            self.tripped_us.pop(action, None)
        return failing

    def _failing(self, ended: int, bad: int) -> bool:
        return ended >= self._settings.failed_least and bad > self._settings.failed_share * ended

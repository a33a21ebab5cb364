"""What the gate keeps back of a pattern at its level: what of that the policy remembers."""

from collections import OrderedDict
from collections.abc import Iterable

from schemas.events import Verdict
from streams.loop.remembering import forget_oldest

Columns = list[tuple[str, tuple[str, ...]]]
"""Patterns with the actions that are held back, by name."""


class HeldBack:
    """The actions that stand below `approve`, as the gate last said of each of at most `limit` patterns.

    That they do is said of them all when one was only shown, and again at every decision that left one out: so what is
    raised is known from the next decision of the pattern on, and where none was left out, as all were held back, from
    the next that is only shown.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._of: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def of(self, pattern: str) -> tuple[str, ...]:
        """Return the actions that are held back, as far as is known."""
        return self._of.get(pattern, ())

    def hear(self, verdict: Verdict) -> None:
        """Take over what a verdict says of the pattern of its proposal."""
        if verdict.says_held_back:
            self._put(verdict.proposal.pattern, verdict.held_back)

    def merge(self, pattern: str, into: str) -> None:
        """Let what is held back of a pattern be so of the one that took it in: the lower level of both holds."""
        if pattern in self._of:
            self._put(into, tuple(sorted({*self._of.pop(pattern), *self.of(into)})))

    def columns(self) -> Columns:
        """Return the whole state, the one told last at the end."""
        return list(self._of.items())

    def restore(self, columns: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        """Replace the state by what `columns` returned."""
        self._of = OrderedDict(columns)

    def _put(self, pattern: str, actions: tuple[str, ...]) -> None:
        self._of.pop(pattern, None)
        if actions:
            self._of[pattern] = actions
            forget_oldest(self._of, self._limit)

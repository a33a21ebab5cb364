"""What executors said of each action, so that who says otherwise is noticed."""

from collections import OrderedDict
from collections.abc import Iterable

from schemas.events import Outcome
from streams.loop.remembering import forget_oldest

Said = tuple[str, str]
"""A state and the executor that said so."""


class Ends:
    """The first end of each action, or, before there is one, its first claim; of the latest `limit` actions."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._said: OrderedDict[str, Said] = OrderedDict()

    def note(self, outcome: Outcome) -> dict[str, str]:
        """Take an outcome in; return, as a fact, what was said before where an end contradicts that: another end, or a
        claim by another executor. The first end counts all the same; of claims the first one does, so that is no
        contradiction. Nor is it one that an executor refuses what another does.
        """
        said, known = (outcome.state, outcome.executor), self._said.get(outcome.action)
        if known is not None and known[1] != outcome.executor and "refused" in (known[0], outcome.state):
            known = None if known[0] == "refused" else said
        if known is None or known == ("claimed", outcome.executor):
            self._said[outcome.action] = said
            forget_oldest(self._said, self._limit)
            return {}
        if outcome.state == "claimed" or known == said:
            return {}
        return {"contradicts": f"{known[0]} by {known[1]}"}

    def columns(self) -> list[tuple[str, Said]]:
        """Return the whole state."""
        return list(self._said.items())

    def restore(self, said: Iterable[tuple[str, Said]]) -> None:
        """Replace the state by what `columns` returned."""
        self._said = OrderedDict(said)

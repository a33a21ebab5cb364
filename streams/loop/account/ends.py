"""What executors said of each action, so that who says otherwise is noticed."""

import sys
from collections import OrderedDict
from collections.abc import Iterable

from schemas.events import Outcome
from streams.loop.remembering import forget_oldest

Said = tuple[str, str]
"""A state and the executor that said so."""


class Ends:
    """The first end of each action in each group, or, before there is one, its first claim; of the latest `limit`."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._said: OrderedDict[str, Said] = OrderedDict()

    def note(self, outcome: Outcome) -> dict[str, str]:
        """Take an outcome in; return, as a fact, what its group said before where an end contradicts that: another end,
        or a claim by another executor. The first end counts all the same; of claims the first one does, so that is no
        contradiction. Nor is it one that an executor refuses what another does, or that each group runs it once.
        """
        key = f"{outcome.action}/{outcome.group}"
        said, known = (outcome.state, outcome.executor), self._said.get(key)
        if known is not None and known[1] != outcome.executor and "refused" in (known[0], outcome.state):
            known = None if known[0] == "refused" else said
        if known is None or known == ("claimed", outcome.executor):
            self._said[key] = said
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


def contradicted(outcomes: Iterable[Outcome]) -> set[str]:
    """Return the actions of which an end contradicts what was said before."""
    ends = Ends(limit=sys.maxsize)
    return {outcome.action for outcome in outcomes if ends.note(outcome)}

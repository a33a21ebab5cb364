"""Proposals to do nothing that were let through, until it is known what came of them."""

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from schemas.events import Experience, Proposal
from streams.loop.gate.runs import arm_of, chose_to_ask, chosen_by_loop


class LeftAlone(msgspec.Struct, array_like=True, gc=False):
    """What levels need of one of them: `chosen` is what the loop's own arm chose for its episode (`chosen_by_loop`).

    `defaulted` is whether a default was told of it, which a late outcome may still correct; `asked`: that choice was to
    ask about it.
    """

    pattern: str
    entity: str
    arm: str
    chosen: str
    defaulted: bool = False
    asked: bool = False


class LeftAlones:
    """The latest by proposal, `limit` at most: each counts once, and once more where the outcome comes after its
    default.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: OrderedDict[str, LeftAlone] = OrderedDict()

    def adopt(self, waiting: Iterable[tuple[str, LeftAlone]]) -> None:
        """Replace all."""
        self._waiting = OrderedDict(waiting)

    def state(self) -> list[tuple[str, LeftAlone]]:
        """Return all, the oldest first."""
        return list(self._waiting.items())

    def begin(self, proposal: Proposal) -> LeftAlone | None:
        """Note one; return one that is given up for it."""
        one = LeftAlone(
            proposal.pattern,
            proposal.entity,
            arm_of(proposal),
            chosen_by_loop(proposal),
            asked=chose_to_ask(proposal),
        )
        self._waiting[proposal.id] = one
        return None if len(self._waiting) <= self._limit else self._waiting.popitem(last=False)[1]

    def of(self, experience: Experience) -> LeftAlone | None:
        """Return the one that an experience is about; the last time, unless what it tells is a default."""
        one = self._waiting.get(experience.proposal)
        if one is None or (one.defaulted and experience.state == "defaulted"):
            return None
        if experience.state == "defaulted":
            one.defaulted = True
        else:
            del self._waiting[experience.proposal]
        return one

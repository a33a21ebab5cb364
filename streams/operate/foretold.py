"""How well the early signal of a run foretold its outcomes."""

from collections.abc import Sequence

import msgspec

from schemas.events import Experience
from streams.learners.early_signal import EarlySignal

KNOWN = ("observed", "late")
"""States of an experience that tell what was measured after an action that ended."""


class EarlyLine(msgspec.Struct, frozen=True, kw_only=True):
    """Of how many decisions something was told before their outcome; and the share of the squared deviations of
    outcomes that their signals had `explained` when they came, over `pairs` of both (since the relation last drifted).
    """

    told: int
    explained: float
    pairs: int


def early_line(experiences: Sequence[Experience]) -> EarlyLine | None:
    """Return the validity of the signals of a run, learned again from its experiences; None where none was read."""
    signal = EarlySignal()
    told = read = 0
    for one in experiences:
        told += not one.is_outcome
        if one.signal is not None and one.reward is not None and one.is_outcome:
            read += 1
            if one.state in KNOWN and one.outcome != "refused":
                signal.learn(one.signal, one.reward + one.cost)
    validity = signal.validity
    return EarlyLine(told=told, explained=validity.explained, pairs=validity.pairs) if told or read else None

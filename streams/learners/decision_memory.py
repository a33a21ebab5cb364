"""What decisions rested on, kept until their outcomes are known and as long as they may be corrected."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


class Decision(msgspec.Struct):
    """`clock` and `pattern_clock` count decisions; `row` are the features as they were scaled then, `expected` what
    each model said of each action by the features alone and, on a pattern, with its offset: shape (actions, models) of
    each. `action` is what was learned about, None before, and `excess` the reward above its prior of the day.
    """

    pattern: str | None
    clock: int
    pattern_clock: int
    row: Vector
    expected: tuple[Vector, ...]
    action: str | None = None
    excess: float = 0.0


class Remembered(msgspec.Struct, array_like=True):
    """A decision in a snapshot."""

    key: str
    pattern: str | None
    clock: int
    pattern_clock: int
    row: bytes
    expected: bytes
    action: str | None
    excess: float


class DecisionMemory:
    """The latest `limit` decisions by key."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._decisions: OrderedDict[str, Decision] = OrderedDict()

    def add(self, key: str, decision: Decision) -> None:
        """Remember a decision, and forget the oldest ones beyond the limit; one of the same key is replaced."""
        self._decisions[key] = decision
        while len(self._decisions) > self._limit:
            self._decisions.popitem(last=False)

    def get(self, key: str) -> Decision | None:
        """Return a decision, None of one that is not remembered."""
        return self._decisions.get(key)

    def forget_action(self, action: str, slot: int) -> None:
        """Forget what was learned about an action whose place is given to another, and what was expected of it."""
        for key, decision in list(self._decisions.items()):
            if decision.action == action:
                del self._decisions[key]
                continue
            for said in decision.expected:
                if slot < len(said):
                    said[slot] = 0.0

    def forget_patterns(self, patterns: Sequence[str]) -> None:
        """Forget the decisions on patterns that are themselves forgotten."""
        if not patterns:
            return
        for key in [key for key, decision in self._decisions.items() if decision.pattern in patterns]:
            del self._decisions[key]

    def columns(self) -> list[Remembered]:
        """Return the whole state, the oldest first."""
        return [
            Remembered(
                key=key,
                pattern=one.pattern,
                clock=one.clock,
                pattern_clock=one.pattern_clock,
                row=one.row.tobytes(),
                expected=b"".join(said.tobytes() for said in one.expected),
                action=one.action,
                excess=one.excess,
            )
            for key, one in self._decisions.items()
        ]

    def restore(self, remembered: Sequence[Remembered], *, models: int) -> None:
        """Replace the state by what `columns` returned."""
        self._decisions = OrderedDict(
            (
                one.key,
                Decision(
                    pattern=one.pattern,
                    clock=one.clock,
                    pattern_clock=one.pattern_clock,
                    row=np.frombuffer(one.row).copy(),
                    expected=tuple(
                        np.frombuffer(one.expected).reshape(1 if one.pattern is None else 2, -1, models).copy()
                    ),
                    action=one.action,
                    excess=one.excess,
                ),
            )
            for one in remembered
        )

"""Which entity's trouble tends to come before which other's: a graph of calls learned where none is declared."""

import math
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence

import msgspec

SUPPORT = 3
"""Times that one must have come before the other."""
ERROR_RATE = 0.01
"""The probability that any pair is told although its order is chance."""


class _State(msgspec.Struct, array_like=True):
    window_us: int
    recent: list[tuple[str, int]]
    onsets: list[tuple[str, int]]
    pairs: list[tuple[str, str, int]]
    first_us: int | None
    last_us: int


class OnsetOrder:
    """Counts, for pairs of entities, how often one became abnormal within `window_us` before the other.

    What chance alone would bring, and what came the other way round, is taken off. The entities, and the pairs, that
    were seen last are kept, `limit` and 4 `limit` of them.
    """

    def __init__(self, *, window_us: int, limit: int) -> None:
        self._window_us = window_us
        self._limit = limit
        self._recent: deque[tuple[str, int]] = deque(maxlen=64)
        self._onsets: OrderedDict[str, int] = OrderedDict()
        self._pairs: OrderedDict[tuple[str, str], int] = OrderedDict()
        """(first, second) to how often."""
        self._first_us: int | None = None
        self._last_us = 0

    def watch(self, time_us: int) -> None:
        """Note that entities were watched at this (loop) time, whether or not any became abnormal."""
        self._first_us = time_us if self._first_us is None else min(self._first_us, time_us)
        self._last_us = max(self._last_us, time_us)

    def learn(self, entity: str, opened_us: int) -> None:
        """Learn that an entity became abnormal, at which event time."""
        for other, other_us in self._recent:
            if other != entity and 0 < abs(opened_us - other_us) <= self._window_us:
                self._count((other, entity) if other_us < opened_us else (entity, other))
        self._recent.append((entity, opened_us))
        self._onsets[entity] = self._onsets.pop(entity, 0) + 1
        if len(self._onsets) > self._limit:
            self._onsets.popitem(last=False)

    def among(self, entities: Sequence[str]) -> Iterator[tuple[tuple[int, int], float]]:
        """Yield (row of the caller, row of the callee) and a trust above 0, at most 1, for each pair that has any: the
        share of the caller's troubles that seem to come from the callee's.
        """
        often, onsets, windows = self._pairs, self._onsets, self._windows()
        for row, caller in enumerate(entities):
            for column, callee in enumerate(entities):
                before = often.get((callee, caller), 0)
                if before < SUPPORT:
                    continue
                own = max(onsets.get(caller, 0), before)
                chance = min(onsets.get(callee, 0) / windows, 1.0) * own
                caused = before - often.get((caller, callee), 0) - chance
                if caused > 0:
                    yield (row, column), min(caused / own, 1.0)

    def is_ordered(self, one: str, other: str) -> bool:
        """Return whether one of two comes first more often than a fair coin would have it: chance knows no order.

        A bet of uniform odds against the coin must gain so much that no pair at all is told in error, however often one
        looks, with a probability of 1 - `ERROR_RATE` (Ville 1939; Bonferroni over all pairs).
        """
        forwards, backwards = self._pairs.get((one, other), 0), self._pairs.get((other, one), 0)
        both = forwards + backwards
        gain = both * math.log(2.0) + math.lgamma(forwards + 1) + math.lgamma(backwards + 1) - math.lgamma(both + 2)
        known = max(len(self._onsets), 2)
        return gain >= math.log(known * (known - 1) / 2) - math.log(ERROR_RATE)

    def snapshot(self) -> bytes:
        """Return all counts; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _State(
                window_us=self._window_us,
                recent=list(self._recent),
                onsets=list(self._onsets.items()),
                pairs=[(first, second, count) for (first, second), count in self._pairs.items()],
                first_us=self._first_us,
                last_us=self._last_us,
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace all counts by those that `snapshot` returned; those of pairs within another window are left out."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._recent = deque(state.recent, maxlen=self._recent.maxlen)
        self._onsets = OrderedDict(state.onsets)
        self._pairs = OrderedDict(
            ((first, second), count) for first, second, count in state.pairs if state.window_us == self._window_us
        )
        self._first_us, self._last_us = state.first_us, state.last_us

    def _windows(self) -> float:
        """Return how many windows long entities were watched, at least 1."""
        return max((self._last_us - (self._first_us or 0)) / self._window_us, 1.0)

    def _count(self, pair: tuple[str, str]) -> None:
        self._pairs[pair] = self._pairs.pop(pair, 0) + 1
        if len(self._pairs) > 4 * self._limit:
            self._pairs.popitem(last=False)

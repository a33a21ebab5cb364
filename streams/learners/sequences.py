"""Ordered pairs of events that follow one another more often than chance would have it."""

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

ERROR_RATE = 0.01
"""The probability that any pair is told although its second event is independent of the first."""
ORDER_ERROR_RATE = 0.05
"""The probability that a pair of no order is told as one that has."""
TIMES = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""How many times as often as by chance the second may follow: the bets, of equal stakes."""
ORDERED_SHARES = (0.75, 0.9)
"""The share of one order among both: the bets, of equal stakes."""

Relation = Literal["same", "other"]
Pair = tuple[str, str, Relation]
"""First item, second item, and whether on the same entity or on another of the group."""


class Occurrence(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to one entity."""

    item: str
    entity: str
    group: str
    time_us: int


class Follows(msgspec.Struct, array_like=True):
    """How often the second followed the first within each of the horizons, and how often it would by chance.

    `used_us` is the time of the first that counted last: each counts once.
    """

    hits: list[int]
    expected: list[float]
    lag_us: list[int]
    used_us: int = -(2**62)


class _Item(msgspec.Struct, array_like=True):
    """The occurrences of one item in one scope; `other_us` is the last one on an entity other than `entity`."""

    count: int
    entity: str
    last_us: int
    other_us: int | None = None


class _Scope(msgspec.Struct, array_like=True):
    since_us: int
    items: dict[str, _Item]


class _State(msgspec.Struct, array_like=True):
    horizons: tuple[int, ...]
    scopes: list[tuple[str, _Scope]]
    pairs: list[tuple[Pair, Follows]]
    looked_at: int


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A pair that recurs above chance: within which horizon, how often, by chance how often, and after how long."""

    pair: Pair
    within_us: int
    hits: int
    expected: float
    lag_us: int
    evidence: float
    """Natural logarithm of what betting against chance has won, less that of what the pairs looked at cost."""


class Sequences:
    """Counts, whenever something happens, what happened before it on the same entity and on others of its group.

    Were the two independent, the first would lie within `horizon` before the second with a probability of at most
    count / age * horizon (of the entity's, or the group's, past); the sum of these is what chance expects. Against it
    runs a bet of fixed odds, whose gain exceeds 1 / `ERROR_RATE` with that probability at most, however often one looks
    (Ville 1939; Shafer 2021); the gain must also pay for each pair and horizon looked at (Bonferroni). What merely
    happens at the same time, as in a storm, follows in both orders: a second bet asks whether one order prevails.
    All is bounded: the longest silent scopes, their longest silent items, and the pairs of least support are forgotten.
    """

    def __init__(
        self, *, within_us: int, scope_limit: int = 2_000, item_limit: int = 64, pair_limit: int = 4_096
    ) -> None:
        self._horizons = (within_us // 16, within_us // 4, within_us)
        self._scope_limit = scope_limit
        self._item_limit = item_limit
        self._pair_limit = pair_limit
        self._scopes: OrderedDict[str, _Scope] = OrderedDict()
        self._pairs: dict[Pair, Follows] = {}
        self._looked_at = 0

    def follow(self, happened: Occurrence) -> list[Finding]:
        """Note an occurrence; return the pairs that it completed once more and that recur above chance."""
        counted = [
            pair for relation, scope in self._scopes_of(happened) for pair in self._count(relation, scope, happened)
        ]
        for _, scope in self._scopes_of(happened):
            self._note(scope, happened)
        findings = [finding for pair in counted if (finding := self._finding(pair))]
        self._make_room()
        return findings

    def forget(self, item: str) -> None:
        """Forget an item that will not happen again."""
        for scope in self._scopes.values():
            scope.items.pop(item, None)
        self._pairs = {pair: follows for pair, follows in self._pairs.items() if item not in pair[:2]}

    def snapshot(self) -> bytes:
        """Return all that is known; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _State(self._horizons, list(self._scopes.items()), list(self._pairs.items()), self._looked_at)
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace all that is known by what `snapshot` returned; what was counted within other horizons is left out."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._scopes = OrderedDict(state.scopes)
        self._pairs = dict(state.pairs) if state.horizons == self._horizons else {}
        self._looked_at = state.looked_at

    def _scopes_of(self, happened: Occurrence) -> Iterator[tuple[Relation, _Scope]]:
        for relation, name in (("same", f"entity/{happened.entity}"), ("other", f"group/{happened.group}")):
            scope = self._scopes.setdefault(name, _Scope(happened.time_us, {}))
            self._scopes.move_to_end(name)
            yield relation, scope  # type: ignore[misc]  # a literal of the tuple above

    def _count(self, relation: Relation, scope: _Scope, happened: Occurrence) -> Iterator[Pair]:
        """Count what lies before this in a scope; yield the pairs that it completed."""
        age_us = max(happened.time_us - scope.since_us, 1)
        for name, item in scope.items.items():
            if name == happened.item:
                continue
            pair = (name, happened.item, relation)
            follows = self._pairs.get(pair)
            if follows is None:
                follows = self._pairs[pair] = _no_follows(len(self._horizons))
                self._looked_at += len(self._horizons)
            for place, horizon in enumerate(self._horizons):
                follows.expected[place] += min(item.count * horizon / age_us, 1.0)
            last_us = item.last_us
            if relation == "other" and item.entity == happened.entity:
                last_us = item.other_us if item.other_us is not None else follows.used_us
            if last_us > follows.used_us and 0 < happened.time_us - last_us <= self._horizons[-1]:
                follows.used_us = last_us
                self._hit(follows, happened.time_us - last_us)
                yield pair

    def _hit(self, follows: Follows, lag_us: int) -> None:
        for place, horizon in enumerate(self._horizons):
            if lag_us <= horizon:
                follows.hits[place] += 1
                follows.lag_us[place] += lag_us

    def _note(self, scope: _Scope, happened: Occurrence) -> None:
        item = scope.items.pop(happened.item, None)
        if item is None:
            item = _Item(0, happened.entity, happened.time_us)
        elif item.entity != happened.entity:
            item.other_us, item.entity = item.last_us, happened.entity
        item.count += 1
        item.last_us = max(item.last_us, happened.time_us)
        scope.items[happened.item] = item
        while len(scope.items) > self._item_limit:
            gone = scope.items.pop(next(iter(scope.items)))
            scope.since_us = max(scope.since_us, gone.last_us)  # what may have happened before is not known

    def _make_room(self) -> None:
        while len(self._scopes) > self._scope_limit:
            self._scopes.popitem(last=False)
        if len(self._pairs) > self._pair_limit:
            by_support = sorted(self._pairs.items(), key=lambda item: (-item[1].hits[-1], -item[1].used_us))
            kept = {pair for pair, _ in by_support[: self._pair_limit // 2]}
            self._pairs = {pair: follows for pair, follows in self._pairs.items() if pair in kept}

    def _finding(self, pair: Pair) -> Finding | None:
        """Return what is known of a pair at the horizon of most evidence, if it is enough."""
        first, second, relation = pair
        follows, backwards = self._pairs[pair], self._pairs.get((second, first, relation))
        evidence, place = max((_gain(follows.hits[k], follows.expected[k]), k) for k in range(len(self._horizons)))
        evidence -= math.log(self._looked_at)
        against = backwards.hits[place] if backwards else 0
        if evidence < -math.log(ERROR_RATE) or not _is_ordered(follows.hits[place], against):
            return None
        return Finding(
            pair=pair,
            within_us=self._horizons[place],
            hits=follows.hits[place],
            expected=follows.expected[place],
            lag_us=follows.lag_us[place] // follows.hits[place],
            evidence=evidence,
        )


def _no_follows(horizons: int) -> Follows:
    return Follows(hits=[0] * horizons, expected=[0.0] * horizons, lag_us=[0] * horizons)


def _gain(hits: int, expected: float) -> float:
    """Return the logarithm of the gain of betting that the second follows more often than by chance.

    A bet on `times` wins that much when it does, and costs at most exp((times - 1) p) otherwise, p being its chance.
    """
    return _log_mean([hits * math.log(times) - (times - 1) * expected for times in TIMES])


def _is_ordered(forwards: int, backwards: int) -> bool:
    """Whether the first comes first more often than a fair coin would have it."""
    gains = [forwards * math.log(2 * q) + backwards * math.log(2 * (1 - q)) for q in ORDERED_SHARES]
    return _log_mean(gains) >= -math.log(ORDER_ERROR_RATE)


def _log_mean(logs: Sequence[float]) -> float:
    highest = max(logs)
    return highest + math.log(sum(math.exp(log - highest) for log in logs) / len(logs))

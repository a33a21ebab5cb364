"""Which patterns and event tokens follow one another, under ids of their own."""

from collections import OrderedDict
from typing import Any

import msgspec

from schemas.events import Episode
from streams.learners.sequences import Finding, Occurrence, Pair, Sequences
from streams.learners.signature import EVENT_PREFIX


class _State(msgspec.Struct, array_like=True):
    sequences: bytes
    minted: int
    ids: list[tuple[Pair, str]]


class SequenceBook:
    """Tells a sequence each time that it recurs, and once more when one of its two ends is no pattern any longer."""

    def __init__(self, *, within_us: int, scope_limit: int, pair_limit: int) -> None:
        self._sequences = Sequences(within_us=within_us, scope_limit=scope_limit, pair_limit=pair_limit)
        self._limit = pair_limit
        self._minted = 0
        self._ids: OrderedDict[Pair, str] = OrderedDict()

    def follow(self, episode: Episode, pattern: str) -> list[dict[str, Any]]:
        """Note an episode's tokens and pattern; return the fields of the sequences that it completed."""
        items = [EVENT_PREFIX + token for token in episode.tokens] + [pattern]
        told = []
        for item in items:
            happened = Occurrence(item=item, entity=episode.entity, group=episode.group, time_us=episode.opened_us)
            told += [self._fields(finding) for finding in self._sequences.follow(happened)]
        return told

    def forget(self, pattern: str) -> list[dict[str, Any]]:
        """Forget a pattern; return the fields of the sequences that fade with it."""
        self._sequences.forget(pattern)
        gone = [pair for pair in self._ids if pattern in pair[:2]]
        return [_known(self._ids.pop(pair), pair) | {"status": "faded"} for pair in gone]

    def snapshot(self) -> bytes:
        """Return all that is known; equal states give equal bytes."""
        return msgspec.msgpack.encode(_State(self._sequences.snapshot(), self._minted, list(self._ids.items())))

    def restore(self, snapshot: bytes) -> None:
        """Replace all that is known by what `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._sequences.restore(state.sequences)
        self._minted, self._ids = state.minted, OrderedDict(state.ids)

    def _fields(self, finding: Finding) -> dict[str, Any]:
        return _known(self._id_of(finding.pair), finding.pair) | {
            "status": "recurring",
            "within_us": finding.within_us,
            "lag_us": finding.lag_us,
            "support": finding.hits,
            "expected": finding.expected,
        }

    def _id_of(self, pair: Pair) -> str:
        if pair not in self._ids:
            self._minted += 1
            self._ids[pair] = f"s-{self._minted}"
        self._ids.move_to_end(pair)
        while len(self._ids) > self._limit:
            self._ids.popitem(last=False)
        return self._ids[pair]


def _known(identity: str, pair: Pair) -> dict[str, Any]:
    first, second, relation = pair
    return {"sequence": identity, "first": first, "second": second, "relation": relation}

"""Event tokens that entities said outside of episodes: one that opens soon after holds them."""

from collections.abc import Callable

import msgspec


class Said:
    """The latest tokens of each entity (slot) and the start of the window that held each; `limit` per entity."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._tokens: dict[int, list[tuple[int, str]]] = {}

    def note(self, slot: int, start_us: int, tokens: tuple[str, ...]) -> None:
        """Note what an entity said in a window."""
        said = [*self._tokens.get(slot, ()), *((start_us, token) for token in tokens)]
        self._tokens[slot] = said[-self._limit :]

    def take(self, slot: int, *, since_us: int) -> tuple[str, ...]:
        """Return what an entity said since, each once, in order; and keep nothing of it."""
        said = self._tokens.pop(slot, [])
        return tuple(dict.fromkeys(token for start_us, token in said if start_us >= since_us))

    def forget(self, slot: int) -> None:
        """Give the slot to another entity."""
        self._tokens.pop(slot, None)

    def expire(self, since_us: Callable[[int], int]) -> None:
        """Forget the entities that have said nothing since. Each has a time of its own: one clock that is ahead makes
        nobody else's words old.
        """
        self._tokens = {slot: said for slot, said in self._tokens.items() if said[-1][0] >= since_us(slot)}

    def snapshot(self) -> bytes:
        """Return all tokens; equal states give equal bytes."""
        return msgspec.msgpack.encode(sorted(self._tokens.items()))

    def restore(self, snapshot: bytes) -> None:
        """Replace all tokens by those that `snapshot` returned."""
        self._tokens = dict(msgspec.msgpack.decode(snapshot, type=list[tuple[int, list[tuple[int, str]]]]))

"""Which actions several groups of executors do."""

from collections import OrderedDict
from collections.abc import Collection

import msgspec

from streams.loop.remembering import forget_oldest


class SharingState(msgspec.Struct):
    """By name of an action: the group that was first to claim one, and whether another one did too; and the ids of
    actions that were refused, each with its name.
    """

    first: dict[str, str] = {}
    shared: list[str] = []
    refused: list[tuple[str, str]] = []


class Sharing:
    """Knows an action that more than one group has ever claimed, one or another of its name: what one of them refuses,
    another may still run.
    """

    def __init__(self, names: Collection[str], *, limit: int) -> None:
        """Of `names` alone something is kept, and of `limit` actions that were refused."""
        self._names, self._limit = names, limit
        self._first: dict[str, str] = {}
        self._shared: set[str] = set()
        self._refused: OrderedDict[str, str] = OrderedDict()

    def claimed(self, name: str, group: str) -> None:
        """Note that a group claimed an action."""
        if name in self._names and self._first.setdefault(name, group) != group:
            self._shared.add(name)

    def refused(self, action: str, name: str) -> None:
        """Note an action of which all was told once a group had refused it: another one may claim it yet."""
        self._refused[action] = name
        forget_oldest(self._refused, self._limit)

    def claimed_late(self, action: str, group: str) -> None:
        """Note that a group claimed an action of which all was told."""
        if action in self._refused:
            self.claimed(self._refused[action], group)

    def is_shared(self, name: str) -> bool:
        """Return whether several groups do such actions."""
        return name in self._shared

    def state(self) -> SharingState:
        """Return the whole state."""
        return SharingState(self._first, sorted(self._shared), list(self._refused.items()))

    def restore(self, state: SharingState) -> None:
        """Replace the state by what `state` returned, but for names that are none any more."""
        self._first = {name: group for name, group in state.first.items() if name in self._names}
        self._shared = {name for name in state.shared if name in self._names}
        self._refused = OrderedDict(state.refused)

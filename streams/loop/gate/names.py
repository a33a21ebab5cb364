"""As what patterns count that were merged: limits, pauses and levels are those of the one that took them in."""

from collections import OrderedDict
from collections.abc import Collection, Iterable

import msgspec

from schemas.events import Control


class Names:
    """What each merged pattern counts as, `limit` of them at most: beyond, the one merged longest ago is itself again,
    but never one that people said something of.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._joined: OrderedDict[str, str] = OrderedDict()
        self._scopes: dict[str, tuple[str, ...]] = {}

    def adopt(self, joined: Iterable[tuple[str, str]]) -> None:
        """Replace all."""
        self._joined = OrderedDict(joined)
        self._sort()

    def state(self) -> list[tuple[str, str]]:
        """Return as what merged patterns count, the one merged longest ago first."""
        return list(self._joined.items())

    def of(self, pattern: str) -> str:
        """Return as what a pattern counts."""
        return self._joined.get(pattern, pattern)

    def scopes(self, pattern: str) -> tuple[str, ...]:
        """Return the scopes of what a pattern counts as, by its own name first, then by all that count as it."""
        name = self.of(pattern)
        return self._scopes.get(name) or (f"pattern:{name}",)

    def all_scopes(self) -> list[str]:
        """Return the scopes of all patterns that were merged, and of what took them in."""
        return [scope for scopes in self._scopes.values() for scope in scopes]

    def alike(self, scope: str) -> tuple[str, ...]:
        """Return the scopes that are blocked as one is: all names of a pattern, or that alone."""
        kind, _, name = scope.partition(":")
        return self.scopes(name) if kind == "pattern" and self._joined else (scope,)

    def renamed(self, order: Control) -> Control:
        """Return an order for a level as one for what its pattern counts as."""
        pattern, _, action = order.target.rpartition("/")
        if order.kind != "level" or pattern not in self._joined:
            return order
        return msgspec.structs.replace(order, target=f"{self._joined[pattern]}/{action}")

    def join(self, pattern: str, into: str, kept: Collection[str]) -> bool:
        """Let a pattern count as another one from now on; return False where it does, or where that counts as it.

        `kept` are the patterns that people said something of.
        """
        into = self.of(into)
        if pattern in self._joined or into == pattern:
            return False
        self._joined = OrderedDict((name, into if to == pattern else to) for name, to in self._joined.items())
        self._joined[pattern] = into
        surplus = len(self._joined) - self._limit
        for name in [name for name in self._joined if name not in kept][: max(0, surplus)]:
            del self._joined[name]
        self._sort()
        return True

    def _sort(self) -> None:
        members: dict[str, list[str]] = {}
        for name, to in self._joined.items():
            members.setdefault(to, [f"pattern:{to}"]).append(f"pattern:{name}")
        self._scopes = {to: tuple(scopes) for to, scopes in members.items()}

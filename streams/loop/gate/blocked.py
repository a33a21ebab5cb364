"""What limits block, and until when: told on `verdicts` at every change, so that nobody proposes in vain."""

from collections.abc import Iterable

from streams.loop.asking import ASK_SCOPE
from streams.loop.gate.book import ESCALATING, Book
from streams.loop.gate.maintenance import Maintenance
from streams.loop.gate.names import Names
from streams.loop.gate.orders import is_target, longest_stopped
from streams.loop.gate.places import places
from streams.loop.gate.settings import GateSettings
from streams.loop.gate.state import Orders

_EVER, _NEVER = -1, 1 << 62


class Blocks:
    """Knows what was told (scope to when it is free again; 0: not known), and what has changed since.

    Scopes are `loop`, `action:NAME`, `pattern:ID` (all names of one alike) and `entity:NAME`. Only those that may have
    changed are looked at: what was touched, and what time alone can change: `loop`, and actions of which an end is too
    old to count by now. At one and the same time only what is touched may change. What was told with a time has told
    when it ends.
    """

    def __init__(
        self, settings: GateSettings, *, book: Book, maintenance: Maintenance, actions: Iterable[str], names: Names
    ) -> None:
        self._settings = settings
        self._book = book
        self._maintenance = maintenance
        self._names = names
        self._protected = [f"entity:{entity}" for entity in settings.protected]
        self._actions = frozenset(f"action:{name}" for name in actions)
        self._told: dict[str, int] | None = None
        self.told_open_us: dict[str, int] = {}
        """The breakers that were told to be open, and since when."""
        self._last_us = _EVER
        self._turn_us = self._turned_us = _EVER
        """When the next pause (or permission) with an end turns into its opposite, and up to when all were looked at.
        """

    @property
    def silent(self) -> bool:
        """Return whether nothing was ever told, as far as is known: the first changes are all that is blocked."""
        return self._told is None

    def told(self) -> dict[str, int] | None:
        """Return what was told and still holds, in order of scope; None before anything was."""
        if self._told is None:
            return None
        return {scope: us for scope, us in sorted(self._told.items()) if us == 0 or us > self._last_us}

    def adopt(self, told: dict[str, int] | None, told_open_us: dict[str, int]) -> None:
        """Replace what was told, by who may have had other settings: all that is known is looked at again."""
        self._told, self.told_open_us = told, told_open_us
        self._last_us = self._turn_us = self._turned_us = _EVER
        if told is not None:
            self._book.touched.update((*self._protected, *self._actions, *told, *self._book.spent_scopes()))

    def forget_told(self) -> None:
        """Take what was told for unknown: the next changes are all that is blocked, and more than was told may be."""
        self._told, self._last_us, self._turn_us, self._turned_us = None, _EVER, _EVER, _EVER

    def changes(self, orders: Orders, now_us: int) -> dict[str, int]:
        """Return the scopes that are blocked otherwise than was told; `now_us` for one that is free already."""
        touched, ends = self._book.touched, self._book.ends
        if self._told is None:
            known = (*self._book.scopes(), *filter(is_target, orders.pauses))
            touched.update(("loop", *self._protected, *self._actions, *known))
            self._told = {}
        if now_us != self._last_us:
            self._last_us = now_us
            ends.pass_over(now_us)
            touched.update(["loop", *(f"action:{action}" for action in ends.turned)])
            ends.turned.clear()
        elif not touched:
            return {}
        self._touch_turned(orders, now_us)
        changed: dict[str, int] = {}
        for scope in sorted({one for some in touched for one in self._names.alike(some)}):
            until_us = self._until(scope, orders, now_us)
            told_us = self._told.get(scope)
            if told_us is not None and 0 < told_us <= now_us:
                told_us = None
            if until_us != told_us:
                changed[scope] = now_us if until_us is None else until_us
            if until_us is None:
                self._told.pop(scope, None)
            else:
                self._remember(scope, until_us, now_us)
        touched.clear()
        return changed

    def breakers_changed(self) -> bool:
        """Return whether other breakers are open than was told, and take it as told."""
        open_us = self._book.breakers()
        if open_us == self.told_open_us:
            return False
        self.told_open_us = open_us
        return True

    def _touch_turned(self, orders: Orders, now_us: int) -> None:
        """Touch what was ordered until a time that has come. All orders are looked at only when one of them turns."""
        for scope in self._book.touched:
            order = orders.pauses.get(scope)
            if order is not None and order.until_us is not None:
                self._turn_us = min(self._turn_us, order.until_us)
        if now_us < self._turn_us:
            return
        ends = [(one.until_us, target) for target, one in orders.pauses.items() if one.until_us is not None]
        due = {target for until_us, target in ends if self._turned_us < until_us <= now_us}
        self._book.touched.update(filter(is_target, due))
        self._turn_us = min((until_us for until_us, _ in ends if until_us > now_us), default=_NEVER)
        self._turned_us = now_us

    def _remember(self, scope: str, until_us: int, now_us: int) -> None:
        assert self._told is not None  # noqa: S101  # `changes` has seen to it
        if scope not in self._told and len(self._told).bit_count() == 1:  # now and then: at 1, 2, 4, 8, ... scopes
            self._told = {name: us for name, us in self._told.items() if us == 0 or us > now_us}
        self._told[scope] = until_us

    def _until(self, scope: str, orders: Orders, now_us: int) -> int | None:
        """Return when a scope is free again, by the latest of all reasons: 0 when that is not known, None now.

        An action that is not declared is no scope: nobody can propose it.
        """
        kind, _, name = scope.partition(":")
        if kind == "action" and scope not in self._actions:
            return None
        own_us = self._own(kind, name, orders, now_us)
        if own_us == 0:
            return 0
        alike = self._names.alike(scope)
        _, paused_us = longest_stopped(orders, alike, now_us) or (scope, None)
        limited_us = self._book.windows.blocked_until(ESCALATING if scope == ASK_SCOPE else alike[0], now_us)
        if 0 in (paused_us, limited_us):
            return 0
        return max(own_us or 0, paused_us or 0, limited_us or 0) or None

    def _own(self, kind: str, name: str, orders: Orders, now_us: int) -> int | None:
        """Return until when a scope is blocked for what only scopes of its kind are blocked for, likewise."""
        match kind:
            case "entity" if self._book.under_way(name) or name in self._settings.protected:
                return 0
            case "entity":
                return self._book.cooling_until(name, now_us)
            case "loop":
                stormy, _ = self._book.health.storming(now_us)
                _, full_us = places(self._settings, orders, len(self._book.field.in_flight), now_us)
                if stormy or full_us == 0:
                    return 0
                maintained = self._maintenance.until(now_us)
                return full_us if maintained is None else max(maintained[0], full_us or 0)
            case "action":
                return self._book.ends.stopped_until(name, now_us)
        return None

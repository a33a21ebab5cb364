"""What `control` orders at the moment: a fold of its records, the latest per scope counting."""

import msgspec

from ..events import Action, Control
from ..orders import in_force, scope_of

CANCELLED_LIMIT = 10_000
"""Cancelled actions remembered: an action expires within minutes."""
SCOPES_LIMIT = 10_000
"""Scopes of orders remembered; what is ordered of more stops the loop: nothing may be forgotten."""
_LASTING = ("pause", "stop", "rearm")


class ControlState:
    """Pauses and stops in force. Without any `pause/loop` record everything is paused.

    An order that is older (`time_us`) than the one in force for its scope is ignored: who writes a signed record again
    resumes or rearms nothing. So is, by the same rule, the order of a person whose clock is far behind; what stops is
    obeyed whatever its time.
    """

    def __init__(self) -> None:
        self._orders: dict[str, Control] = {}
        self._cancelled: dict[str, Control] = {}

    def fold(self, order: Control) -> None:
        """Take over one record, in log order."""
        if order.kind in _LASTING:
            self._order(order)
        elif order.kind == "cancel":
            self._cancelled[order.target] = order
            if len(self._cancelled) > CANCELLED_LIMIT:
                del self._cancelled[next(iter(self._cancelled))]

    def _order(self, order: Control) -> None:
        scope = scope_of(order) or ""
        now = in_force(order, self._orders.get(scope))
        if now is None:
            return
        if scope in self._orders or len(self._orders) < SCOPES_LIMIT:
            self._orders[scope] = now
        elif order.kind != "rearm":
            known = self._orders.get("stop/loop", order)
            time_us = max(order.time_us, known.time_us)
            self._orders["stop/loop"] = msgspec.structs.replace(order, kind="stop", target="loop", time_us=time_us)

    def why_paused(self, now_us: int, action: Action | None = None) -> str | None:
        """Return why nothing (or not this action) may start now, or None when it may."""
        if "pause/loop" not in self._orders:
            return "no pause/loop record: a loop is paused until it is activated"
        if action is not None and action.id in self._cancelled:
            return f"cancelled by {self._cancelled[action.id].by}"
        for target in _targets(action):
            stop = self._orders.get(f"stop/{target}")
            if stop is not None and stop.kind == "stop":
                return f"stopped by {stop.by} ({target}) until re-armed"
            pause = self._orders.get(f"pause/{target}")
            if pause is not None and _is_paused(pause, now_us):
                return f"paused by {pause.by} ({target})"
        return None


def _targets(action: Action | None) -> tuple[str, ...]:
    if action is None:
        return ("loop",)
    return ("loop", f"action:{action.action}", f"pattern:{action.pattern}", f"entity:{action.entity}")


def _is_paused(order: Control, now_us: int) -> bool:
    """Whether a pause record means paused now: an order with `until_us` turns into its opposite then."""
    over = order.until_us is not None and now_us >= order.until_us
    return (order.value != "running") != over

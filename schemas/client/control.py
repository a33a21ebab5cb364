"""What `control` orders at the moment: a fold of its records, the latest per kind and target counting."""

from ..events import Action, Control

CANCELLED_LIMIT = 10_000
"""Cancelled actions remembered: an action expires within minutes."""


class ControlState:
    """Pauses and stops in force. Without any `pause/loop` record everything is paused."""

    def __init__(self) -> None:
        self._pauses: dict[str, Control] = {}
        self._stops: dict[str, Control] = {}
        self._cancelled: dict[str, Control] = {}

    def fold(self, order: Control) -> None:
        """Take over one record, in log order."""
        if order.kind == "pause":
            self._pauses[order.target] = order
        elif order.kind == "stop":
            self._stops[order.target] = order
        elif order.kind == "rearm":
            self._stops.pop(order.target, None)
        elif order.kind == "cancel":
            self._cancelled[order.target] = order
            if len(self._cancelled) > CANCELLED_LIMIT:
                del self._cancelled[next(iter(self._cancelled))]

    def why_paused(self, now_us: int, action: Action | None = None) -> str | None:
        """Return why nothing (or not this action) may start now, or None when it may."""
        if "loop" not in self._pauses:
            return "no pause/loop record: a loop is paused until it is activated"
        if action is not None and action.id in self._cancelled:
            return f"cancelled by {self._cancelled[action.id].by}"
        for target in _targets(action):
            stop = self._stops.get(target)
            if stop is not None:
                return f"stopped by {stop.by} ({target}) until re-armed"
            pause = self._pauses.get(target)
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

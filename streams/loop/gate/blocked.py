"""What limits block now, and until when: told on `verdicts` at every change, so that nobody proposes in vain."""

from streams.loop.gate.book import Book
from streams.loop.gate.orders import stopped
from streams.loop.gate.settings import GateSettings
from streams.loop.gate.state import Orders


def blocked_now(
    settings: GateSettings, orders: Orders, book: Book, actions: tuple[str, ...], now_us: int
) -> dict[str, int]:
    """Return scope (`loop`, `action:NAME`, `pattern:ID`, `entity:NAME`) to when it is free again (0: not known)."""
    reasons: list[tuple[str, int | None]] = [(f"entity:{entity}", 0) for entity in settings.protected]
    reasons += [(action_scope, until) for action_scope, until in _orders(orders, now_us)]
    if book.storming(now_us) or len(book.field.in_flight) >= settings.concurrency:
        reasons.append(("loop", 0))
    reasons += [(f"action:{name}", book.failing_until(name, now_us)) for name in actions]
    reasons += [(f"entity:{action.entity}", 0) for action in book.field.in_flight.values()]
    reasons += [(f"entity:{entity}", book.cooling_until(entity, now_us)) for entity in book.field.cooldowns_us]
    reasons += book.windows.blocked(now_us, also=("loop", *(f"action:{name}" for name in actions))).items()
    return _latest(reasons)


def still_blocked(published: dict[str, int], now_us: int) -> dict[str, int]:
    """Return what of an earlier answer still holds: its times have told when the rest ended."""
    return {scope: until_us for scope, until_us in published.items() if until_us == 0 or until_us > now_us}


def _orders(orders: Orders, now_us: int) -> list[tuple[str, int]]:
    targets = {"loop", *orders.pauses, *orders.stops}
    states = [(target, stopped(orders, target, now_us)) for target in targets]
    return [(target, until_us) for target, (paused, until_us) in states if paused]


def _latest(reasons: list[tuple[str, int | None]]) -> dict[str, int]:
    """Return per scope the latest end of all its reasons; one without a known end outlasts the others."""
    latest: dict[str, int] = {}
    for scope, until_us in reasons:
        if until_us is not None and latest.get(scope) != 0:
            latest[scope] = max(until_us, latest.get(scope, 0)) if until_us else 0
    return dict(sorted(latest.items()))

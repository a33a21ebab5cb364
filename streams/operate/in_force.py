"""Orders in force on `control`, and how a new one comes after them although clocks differ."""

from collections.abc import Callable, Iterable

from schemas.events import Control, Event
from schemas.orders import in_force, scope_of
from streams.operate.topic_reader import StoredRecord, TopicReader


def orders_in_force(events: Iterable[tuple[StoredRecord, Event]]) -> dict[str, tuple[int, Control]]:
    """Return the order in force of every scope with its offset, as gate and executors see it."""
    found: dict[str, tuple[int, Control]] = {}
    for record, event in events:
        scope = scope_of(event) if isinstance(event, Control) else None
        if isinstance(event, Control) and scope is not None:
            known = found.get(scope)
            now = in_force(event, known[1] if known else None)
            if now is not None:
                found[scope] = (record.offset, now)
    return found


class OrderTimes:
    """Finds the time of a new order: the clock's, or just after the order that it is to take the place of."""

    def __init__(self, reader: TopicReader, *, say: Callable[[str], None]) -> None:
        """`reader` believes signed orders only; `say` tells the person that a clock is wrong."""
        self._reader = reader
        self._say = say

    def of(self, scope: str, now_us: int) -> int:
        """Return when an order about a scope (`schemas.orders`) is to be dated; raises `BrokerError`."""
        _, latest = orders_in_force(self._reader.events("control")).get(scope, (0, None))
        if latest is None or latest.time_us < now_us:
            return now_us
        ahead_s = (latest.time_us - now_us) / 1e6
        self._say(
            f"the last order of {scope}, by {latest.by}, is dated {ahead_s:.1f} s ahead of this machine's clock: "
            "one of the two clocks is wrong; this order is dated after it, so that it counts"
        )
        return latest.time_us + 1

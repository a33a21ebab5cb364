"""How many actions may be under way: after a resume only a part of all places is there, one at first."""

from streams.loop.gate.orders import running_since
from streams.loop.gate.settings import GateSettings
from streams.loop.gate.state import Orders


def places(settings: GateSettings, orders: Orders, taken: int, now_us: int) -> tuple[int, int | None]:
    """Return how many places there are, and when one more is than are taken: 0 when that is not known, None now."""
    all_of_them, ramp_us = settings.concurrency, settings.ramp_us
    allowed, since_us = all_of_them, now_us
    if ramp_us:
        since_us = running_since(orders, now_us)
        allowed = min(allowed, max(1, allowed * (now_us - since_us) // ramp_us))
    if taken < allowed:
        return allowed, None
    if taken >= all_of_them:
        return allowed, 0
    return allowed, since_us - (-(taken + 1) * ramp_us // all_of_them)

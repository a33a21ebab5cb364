"""Which of people's orders is in force: of each scope the latest by its own time.

A signed record that is written to `control` again later is still the same old order. So an order that is older than the
one in force for its scope counts for nothing, wherever in the log it lies; of two of the same time the later in the log
counts. Times are those of the clocks of who ordered: by a clock far behind, an order is ignored, and by one far ahead
all others are, until they are given a later time. `flyball` looks before it writes, and says so where it must.
"""

from .events import Control

_ALONE = ("keyring", "cancel", "settle")
"""Kinds that nothing takes back: a keyring has a version of its own, and a second time the others change nothing."""


def scope_of(order: Control) -> str | None:
    """Return what an order is about, such as `pause/loop`; a rearm is about the same as a stop. None: itself alone."""
    if order.kind in _ALONE:
        return None
    return f"{'stop' if order.kind == 'rearm' else order.kind}/{order.target}"


def supersedes(order: Control, known: Control | None) -> bool:
    """Return whether an order takes the place of the one in force for its scope."""
    return known is None or order.time_us >= known.time_us

"""Which of people's orders is in force: of each scope the latest by its own time.

A signed record that is written to `control` again later is still the same old order. So an order that is older than the
one in force for its scope counts for nothing, wherever in the log it lies; of two of the same time the later in the log
counts. Times are those of the clocks of who ordered: by a clock far behind, an order is ignored, and by one far ahead
all others are, until they are given a later time. `flyball` looks before it writes, and says so where it must. What
only stops is obeyed whatever its time, and is in force from just after the one before: no clock may keep a stop out.
"""

import msgspec

from .events import Control

_ALONE = ("keyring", "cancel", "settle")
"""Kinds that nothing takes back: a keyring has a version of its own, and a second time the others change nothing."""


_KEY = ", key "
"""What follows the name that a machine's key was used in; no person's name holds it."""


def of_key(order: Control, key_id: str) -> Control:
    """Return an order that a machine's key signed, in whatever name, as it counts: of nobody who is known."""
    return msgspec.structs.replace(order, by=f"{order.by}{_KEY}{key_id}")


def in_person(by: str) -> bool:
    """Return whether who ordered is known: a machine's key, which names whom its holder likes, did not sign it."""
    return _KEY not in by


def scope_of(order: Control) -> str | None:
    """Return what an order is about, such as `pause/loop`; a rearm is about the same as a stop. None: itself alone."""
    if order.kind in _ALONE:
        return None
    return f"{'stop' if order.kind == 'rearm' else order.kind}/{order.target}"


def stops(order: Control) -> bool:
    """Return whether an order only ever makes less happen: a stop, or a pause."""
    return order.kind == "stop" or (order.kind == "pause" and order.value == "paused")


def time_in_force(order: Control, known_us: int | None) -> int | None:
    """Return the time of an order once it is in force, given that of the one before, or None where it counts for
    nothing.
    """
    if known_us is None or order.time_us >= known_us:
        return order.time_us
    return known_us + 1 if stops(order) else None


def in_force(order: Control, known: Control | None) -> Control | None:
    """Return an order as it takes the place of the one in force for its scope, or None where it counts for nothing."""
    time_us = time_in_force(order, known.time_us if known is not None else None)
    return None if time_us is None else msgspec.structs.replace(order, time_us=time_us)

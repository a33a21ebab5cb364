"""How often the ledger is written, and what the time of people is."""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ledger is written after `every` experiences, or `ledger_us` after the first one not in it yet."""

    every: Count = 20
    ledger_us: Annotated[int, msgspec.Meta(ge=1)] = 10_000_000
    remembered: Count = 5_000
    """Events and defaults kept, so that duplicates stay harmless and corrections find what they correct."""
    minutes_per_answer: Annotated[float, msgspec.Meta(ge=0.0, le=1_440.0)] = 2.0
    """What approving or rejecting takes a person, of whom the ledger counts minutes."""
    price_of_minute: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.0
    """What such a minute costs, in units of reward; 0: minutes are counted and have no price."""

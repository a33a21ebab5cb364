"""How often the ledger is written."""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ledger is written after `every` experiences, or `ledger_us` after the first one not in it yet."""

    every: Count = 20
    ledger_us: Annotated[int, msgspec.Meta(ge=1)] = 10_000_000
    remembered: Count = 5_000
    """Events and defaults kept, so that duplicates stay harmless and corrections find what they correct."""

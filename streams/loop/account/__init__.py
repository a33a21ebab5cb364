"""Account: the audit chain, and what each arm of the hold-out has been worth."""

from typing import TYPE_CHECKING

from streams.loop.account.settings import AccountSettings
from streams.loop.on_demand import on_demand

if TYPE_CHECKING:
    from streams.loop.account.chain import GENESIS, link_hash, verify_chain
    from streams.loop.account.processor import Account

__all__ = ["GENESIS", "Account", "AccountSettings", "link_hash", "verify_chain"]

__getattr__ = on_demand(__name__, GENESIS="chain", link_hash="chain", verify_chain="chain", Account="processor")

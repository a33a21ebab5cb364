"""Account: the audit chain, and what each arm of the hold-out has been worth."""

from streams.loop.account.chain import GENESIS, link_hash, verify_chain
from streams.loop.account.processor import Account
from streams.loop.account.settings import AccountSettings

__all__ = ["GENESIS", "Account", "AccountSettings", "link_hash", "verify_chain"]

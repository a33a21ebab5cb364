"""Policy: one proposal per recurring or novel episode, with the exact probability with which it was chosen."""

from streams.loop.policy.processor import Policy
from streams.loop.policy.settings import PolicySettings

__all__ = ["Policy", "PolicySettings"]
